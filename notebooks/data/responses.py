"""Trained networks' response and noise per direction, beside random features: writes responses.nc.

Three networks on the default manifold's spectrum, in 30 and 120 dimensions: a hidden layer whose features are frozen,
the same with all weights trained, by gradient descent at one noise variance, and the residual network of `train` at
all of them. About ten minutes on two cores: `python notebooks/data/responses.py`.
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
SCALES, RATIOS, SEEDS = (1, 4), (2, 10), (0, 1)  # of dimensions; samples per dimension
WIDTH = 4  # hidden units per dimension
TIMES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of training
RATE, BATCH = 0.1, 600  # of gradient descent, in units of the training time; samples of a step at most
STEPS = (300, 1000, 3000, 10_000, 20_000)  # of the residual network
NAMES = ("response", "signal_to_noise", "excess_loss")


@partial(jax.jit, static_argnames=("steps", "frozen"))
def descend(weights, data, key, steps, frozen):
    """Both layers after so many steps of gradient descent on half the mean squared error of -noise/sqrt(t)."""

    def loss(weights, samples, omega):
        first, second = weights
        noised = samples + jnp.sqrt(NOISE_VARIANCE) * omega
        output = jnp.tanh(noised @ first.T / np.sqrt(data.shape[1])) @ second.T
        return jnp.sum((output + omega / np.sqrt(NOISE_VARIANCE)) ** 2) / (2 * len(samples))

    def step(weights, key):
        of_rows, of_noise = jax.random.split(key)
        samples = data if len(data) <= BATCH else data[jax.random.randint(of_rows, (BATCH,), 0, len(data))]
        slopes = jax.grad(loss)(weights, samples, jax.random.normal(of_noise, samples.shape, data.dtype))
        moved = tuple(one - RATE * slope for one, slope in zip(weights, slopes, strict=True))
        return (weights[0] if frozen else moved[0], moved[1]), None

    return jax.lax.scan(step, weights, jax.random.split(key, steps))[0]


def hidden_layer(law, size, seed, frozen):
    """Measured responses of a network of one hidden layer at every training time."""
    of_data, of_weights, of_noise, of_points = jax.random.split(jax.random.key(seed), 4)
    dims = law.num_coordinates
    data = jnp.asarray(law.sample(of_data, size), dtype=jnp.float32)
    first = jax.random.normal(of_weights, (WIDTH * dims, dims), jnp.float32)
    weights, done = (first, jnp.zeros((dims, WIDTH * dims), jnp.float32)), 0
    for time in TIMES:
        steps = round(time / RATE) - done
        weights = descend(weights, data, jax.random.fold_in(of_noise, done), steps, frozen)
        done += steps
        layers = [np.asarray(one, dtype=float) for one in weights]

        def score(x, _, layers=layers):
            return np.tanh(np.asarray(x) @ layers[0].T / np.sqrt(dims)) @ layers[1].T

        yield measure_response(score, law, noise_variance=NOISE_VARIANCE, num_points=8000, key=of_points)


def residual(law, size, seed):
    """Measured responses of the residual network at every number of steps."""
    of_data, of_training, of_points = jax.random.split(jax.random.key(seed), 3)
    data = law.sample(of_data, size)
    with tempfile.TemporaryDirectory() as folder:
        for steps in STEPS:
            config = TrainConfig(network=MLP(), num_steps=steps, learning_rate=1e-3, ema_decay=0.99)
            trained = train(config, data, of_training, directory=folder, progress=False)
            yield measure_response(trained.score, law, noise_variance=NOISE_VARIANCE, num_points=8000, key=of_points)


def main():
    """Measure all, one data set of results per network and scale, and write them."""
    rows = {"hidden": ("training_time", TIMES), "residual": ("step", STEPS)}
    kinds = {
        "frozen": ("hidden", partial(hidden_layer, frozen=True)),
        "two_layers": ("hidden", partial(hidden_layer, frozen=False)),
        "residual": ("residual", residual),
    }
    data = {}
    for kind, (family, measured) in kinds.items():
        axis, places = rows[family]
        shape = (len(SCALES), len(RATIOS), len(SEEDS), len(places), len(VARIANCES))
        found = {name: np.full(shape, np.nan) for name in NAMES}
        for scale, factor in enumerate(SCALES):
            law = Manifold(VARIANCES, [factor * count for count in MULTIPLICITIES])
            for ratio, per_dimension in enumerate(RATIOS):
                for place, seed in enumerate(SEEDS):
                    size = per_dimension * law.num_coordinates
                    for number, one in enumerate(measured(law, size, seed)):
                        for name in NAMES:
                            found[name][scale, ratio, place, number] = one[name].values
                print(kind, factor, per_dimension, found["signal_to_noise"][scale, ratio].mean(axis=0).round(2))
        dims = ("scale", "samples_per_dimension", "seed", axis, "block")
        data |= {f"{kind}_{name}": (dims, values) for name, values in found.items()}
    law = Manifold(VARIANCES, MULTIPLICITIES)
    predicted = random_features(
        law,
        noise_variance=NOISE_VARIANCE,
        num_samples=30.0 * np.array(RATIOS)[:, None],
        width=30.0 * WIDTH,
        training_time=np.array(TIMES),
    )
    for name in NAMES:
        data[f"predicted_{name}"] = (("samples_per_dimension", "training_time", "block"), getattr(predicted, name))
    coordinates = {
        "scale": list(SCALES),
        "samples_per_dimension": list(RATIOS),
        "seed": list(SEEDS),
        "training_time": list(TIMES),
        "step": list(STEPS),
        "variance": ("block", list(VARIANCES)),
    }
    about = {"noise_variance": NOISE_VARIANCE, "width_per_dimension": WIDTH, "rate": RATE}
    xr.Dataset(data, coordinates, about).to_netcdf(Path(__file__).parent / "responses.nc", engine="h5netcdf")


if __name__ == "__main__":
    main()
