"""Training: what is learned, that nothing but key and step decides it, and that nothing is lost."""

import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import MLP, InputError, Manifold, TrainConfig, measure_spectrum, train, train_group
from geomem.core.provenance import digest
from geomem.networks import steps, training
from geomem.networks.cost import timed_step
from tests.geomem.empirical.test_streaming import finish_all, start

KEY = jax.random.key(7)
NETWORK = MLP(width=16, num_blocks=1, embedding=8, embedding_width=16)


def config(num_steps, **changed):
    return TrainConfig(**({"network": NETWORK, "num_steps": num_steps, "batch_size": 16} | changed))


def rows(seed, number=40, dims=3):
    return np.random.default_rng(seed).normal(size=(number, dims))


def checkpoint(folder):
    return (folder / "training.npz").read_bytes()


@pytest.mark.slow  # a training to its end
def test_the_loss_reaches_the_least_possible(tmp_path):
    """Of unit variance, the noise is known up to a variance 1/(1 + t): on average over ln sigma, the least loss."""
    law = Manifold([1.0], [3])
    asked = config(4000, batch_size=128, learning_rate=3e-3, ema_decay=0.99, sigma_min=0.1, sigma_max=10.0)
    data, held_out = law.sample(jax.random.key(1), 20_000), law.sample(jax.random.key(2), 20_000)
    trained = train(asked, data, KEY, directory=tmp_path, held_out=held_out, progress=False)
    sigma = np.geomspace(0.1, 10.0, 10_001)
    least = np.trapezoid(1 / (1 + sigma**2), np.log(sigma)) / np.log(100)
    last = trained.history.isel(step=-1)
    assert list(trained.history.step) == [1000, 2000, 3000, 4000]
    for name in ("loss", "held_out_loss"):
        value, error = float(last[name]), float(last[f"{name}_error"])
        assert least - 4 * error < value < least + 0.01 + 4 * error
    assert trained.history.loss[0] > last.loss + 4 * last.loss_error
    spectrum = measure_spectrum(trained.score, np.zeros(3), [0.25, 1.0, 4.0], protocol="jacobian", key=KEY)
    expected = spectrum.noise_variance / (1 + spectrum.noise_variance)
    assert float(np.abs(spectrum.singular_value.mean("index")[:, 0] - expected).max()) < 0.1


@pytest.mark.slow  # compiles trainings of one and of several
def test_a_member_of_a_group_is_the_one_trained_alone(tmp_path):
    """Data sets of different sizes, the second padded."""
    sets, keys, asked = [rows(0), rows(1, 17)], [KEY, jax.random.key(3)], config(120)
    others = [rows(2), rows(3, 9)]
    group = train_group(asked, sets, keys, directory=tmp_path / "group", held_out=others, progress=False)
    for number, together in enumerate(group):
        alone = train(
            asked, sets[number], keys[number], directory=tmp_path / f"{number}", held_out=others[number], progress=False
        )
        for name in together.history.data_vars:
            np.testing.assert_allclose(together.history[name], alone.history[name], rtol=1e-4)
        np.testing.assert_allclose(together.score(rows(5), 0.1), alone.score(rows(5), 0.1), rtol=1e-3, atol=1e-4)
        assert together.history.provenance == alone.history.provenance
        assert digest(sets[number].astype(np.float32)) in alone.history.provenance
    assert jnp.abs(group[0].score(rows(5), 0.1) - group[1].score(rows(5), 0.1)).max() > 0.01


def test_only_own_rows_are_drawn():
    data = steps.pad_sets([np.ones((3, 2), np.float32), np.full((90, 2), 2.0, np.float32)])
    drawn = [
        steps._draw(config(1), steps.PaddedSets(data.samples[member], data.sizes[member]), KEY, jnp.array(5))
        for member in range(2)
    ]
    np.testing.assert_array_equal(drawn[0][0], 1.0)
    np.testing.assert_array_equal(drawn[1][0], 2.0)
    levels = np.log(np.asarray(drawn[0][1]) / 0.01) / np.log(5000) * 2
    np.testing.assert_array_equal(np.floor(levels), [0, 1])


KILLED = """
import sys, jax, numpy as np
from geomem import MLP, TrainConfig, train
from geomem.networks import training
training._SAVE_EVERY = 0.0
network = MLP(width=16, num_blocks=1, embedding=8, embedding_width=16)
data = np.random.default_rng(0).normal(size=(40, 3))
config = TrainConfig(network=network, num_steps=10**9, batch_size=16)
train(config, data, jax.random.key(7), directory=sys.argv[1], progress=False)
"""


@pytest.mark.slow  # starts a process and kills it
def test_killed_and_resumed_is_the_same_to_the_bit(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "killed")], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 200
        while not (tmp_path / "killed" / "training.npz").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with np.load(tmp_path / "killed" / "training.npz") as saved:
        reached = int(saved["step"])
    assert reached > 0
    asked = config(reached + 1070)
    resumed = train(asked, rows(0), KEY, directory=tmp_path / "killed", progress=False)
    whole = train(asked, rows(0), KEY, directory=tmp_path / "whole", progress=False)
    assert resumed.step == whole.step == reached + 1070
    assert checkpoint(tmp_path / "killed") == checkpoint(tmp_path / "whole")
    assert resumed.history.identical(whole.history)


def test_a_finished_training_goes_on_with_more_steps_and_not_with_fewer(tmp_path):
    """What is compiled to tell how long steps take trains, also from a checkpoint on."""
    seconds, _ = timed_step(config(70), [rows(0)], jnp.stack([KEY]))
    assert 0 < seconds < 1
    compiled = [one._cache_size() for one in (steps.advance, steps._initial_states)]
    first = train(config(70), rows(0), KEY, directory=tmp_path / "two", progress=False)
    assert first.history.step.values.tolist() == [70]
    longer = train(config(130), rows(0), KEY, directory=tmp_path / "two", progress=False)
    train(config(130), rows(0), KEY, directory=tmp_path / "one", progress=False)
    assert [one._cache_size() for one in (steps.advance, steps._initial_states)] == compiled
    assert checkpoint(tmp_path / "two") == checkpoint(tmp_path / "one")
    kept = checkpoint(tmp_path / "two")
    again = train(config(130), rows(0), KEY, directory=tmp_path / "two", progress=False)
    assert again.history.identical(longer.history)
    with pytest.raises(InputError, match="has 130 steps and num_steps is 70"):
        train(config(70), rows(0), KEY, directory=tmp_path / "two", progress=False)
    assert checkpoint(tmp_path / "two") == kept


def test_an_interruption_is_saved(tmp_path, monkeypatch):
    advance = training.advance

    def interrupted(*arguments):
        if arguments[6] == at:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(training, "advance", interrupted)
    at = 0  # where there is nothing to be saved
    with pytest.raises(KeyboardInterrupt):
        train(config(130), rows(0), KEY, directory=tmp_path / "nothing", progress=False)
    assert not (tmp_path / "nothing").exists()
    at = 100
    with pytest.raises(KeyboardInterrupt):
        train(config(130), rows(0), KEY, directory=tmp_path, progress=False)
    with np.load(tmp_path / "training.npz") as saved:
        assert saved["step"] == 100


def test_damaged_and_foreign_checkpoints_are_left_alone(tmp_path):
    train(config(20), rows(0), KEY, directory=tmp_path, progress=False)
    file, whole = tmp_path / "training.npz", checkpoint(tmp_path)
    for other, message in (
        ({"data": rows(1)}, "another data_sha256"),
        ({"key": jax.random.key(8)}, "another key"),
        ({"held_out": rows(1)}, "another held_out_sha256"),
        ({"config": config(20, learning_rate=1e-3)}, "another learning_rate"),
        ({"config": config(20, network=MLP(width=8))}, "another width"),
    ):
        arguments = {"config": config(20), "data": rows(0), "key": KEY} | other
        with pytest.raises(InputError, match=message):
            train(**arguments, directory=tmp_path, progress=False)
        assert checkpoint(tmp_path) == whole
    for damaged in (b"", whole[: len(whole) // 2], b"no archive", whole.replace(b"leaf_3", b"leaf_x")):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            train(config(20), rows(0), KEY, directory=tmp_path, progress=False)
        assert checkpoint(tmp_path) == damaged


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    train(config(50), rows(0), KEY, directory=tmp_path, progress=False)
    whole, write = checkpoint(tmp_path), type(tmp_path).write_bytes

    def full(file, content):
        write(file, content[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        train(config(100), rows(0), KEY, directory=tmp_path, progress=False)
    assert checkpoint(tmp_path) == whole
    assert [file.name for file in tmp_path.iterdir()] == ["training.npz"]


@pytest.mark.slow  # compiles a training of its own
def test_a_loss_that_is_not_finite_stops_at_its_step(tmp_path, monkeypatch):
    train(config(50), rows(0), KEY, directory=tmp_path, progress=False)
    whole, draw = checkpoint(tmp_path), steps._draw

    def spoiled(config, data, key, step):
        samples, sigma, omega = draw(config, data, key, step)
        return samples, sigma, jnp.where(step == 72, jnp.nan, omega)

    monkeypatch.setattr(steps, "_draw", spoiled)
    jax.clear_caches()
    with pytest.raises(InputError, match=r"training 0 is no longer finite at step 73.* is kept"):
        train(config(100), rows(0), KEY, directory=tmp_path, progress=False)
    assert checkpoint(tmp_path) == whole
    with pytest.raises(InputError, match=r"the smaller is no longer finite at step 73"):
        train_group(
            config(80), [rows(0), rows(1)], [KEY, KEY], directory=tmp_path / "group",
            names=("the smaller", "the larger"), progress=False,
        )  # fmt: skip
    monkeypatch.undo()
    jax.clear_caches()


DEVICES = """
import jax, numpy as np, tempfile
from jax.sharding import AxisType
from geomem import MLP, TrainConfig, train_group

mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
config = TrainConfig(
    network=MLP(width=16, num_blocks=1, embedding=8, embedding_width=16), num_steps=60, batch_size=32
)
sets = [np.random.default_rng(n).normal(size=(size, 3)) for n, size in enumerate((40, 23))]
keys = jax.random.split(jax.random.key(0))
one, shared = (
    train_group(config, sets, keys, directory=tempfile.mkdtemp(), mesh=where, progress=False) for where in (None, mesh)
)
for alone, together in zip(one, shared):
    np.testing.assert_allclose(together.history.loss, alone.history.loss, rtol=1e-4)
    np.testing.assert_allclose(together.score(sets[0], 0.1), alone.score(sets[0], 0.1), rtol=1e-3, atol=1e-4)
print("equal")
"""


@pytest.mark.slow  # starts a process that compiles the training for one device and for four
def test_four_devices():
    assert finish_all([start(DEVICES, devices=4)]) == ["equal\n"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_steps": 0}, "num_steps is 0"),
        ({"batch_size": -8}, "batch_size is -8"),
        ({"batch_size": 12}, "multiple of points_per_level"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"sigma_min": 60.0}, "sigma runs from 60.0 to 50.0"),
    ],
)
def test_bad_configurations(changed, message):
    with pytest.raises(InputError, match=message):
        config(**({"num_steps": 1} | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"datasets": [rows(0), np.full((3, 3), np.nan)]}, "data set 1: row 0 of the data holds NaN"),
        ({"datasets": [rows(0), np.zeros((0, 3))]}, "data set 1: the data have 0 row"),
        ({"datasets": [rows(0), rows(1, dims=4)]}, "3, 4 dimensions"),
        ({"datasets": [rows(0)]}, "1 data sets and 2 keys"),
        ({"datasets": [], "keys": []}, "0 data sets"),
        ({"held_out": [rows(0)]}, "1 held-out sets"),
        ({"held_out": [rows(0), rows(0, dims=2)]}, "2, 3 dimensions"),
    ],
)
def test_bad_data(tmp_path, changed, message):
    arguments = {"datasets": [rows(0), rows(1)], "keys": [KEY, KEY]} | changed
    with pytest.raises(InputError, match=message):
        train_group(config(1), **arguments, directory=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
