"""Trained networks' response and noise per direction, beside random features: writes responses.nc.

Three networks on the default manifold, in its 30 dimensions and in ten times as many: a hidden layer with all weights
trained and, in 30 dimensions, the same with frozen features, both by gradient descent at one noise variance; and the
residual network of `train` at all of them. A quarter of an hour of one core: `python notebooks/data/responses.py`.
"""

import tempfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from geomem import MLP, Manifold, TrainConfig, measure_response, random_features, train

VARIANCES, MULTIPLICITIES, NOISE_VARIANCE = (1.0, 0.09, 1e-4), (2, 5, 23), 0.05
RATIOS = (1, 5)  # samples per dimension
SCALES = (1, 10)  # times the dimensions
# Networks of each scale, with samples of their own.
SEEDS = {"two_layers": {1: 4, 10: 2}, "residual": {1: 2, 10: 1}, "frozen": {1: 2}}
WIDTH = 2  # hidden units per dimension
TIMES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)  # of training
# Steps of descent in units of the training time: so long at most, and shorter at first, as a share of the time.
LONGEST, SHARE, FIRST = 0.15, 0.04, 0.004
WINDOW = 1.25  # weights are averaged from so much before a time to so much after it, as factors
BATCH = 1200  # noised samples of a step
STEPS = (300, 1000, 3000, 10_000)  # of the residual network,
MOST_STEPS = {1: 10_000, 10: 3000}  # up to these,
WIDTHS = {1: 128, 10: 384}  # and its hidden units, more than dimensions
NUM_POINTS = 8000
NAMES = ("response", "second_moment", "signal_to_noise", "excess_loss")


@partial(jax.jit, static_argnames="frozen")
def descend(weights, data, key, rates, frozen):
    """Both layers after steps of gradient descent on half the mean squared error of -noise/sqrt(t), and their mean."""

    def loss(weights, samples, omega):
        first, second = weights
        noised = samples + jnp.sqrt(NOISE_VARIANCE) * omega
        output = jnp.tanh(noised @ first.T / np.sqrt(data.shape[1])) @ second.T
        return jnp.sum((output + omega / np.sqrt(NOISE_VARIANCE)) ** 2) / (2 * len(samples))

    def step(state, given):
        weights, sums = state
        key, rate = given
        of_rows, of_noise = jax.random.split(key)
        # All samples as often as each other, or some of them.
        evenly = jnp.arange(BATCH) % len(data)
        rows = evenly if len(data) <= BATCH else jax.random.randint(of_rows, (BATCH,), 0, len(data))
        omega = jax.random.normal(of_noise, (BATCH, data.shape[1]), data.dtype)
        if frozen:
            slopes = (0.0, jax.grad(lambda second: loss((weights[0], second), data[rows], omega))(weights[1]))
        else:
            slopes = jax.grad(loss)(weights, data[rows], omega)
        weights = jax.tree.map(lambda one, slope: one - rate * slope, weights, slopes)
        return (weights, jax.tree.map(lambda total, one: total + rate * one, sums, weights)), None

    none = jax.tree.map(jnp.zeros_like, weights)
    (weights, sums), _ = jax.lax.scan(step, (weights, none), (jax.random.split(key, len(rates)), rates))
    return weights, jax.tree.map(lambda total: total / jnp.sum(rates), sums)


def rates_between(start, end):
    """Steps from a time to another."""
    rates = []
    while start < end * (1 - 1e-6):
        rates.append(min(max(SHARE * start, FIRST), LONGEST, end - start))
        start += rates[-1]
    return jnp.asarray(rates, jnp.float32)


def hidden_layer(law, size, seed, scale, frozen):
    """Measured responses of a network of one hidden layer about every training time."""
    of_data, of_weights, of_noise, of_points = jax.random.split(jax.random.key(seed), 4)
    dims = law.num_coordinates
    data = jnp.asarray(law.sample(of_data, size), dtype=jnp.float32)
    first = jax.random.normal(of_weights, (WIDTH * dims, dims), jnp.float32)
    weights, done = (first, jnp.zeros((dims, WIDTH * dims), jnp.float32)), 0.0
    for place, time in enumerate(TIMES):
        for part, until in enumerate((time / WINDOW, time * WINDOW)):
            own = jax.random.fold_in(of_noise, 2 * place + part)
            weights, mean = descend(weights, data, own, rates_between(done, until), frozen)
            done = until
        layers = [np.asarray(one, dtype=float) for one in mean]

        def score(x, _, layers=layers):
            return np.tanh(np.asarray(x) @ layers[0].T / np.sqrt(dims)) @ layers[1].T

        yield measure_response(score, law, noise_variance=NOISE_VARIANCE, num_points=NUM_POINTS, key=of_points)


def residual(law, size, seed, scale):
    """Measured responses of the residual network at every number of steps."""
    of_data, of_training, of_points = jax.random.split(jax.random.key(seed), 3)
    data = law.sample(of_data, size)
    network = MLP(width=WIDTHS[scale])
    with tempfile.TemporaryDirectory() as folder:
        for steps in (one for one in STEPS if one <= MOST_STEPS[scale]):
            config = TrainConfig(network=network, num_steps=steps, learning_rate=1e-3, ema_decay=0.99)
            trained = train(config, data, of_training, directory=folder, progress=False)
            yield measure_response(
                trained.score, law, noise_variance=NOISE_VARIANCE, num_points=NUM_POINTS, key=of_points
            )


def main():
    """Measure all, one data set of results per network and scale, and write them."""
    rows = {"hidden": ("training_time", TIMES), "residual": ("step", STEPS)}
    kinds = {
        "two_layers": ("hidden", partial(hidden_layer, frozen=False)),
        "residual": ("residual", residual),
        "frozen": ("hidden", partial(hidden_layer, frozen=True)),
    }
    data, most = {}, max(max(one.values()) for one in SEEDS.values())
    for kind, (family, measured) in kinds.items():
        axis, places = rows[family]
        shape = (len(SCALES), len(RATIOS), most, len(places), len(VARIANCES))
        found = {name: np.full(shape, np.nan) for name in NAMES}
        for place, scale in enumerate(SCALES):
            law = Manifold(VARIANCES, [scale * count for count in MULTIPLICITIES])
            for ratio, per_dimension in enumerate(RATIOS):
                for seed in range(SEEDS[kind].get(scale, 0)):
                    size = per_dimension * law.num_coordinates
                    for number, one in enumerate(measured(law, size, seed, scale)):
                        for name in NAMES:
                            found[name][place, ratio, seed, number] = one[name].values
                print(kind, scale, per_dimension, found["signal_to_noise"][place, ratio, 0].round(2), flush=True)
        dims = ("scale", "samples_per_dimension", "seed", axis, "block")
        data |= {f"{kind}_{name}": (dims, values) for name, values in found.items()}
    law = Manifold(VARIANCES, MULTIPLICITIES)
    predicted = random_features(
        law,
        noise_variance=NOISE_VARIANCE,
        num_samples=law.dimension * np.array(RATIOS, dtype=float)[:, None],
        width=law.dimension * WIDTH,
        training_time=np.array(TIMES),
    )
    for name in NAMES:
        data[f"predicted_{name}"] = (("samples_per_dimension", "training_time", "block"), getattr(predicted, name))
    coordinates = {
        "scale": list(SCALES),
        "samples_per_dimension": list(RATIOS),
        "seed": list(range(most)),
        "training_time": list(TIMES),
        "step": list(STEPS),
        "variance": ("block", list(VARIANCES)),
    }
    about = {"noise_variance": NOISE_VARIANCE, "width_per_dimension": WIDTH, "longest_step": LONGEST}
    xr.Dataset(data, coordinates, about).to_netcdf(Path(__file__).parent / "responses.nc", engine="h5netcdf")


if __name__ == "__main__":
    main()
