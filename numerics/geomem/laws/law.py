"""TODO laws.law."""

from collections.abc import Iterable

import jax

from geomem.laws.random_manifold import RandomManifold


def register_law(law: type, leaves: tuple[str, ...]) -> None:
    """Make a law a pytree of these fields."""

    def unflatten(_: None, values: Iterable[object]) -> object:
        # Transformations rebuild pytrees with placeholder leaves, which are no user's input.
        one = object.__new__(law)
        for name, value in zip(leaves, values, strict=True):
            object.__setattr__(one, name, value)
        return one

    jax.tree_util.register_pytree_node(law, lambda one: ([getattr(one, name) for name in leaves], None), unflatten)


register_law(RandomManifold, ("variances", "weights", "latent_ratio"))
