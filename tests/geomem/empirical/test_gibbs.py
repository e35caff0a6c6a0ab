"""The empirical score against explicit log-densities, its limits and symmetries, and how the pass is cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from geomem import InputError, Manifold, Probe, denoiser, gibbs, jacobian, jacobian_operator, quenched, score
from geomem.empirical.streaming import PassOptions, fold_samples

TIMES = np.array([1e-8, 1e-2, 1.0, 1e8])
DATA = np.random.default_rng(1).normal(size=(60, 4))
PROBES = np.random.default_rng(2).normal(size=(3, 4))


@jax.jit
def log_density(x, data, time):
    """ln Z, written out."""
    return jax.nn.logsumexp(-jnp.sum((x[None, :] - data) ** 2, axis=1) / (2 * time))


def at_all(function, probes, data, times):
    return np.array([[function(jnp.asarray(x), jnp.asarray(data), float(t)) for x in probes] for t in times])


def relative(value, expected):
    """Difference over the norm, at every noise variance."""
    axes = tuple(range(1, expected.ndim))
    return np.sqrt(np.sum((np.asarray(value) - expected) ** 2, axis=axes) / np.sum(expected**2, axis=axes))


@pytest.mark.parametrize("num_samples", [1, 60])
def test_equals_derivatives_of_the_log_density(num_samples):
    data = DATA[:num_samples]
    assert relative(gibbs(PROBES, data, TIMES).log_partition, at_all(log_density, PROBES, data, TIMES)).max() < 1e-12
    gradient, hessian = jax.jit(jax.grad(log_density)), jax.jit(jax.hessian(log_density))
    assert relative(score(PROBES, data, TIMES), at_all(gradient, PROBES, data, TIMES)).max() < 1e-10
    expected = at_all(hessian, PROBES, data, TIMES)
    assert relative(jacobian(PROBES, data, TIMES), expected).max() < 1e-10
    v = np.array([1.0, -2.0, 0.5, 3.0])
    assert relative(jacobian_operator(PROBES, data, TIMES)(v), expected @ v).max() < 1e-10


def test_probes_on_rays_are_probes():
    directions = np.random.default_rng(3).normal(size=(3, 4))
    on_rays = gibbs(PROBES, DATA, TIMES, directions=directions)
    scores = score(PROBES, DATA, TIMES, directions=directions)
    for level, time in enumerate(TIMES):
        points = PROBES + np.sqrt(time) * directions
        each = gibbs(points, DATA, time)
        for got, expected in zip(on_rays, each, strict=True):
            np.testing.assert_allclose(got[level], expected, rtol=1e-9)
        np.testing.assert_allclose(scores[level], score(points, DATA, time), rtol=1e-7, atol=1e-12)
    one_start = gibbs(PROBES[0], DATA, TIMES, directions=directions)
    many = gibbs(np.tile(PROBES[0], (3, 1)), DATA, TIMES, directions=directions)
    np.testing.assert_allclose(one_start.log_partition, many.log_partition, rtol=1e-12)


def test_shapes_follow_noise_variances_and_probes():
    assert gibbs(PROBES[0], DATA, 0.1).log_partition.shape == ()
    assert score(PROBES, DATA, 0.1).shape == (3, 4)
    assert denoiser(PROBES, DATA, [[0.1, 0.2]]).shape == (1, 2, 3, 4)
    assert jacobian(PROBES[0], DATA, [0.1, 0.2]).shape == (2, 4, 4)


def test_weights_are_those_of_the_definition():
    found = gibbs(PROBES, DATA, [0.5])
    distances = np.linalg.norm(PROBES[:, None, :] - DATA[None, :, :], axis=2)
    weights = np.exp(-(distances**2) / (2 * 0.5))
    weights /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.participation[0], (weights**2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.nearest_distance[0], distances.min(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found.nearest_index[0], distances.argmin(axis=1))
    np.testing.assert_allclose(denoiser(PROBES, DATA, [0.5])[0], weights @ DATA, rtol=1e-12)


def test_no_noise_is_the_nearest_sample():
    nearest = np.linalg.norm(PROBES[:, None, :] - DATA[None, :, :], axis=2).argmin(axis=1)
    np.testing.assert_allclose(denoiser(PROBES, DATA, 1e-300), DATA[nearest], rtol=1e-13)
    assert (gibbs(PROBES, DATA, 1e-300).participation == 1).all()
    np.testing.assert_allclose(jacobian(PROBES, DATA, 1e-12), -1e12 * np.tile(np.eye(4), (3, 1, 1)), rtol=1e-12)


def test_much_noise_is_the_mean_of_the_data():
    np.testing.assert_allclose(denoiser(PROBES, DATA, 1e12), np.tile(DATA.mean(axis=0), (3, 1)), rtol=1e-9)
    np.testing.assert_allclose(gibbs(PROBES, DATA, 1e12).participation, 1 / 60, rtol=1e-10)


def test_a_probe_on_a_sample_and_duplicates():
    doubled = np.concatenate([DATA, DATA[:1]])
    found = gibbs(DATA[0], doubled, 1e-9)
    assert float(found.nearest_distance) == 0
    assert int(found.nearest_index) == 0
    assert float(found.participation) == pytest.approx(0.5)
    np.testing.assert_allclose(score(DATA[0], doubled, 1e-9), 0, atol=1e-6)


def test_far_from_the_origin_nothing_is_lost():
    shift = 1e6
    near, far = score(PROBES, DATA, 1e-2), score(PROBES + shift, DATA + shift, 1e-2)
    assert relative(far[None], np.asarray(near)[None]).max() < 1e-6  # what is lost is in the coordinates themselves


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), exponent=st.floats(-3, 3), shift=st.floats(-5, 5))
def test_symmetries(seed, exponent, shift):
    rng = np.random.default_rng(seed)
    time = 10.0**exponent
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    plain = np.asarray(score(PROBES, DATA, time))
    scale = np.abs(plain).max()
    np.testing.assert_allclose(score(PROBES + shift, DATA + shift, time), plain, atol=1e-9 * scale)
    np.testing.assert_allclose(score(PROBES @ rotation, DATA @ rotation, time), plain @ rotation, atol=1e-9 * scale)
    np.testing.assert_allclose(score(PROBES, rng.permutation(DATA), time), plain, atol=1e-9 * scale)


@pytest.mark.parametrize("chunk_size", [1, 7, 59, 1000])
def test_chunks_do_not_matter(chunk_size, tmp_path):
    np.save(tmp_path / "data.npy", DATA)
    pieces = (DATA[first : first + 11] for first in range(0, 60, 11))
    expected = score(PROBES, DATA, TIMES)
    for data in (DATA, jnp.asarray(DATA), tmp_path / "data.npy", pieces):
        assert relative(score(PROBES, data, TIMES, chunk_size=chunk_size), np.asarray(expected)).max() < 1e-12
    np.testing.assert_array_equal(
        gibbs(PROBES, DATA, TIMES, chunk_size=chunk_size).nearest_index, gibbs(PROBES, DATA, TIMES).nearest_index
    )


def test_float32_data_are_summed_in_float64():
    small = DATA.astype(np.float32)
    exact = score(PROBES, small.astype(float), TIMES)
    assert score(PROBES, small, TIMES).dtype == np.float64
    assert relative(score(PROBES, small, TIMES), np.asarray(exact)).max() < 1e-12


def test_storing_in_float32_costs_what_moving_the_data_does():
    """The documented error: that of the score at data moved by 2^-24 of their coordinates, nothing else."""
    data, small = DATA * 3, (DATA * 3).astype(np.float32)
    times = np.array([0.1, 1.0, 10.0])
    moved = small.astype(float) - data
    assert np.abs(moved / data).max() <= 2.0**-24
    exact, stored = score(PROBES, data, times), score(PROBES, small, times)
    change = jax.jvp(lambda y: jax.vmap(lambda t: score_of(PROBES, y, t))(times), (data,), (moved,))[1]
    np.testing.assert_allclose(stored - exact, change, rtol=1e-3, atol=1e-6 * np.abs(change).max())


def score_of(probes, data, time):
    """The score, written out."""
    weights = jax.nn.softmax(-jnp.sum((probes[:, None, :] - data[None]) ** 2, axis=2) / (2 * time), axis=1)
    return (weights @ data - probes) / time


def test_an_interrupted_pass_goes_on(tmp_path):
    file = tmp_path / "sums.npz"
    expected = score(PROBES, DATA, TIMES, chunk_size=10)
    read = []

    class Dies(Exception):  # noqa: N818 (no error of ours)
        pass

    def pieces(last):
        for first in range(0, 60, 10):
            if first == last:
                raise Dies
            read.append(first)
            yield DATA[first : first + 10]

    with pytest.raises(Dies):
        score(PROBES, pieces(40), TIMES, chunk_size=10, checkpoint=file)
    assert file.is_file()
    resumed = score(PROBES, pieces(None), TIMES, chunk_size=10, checkpoint=file)
    np.testing.assert_array_equal(resumed, expected)
    assert read == [0, 10, 20, 30, 0, 10, 20, 30, 40, 50]  # an iterable is read again, but not summed
    assert not file.exists()
    with pytest.raises(Dies):
        score(PROBES, pieces(40), TIMES, chunk_size=10, checkpoint=file)
    with pytest.raises(InputError, match="belongs to another pass"):
        score(PROBES + 1, pieces(None), TIMES, chunk_size=10, checkpoint=file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged"):
        score(PROBES, pieces(None), TIMES, chunk_size=10, checkpoint=file)


@pytest.mark.parametrize(
    ("x", "data", "time", "message"),
    [
        (PROBES[:, :3], DATA, 0.1, "4 dimensions but the probes 3"),
        (PROBES, np.where(np.arange(60)[:, None] == 7, np.nan, DATA), 0.1, "row 7 of the data"),
        (PROBES, DATA[:0], 0.1, "the data are empty"),
        (PROBES, iter([DATA[:0]]), 0.1, "the data are empty"),
        (PROBES, DATA, 0.0, "positive and finite"),
        (PROBES, DATA, [0.1, -1.0], "noise variance 1 is -1"),
        (PROBES, DATA.astype(object), 0.1, "dtype object"),
        (PROBES, DATA[0], 0.1, "have shape"),
        (PROBES, "nowhere.npy", 0.1, "nowhere.npy: there is no such file"),
        (np.full((1, 4), np.nan), DATA, 0.1, "the probes hold NaN"),
    ],
)
def test_bad_input(x, data, time, message):
    with pytest.raises(InputError, match=message):
        gibbs(x, data, time)


def test_damaged_files(tmp_path):
    np.save(tmp_path / "data.npy", DATA)
    whole = (tmp_path / "data.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", a=DATA, b=DATA)
    for name in ("cut.npy", "object.npy", "several.npz"):
        with pytest.raises(InputError, match=name):
            gibbs(PROBES, tmp_path / name, 0.1)


@pytest.mark.parametrize("dies_at", [10, 90])  # the first pass, the second pass
def test_an_interrupted_jacobian_goes_on(tmp_path, monkeypatch, dies_at):
    file, seen = tmp_path / "sums.npz", []

    def counted(samples, first):
        seen.append(first)
        if len(seen) == dies_at // 10 + 1:
            raise KeyboardInterrupt
        return samples

    expected = jacobian(PROBES, DATA, TIMES, chunk_size=10)
    monkeypatch.setattr("geomem.empirical.streaming._finite", counted)
    with pytest.raises(KeyboardInterrupt):
        jacobian(PROBES, DATA, TIMES, chunk_size=10, checkpoint=file)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(jacobian(PROBES, DATA, TIMES, chunk_size=10, checkpoint=file), expected)
    assert not list(tmp_path.iterdir())


def test_directions_and_chunks_that_do_not_fit():
    with pytest.raises(InputError, match="do not fit directions"):
        gibbs(PROBES, DATA, 0.1, directions=np.ones((2, 4)))
    with pytest.raises(InputError, match="two passes"):
        jacobian(PROBES, iter([DATA]), 0.1)
    with pytest.raises(InputError, match="chunk_size is 0"):
        gibbs(PROBES, DATA, 0.1, chunk_size=0)
    with pytest.raises(InputError, match=r"must be a \.npz file"):
        gibbs(PROBES, DATA, 0.1, checkpoint="sums.txt")


def test_a_fold_is_over_all_samples():
    total = fold_samples(
        lambda _, state, samples, index: state + jnp.sum(jnp.where(index >= 0, samples[:, 0], 0.0)),
        lambda _, one, other: one + other,
        (), jnp.zeros(()), DATA, 4, 8, PassOptions(),
    )  # fmt: skip
    assert float(total) == pytest.approx(DATA[:, 0].sum())


@pytest.mark.slow  # 3 x 300 data sets
def test_averages_over_data_sets_are_those_of_finite_n(default_manifold):
    """Y2, ln Z and the score along block 0, at the probe `along`, through the engine."""
    num_samples, num_datasets = 300, 300
    times = np.array([0.05, 0.3, 1.0])
    exact = quenched(default_manifold, 0, noise_variance=times, num_samples=num_samples, probe=Probe.along())
    direction = np.eye(30)[0]
    rows = []
    for key in jax.random.split(jax.random.key(5), num_datasets):
        data = default_manifold.sample(key, num_samples)
        found = gibbs(np.zeros(30), data, times, directions=direction)
        along = score(np.zeros(30), data, times, directions=direction)[:, 0]
        rows.append((found.participation, found.log_partition, along))
    simulated = np.array(rows)  # (data sets, observables, times)
    expected = np.array([exact.participation, exact.log_partition, exact.score_mean])
    z = (simulated.mean(axis=0) - expected) / (simulated.std(axis=0, ddof=1) / np.sqrt(num_datasets))
    assert np.abs(z).max() < 4.5
    deviation = simulated[:, 2] - simulated[:, 2].mean(axis=0)
    variance = np.mean(deviation**2, axis=0)
    error = np.sqrt((np.mean(deviation**4, axis=0) - variance**2) / num_datasets)
    assert (np.abs((variance - np.asarray(exact.score_variance)) / error) < 4.5).all()


def test_manifold_data_have_the_population_score_with_many_samples():
    manifold = Manifold([1.0, 0.25], [1, 1])
    data = manifold.sample(jax.random.key(0), 20_000)
    x = np.array([0.5, 0.2])
    np.testing.assert_allclose(score(x, data, 1.0), -x / (1.0 + np.array([1.0, 0.25])), atol=0.02)


@pytest.mark.parametrize("apart", [1.0, 1e6, 1e9])
def test_clusters_far_apart(apart, rng):
    """Products lose the distances inside clusters; what is in doubt is taken from differences."""
    data = rng.normal(size=(40, 3)) + apart * np.repeat([[-0.5], [0.5]], 20, axis=0)
    own = np.array([0, 5, 20, 33])
    noise, times = 0.3 * rng.normal(size=(4, 3)), np.array([0.02, 0.5])
    at = data[own] + np.sqrt(times)[:, None, None] * noise
    squares = np.sum((at[:, :, None] - data) ** 2, axis=-1)
    expected = logsumexp(-squares / (2 * times[:, None, None]), axis=2)
    weights = np.exp(-squares / (2 * times[:, None, None]) - expected[:, :, None])
    # The coordinates themselves have been rounded where the clusters are far.
    accuracy = 1e-9 + 50 * np.finfo(float).eps * apart / times.min()
    found = gibbs(data[own], data, times, directions=noise)
    np.testing.assert_array_equal(found.nearest_index, np.argmin(squares, axis=2))
    np.testing.assert_allclose(found.log_partition, expected, rtol=0, atol=accuracy)
    np.testing.assert_allclose(found.participation, np.sum(weights**2, axis=2), rtol=0, atol=accuracy)
    plain = gibbs(at[1], data, times[1])
    np.testing.assert_array_equal(plain.nearest_index, np.argmin(squares[1], axis=1))
    np.testing.assert_allclose(plain.log_partition, expected[1], rtol=0, atol=accuracy)
