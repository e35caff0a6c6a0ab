"""Experiments read from TOML: presets, every kind of mistake, and the training sets that they ask for."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from geomem import MLP, InputError, Manifold, ResNet, TrainConfig, UNet, load_images
from geomem.networks import experiment
from geomem.networks.data_sets import training_sets
from geomem.networks.defaults import experiment_of_data
from geomem.networks.experiment import PRESETS, Data, Experiment, read_experiment
from geomem.networks.template import configuration

SMALL = """
[data]
num_samples = [4, 9]
num_held_out = 5
variances = [1, 0.25]
multiplicities = [2, 3]

[network]
width = 16

[training]
num_steps = 20
learning_rate = 1e-3
seeds = [3]

[measures]
steps = [5, 10]
"""


def written(tmp_path, text):
    file = tmp_path / "experiment.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_experiments(name):
    experiment = read_experiment(name)
    assert len(experiment.data.num_samples) >= 3


def test_keys_are_read(tmp_path):
    experiment = read_experiment(written(tmp_path, SMALL))
    assert experiment.data == Data(num_samples=(4, 9), num_held_out=5, variances=(1.0, 0.25), multiplicities=(2.0, 3.0))
    assert experiment.training.network.width == 16
    assert experiment.training.learning_rate == 1e-3
    assert experiment.seeds == (3,)
    assert experiment.steps == (5, 10, 20)


@pytest.mark.parametrize("kind", ["unet", "resnet"])
def test_a_network_for_images_learns_its_shape_from_them(tmp_path, kind):
    text = f'[data]\nsource = "digits"\nnum_samples = [10]\n[network]\nkind = "{kind}"\n[training]\nnum_steps = 5\n'
    assert read_experiment(written(tmp_path, text)).training.network.image_shape == (8, 8, 1)
    with pytest.raises(InputError, match=r"no key 'image_shape' in \[network\]"):
        read_experiment(written(tmp_path, text.replace(f'"{kind}"', f'"{kind}"\nimage_shape = [4, 4, 1]')))


def test_images_are_read_once(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(experiment, "load_images", lambda source: reads.append(source) or load_images(source))
    text = '[data]\nsource = "digits"\nnum_samples = [10]\n[network]\nkind = "unet"\n[training]\nnum_steps = 5\n'
    asked = replace(read_experiment(written(tmp_path, text)), seeds=(7,))
    assert training_sets(asked.data, asked.seeds, 4).of_seed[0].shape == (10, 64)
    assert reads == ["digits"]


@pytest.mark.parametrize("changed", [{"multiplicities": (2.0, 1e15, 1.0)}, {"num_samples": (4, 10**12)}])
def test_more_than_memory_holds_is_refused(changed):
    with pytest.raises(InputError, match=r"take .* GiB, and this machine has"):
        training_sets(Data(**({"num_samples": (4,)} | changed)), (0,), 4)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[network]", "[net]", "no section 'net'; the sections are data, network, training, measures"),
        ("width = 16", "widht = 16", r"no key 'widht' in \[network\]; its keys are width"),
        ("width = 16", 'kind = "mlpp"', "network.kind is 'mlpp'; choose one of mlp, unet, resnet"),
        ("width = 16", "width = 16.5", "network.width is 16.5; it must be a whole number"),
        ("width = 16", "width = true", "network.width is True; it must be a whole number"),
        ("num_samples = [4, 9]", "", r"\[data\] has no num_samples"),
        ("num_samples = [4, 9]", "num_samples = 4", "data.num_samples is 4; it must be a list"),
        ("num_samples = [4, 9]", "num_samples = [9, 4]", "must be increasing sizes from 2"),
        ("num_samples = [4, 9]", "num_samples = [1, 4]", "must be increasing sizes from 2"),
        ("num_samples = [4, 9]", 'num_samples = [4, 9]\nembedding = "torus"', "choose one of none, sphere, tanh"),
        ("num_held_out = 5", "num_held_out = 1", "data.num_held_out is 1; it must be at least 2"),
        ("seeds = [3]", "seeds = [3, 3]", "must be different whole numbers"),
        ("steps = [5, 10]", "steps = [5, 20]", "must be increasing and below training.num_steps, 20"),
        ("steps = [5, 10]", "first = 2\nlast = 1", "must be rising variances"),
        ("steps = [5, 10]", 'protocol = "magic"', "no protocol 'magic'"),
        ("steps = [5, 10]", "count = 1", "measures.count is 1; it must be from 2 to 1000000"),
        ("steps = [5, 10]", "count = 100000000000000000", "measures.count is 1.*; it must be from 2 to 1000000"),
        ("steps = [5, 10]", "first = 1e-320", "must be rising variances, from 1e-36"),
        ("seeds = [3]", "seeds = [9223372036854775808]", r"must be different whole numbers from 0 to 2\^63 - 1"),
        ("seeds = [3]", "seed = 3", r"no key 'seed' in \[training\]; its keys are num_steps,.* seeds"),
        ("seeds = [3]", 'network = "unet"', r"no key 'network' in \[training\]"),
        ("learning_rate = 1e-3", "sigma_max = 1e200", "from 1e-18 to 1e18"),
        ("learning_rate = 1e-3", f"learning_rate = 1{'0' * 400}", "learning_rate is inf; it must be positive"),
        ("width = 16", "hight = 16", r"no key 'hight' in \[network\]; .* kind"),
        ("width = 16", "width = 10000000000", "positive integer up to 65536"),
        ("width = 16", 'kind = "unet"', "'unet', a network for images; set data.source"),
        ("width = 16", 'kind = "resnet"', "'resnet', a network for images; set data.source"),
        ("num_held_out = 5", "num_held_out = 5\nradius = 2", "data.radius does nothing with source 'manifold'"),
        ("num_held_out = 5", 'source = "digits"', "data.variances does nothing with source 'digits'"),
        ("num_held_out = 5", "num_held_out = 5\ntable = true", "data.table is true but the source is 'manifold'"),
        ("[measures]", "[measures", "is no TOML file"),
        ("[data]", "network = 3\n[data]", "'network' is no section"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, sentence):
    assert old in SMALL
    text = SMALL.replace(old, new)
    if new.startswith("network ="):
        text = text.replace("[network]\nwidth = 16\n", "")
    with pytest.raises(InputError, match=sentence):
        read_experiment(written(tmp_path, text))


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"no file 'nothing.toml', and the presets are"):
        read_experiment("nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as TOML: byte 0 is no text in UTF-8"):
        read_experiment(tmp_path / "binary.toml")
    with pytest.raises(InputError, match="it is no file but a folder"):
        read_experiment(tmp_path)


def test_sets_of_a_manifold():
    data = Data(num_samples=(4, 9), num_held_out=7)
    sets = training_sets(data, (0, 5), 4)
    again = training_sets(data, (5,), 4)
    assert [rows.shape for rows in sets.of_seed] == [(9, 30)] * 2
    np.testing.assert_array_equal(sets.of_seed[1], again.of_seed[0])
    np.testing.assert_array_equal(sets.held_out, again.held_out)
    assert np.ptp([sets.of_seed[0][0, 0], sets.of_seed[1][0, 0], sets.held_out[0, 0]]) > 0
    assert sets.exact
    assert sets.manifold.num_blocks == 3


@pytest.mark.parametrize(("embedding", "dims"), [("sphere", 31), ("tanh", 100)])
def test_embedded_sets_are_measured_along_their_principal_axes(embedding, dims):
    sets = training_sets(Data(num_samples=(40,), embedding=embedding, num_held_out=300), (0,), 4)
    assert sets.held_out.shape == (300, dims)
    assert not sets.exact
    np.testing.assert_allclose(sets.axes.T @ sets.axes, np.eye(dims), atol=1e-12)
    along = np.var(sets.held_out @ sets.axes, axis=0)
    assert (np.diff(along) < 1e-12).all()
    assert Manifold.from_data(sets.held_out).variances[0] == pytest.approx(along[0])


def test_held_out_images_are_in_no_training_set():
    sets = training_sets(Data(source="digits", num_samples=(1500,), num_held_out=297), (0, 1), 4)
    held_out = {row.tobytes() for row in sets.held_out}
    for rows in sets.of_seed:
        assert not held_out & {row.tobytes() for row in rows}
        assert len(np.unique(rows, axis=0)) == 1500
    with pytest.raises(InputError, match=r"digits has 1797 images; .* ask for 1500 \+ 298"):
        training_sets(Data(source="digits", num_samples=(1500,), num_held_out=298), (0,), 4)


def test_embedding_of_images_is_refused():
    with pytest.raises(InputError, match="leave it out for images"):
        Data(source="digits", num_samples=(10,), embedding="tanh")


def test_the_template_holds_the_defaults_of_every_key(tmp_path):
    text = configuration()
    read, lent = read_experiment(written(tmp_path, text)), read_experiment("linear-quick")
    assert read == Experiment(
        data=Data(num_samples=lent.data.num_samples),
        training=TrainConfig(network=MLP(), num_steps=lent.training.num_steps),
    )
    # What is commented out is read beside what it is for.
    kept = text.replace('embedding = "none"', 'embedding = "tanh"').replace("#dims", "dims")
    assert read_experiment(written(tmp_path, kept)) == replace(read, data=replace(read.data, embedding="tanh"))
    for kind, words in ((UNet, '"unet", instead of these'), (ResNet, '"resnet"')):
        _, below = text.split(f"# Of kind = {words}:\n")
        own = dict(line[1:].split(" = ") for line in re.split(r"\n# Of|\n\n", below)[0].splitlines() if line[1] != " ")
        assert own == {name: str(getattr(kind(), name)) for name in own}
        assert {"image_shape", *own} == {one.name for one in fields(kind)}
    # A meaning stands above every key.
    lines = text.splitlines()
    assert all(lines[place - 1].startswith("# ") for place, line in enumerate(lines) if re.match(r"#?\w+ =", line))
    assert "None" not in text


@pytest.mark.parametrize(
    ("rows", "held_out", "sizes"),
    [(10, 2, (8,)), (14, 2, (10, 11, 12)), (120, 24, (10, 31, 96)), (20_000, 1000, (10, 316, 10_000))],
)
def test_of_a_table_alone_a_fifth_is_held_out(tmp_path, rows, held_out, sizes):
    table = np.random.default_rng(0).normal(size=(rows, 2))
    np.save(tmp_path / "table.npy", table)
    asked, said = experiment_of_data(str(tmp_path / "table.npy"))
    assert asked.data.num_held_out == held_out
    assert asked.data.num_samples == sizes
    assert asked.training.network.width == 128
    assert f"{rows} rows of 2 columns: {held_out} held out" in said


def test_a_table_may_be_changed_before_it_is_trained_on(tmp_path):
    table = np.random.default_rng(0).normal(size=(40, 3)) * [1.0, 10.0, 100.0]
    np.savetxt(tmp_path / "table.csv", np.concatenate([table, table[:5]]), delimiter=",", header="a,b,c", comments="")
    given = {"columns": ("c", "0"), "drop_duplicates": True, "standardize": True}
    asked, said = experiment_of_data(str(tmp_path / "table.csv"), **given)
    assert "40 rows of 2 columns" in said
    expected = table[:, [2, 0]] / table[:, [2, 0]].std(axis=0)
    np.testing.assert_allclose(asked.data.take_samples(), expected)
    np.testing.assert_allclose(asked.data.take_samples(), expected)  # read once more, in the same way
    assert asked.data.columns == ("c", "0")
    with pytest.raises(InputError, match="'d', which is no column; they are a, b, c"):
        experiment_of_data(str(tmp_path / "table.csv"), columns=("d",))
    np.savez(tmp_path / "images.npz", np.random.default_rng(0).uniform(size=(20, 4, 4)))
    with pytest.raises(InputError, match="holds images"):
        experiment_of_data(str(tmp_path / "images.npz"), standardize=True)
    with pytest.raises(InputError, match="change a table"):
        Data(source="digits", num_samples=(10,), standardize=True)


def test_a_table_is_trained_on_centered_and_of_unit_width(tmp_path):
    rng = np.random.default_rng(0)
    table = 50 + rng.normal(size=(300, 3)) @ np.diag([20.0, 5.0, 1.0]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.savetxt(tmp_path / "table.csv", table, delimiter=",")
    asked, _ = experiment_of_data(str(tmp_path / "table.csv"))
    sets = training_sets(asked.data, (0,), 3)
    rows = np.concatenate([sets.of_seed[0], sets.held_out])
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(sets.manifold.variances[0], 1.0, rtol=0.01)
    in_units = Manifold.from_data(table, num_blocks=3)
    np.testing.assert_allclose(sets.manifold.block_variances() * sets.scale**2, in_units.block_variances())
    np.save(tmp_path / "alike.npy", np.ones((20, 3)))
    with pytest.raises(InputError, match="are all alike"):
        training_sets(Data(source=str(tmp_path / "alike.npy"), table=True, num_samples=(4,), num_held_out=2), (0,), 3)
    np.save(tmp_path / "few.npy", np.ones((9, 3)))
    with pytest.raises(InputError, match="has 9 samples; a training, with some held out, needs at least 10"):
        experiment_of_data(str(tmp_path / "few.npy"))


def test_of_images_alone_a_unet_is_trained(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, size=(40, 12, 6, 1))
    np.savez(tmp_path / "images.npz", images=images)
    asked, said = experiment_of_data(str(tmp_path / "images.npz"))
    assert asked.training.network == UNet(image_shape=(12, 6, 1), channels=16, num_levels=2)
    assert asked.measures.last == pytest.approx(3 * np.linalg.eigvalsh(np.cov(images.reshape(40, 72).T)).max(), rel=0.1)
    assert "40 images of 12 by 6 pixels: 8 held out" in said
    assert not asked.data.table
    assert training_sets(asked.data, asked.seeds, 4).held_out.shape == (8, 72)
    assert experiment_of_data("digits")[0].data.table  # as other commands read them
