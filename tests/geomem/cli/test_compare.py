"""The command `compare` on published curves, pinned, on curves whose answer is known, and on bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from geomem import GaussianMixture, Manifold, Status
from geomem.studies.curve import Asked, predict
from tests.geomem.cli.commands import fail, run

DATA = Path(__file__).parents[2] / "data"
CURVES, PINNED = DATA / "dynamical_regimes", DATA / "comparisons"

# The law of every published curve. What the images are is not known: classes of unit variance with the largest
# eigenvalue of their covariance, structureless data of their dimension, and for the collapse the measured entropy.
CLASSES = "--law two-classes --squared-center 4"
MEASURED = f"--law {CURVES / 'image_excess_entropy_imagenet16.csv'}"
LAWS = {
    "gaussian_mixture_speciation_d256": "--law two-classes --squared-center 256 --variances 1 --multiplicities 256",
    "gaussian_mixture_speciation_d1024": "--law two-classes --squared-center 1024 --variances 1 --multiplicities 1024",
    "gaussian_mixture_collapse_d256": "--law two-classes --squared-center 256 --variances 1 --multiplicities 256",
    "image_speciation_mnist": "--law two-classes --squared-center 6.66 --variances 1",
    "image_speciation_imagenet16": "--law two-classes --squared-center 2.05 --variances 1",
    "image_speciation_lsun": "--law two-classes --squared-center 59.52 --variances 1",
    "image_collapse_imagenet16": f"--law {CURVES / 'image_excess_entropy_imagenet16.csv'}",
    "image_collapse_lsun": f"--law {CURVES / 'image_excess_entropy_lsun.csv'}",
    "image_excess_entropy_imagenet16": "--variances 1 --multiplicities 768 --theory rem",
    "image_excess_entropy_lsun": "--variances 1 --multiplicities 12288 --theory rem",
}


def compare(capsys, curve: Path, options: str, folder: Path) -> tuple[dict, str]:
    """What the command writes, and what it says on stderr."""
    _, said = run(capsys, "compare", curve, *options.split(), "--overwrite", "--out", folder)
    return json.loads((folder / "compare.json").read_text()), said


def assert_rows_equal(rows: list[dict], expected: list[dict]) -> None:
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            known = other[name]
            close = pytest.approx(known, rel=1e-6, abs=1e-9) if isinstance(known, float) else known
            assert value == close, name


@pytest.mark.parametrize("name", [name for name in LAWS if name != "gaussian_mixture_collapse_d256"])
def test_published_curves(capsys, name, tmp_path):
    found, _ = compare(capsys, CURVES / f"{name}.csv", LAWS[name], tmp_path)
    pinned = json.loads((PINNED / f"{name}.json").read_text())
    assert_rows_equal(found["rows"], pinned["rows"])
    assert_rows_equal([found["summary"]], [pinned["summary"]])
    assert {file.name for file in tmp_path.iterdir()} == {
        f"compare.{suffix}" for suffix in ("json", "nc", "pdf", "png")
    }


@pytest.mark.slow  # the exact curve takes seconds for each of its points
def test_published_excess_entropy(capsys, tmp_path):
    """Every point lies within four of its standard errors (pinned); three of them are computed again."""
    name = "gaussian_mixture_collapse_d256"
    pinned = json.loads((PINNED / f"{name}.json").read_text())
    assert len(pinned["rows"]) == 20
    assert pinned["summary"]["max_abs_z"] < 4
    lines = (CURVES / f"{name}.csv").read_text().splitlines()
    header = next(place for place, line in enumerate(lines) if line.startswith("time"))
    chosen = [1, 2, 5]
    part = tmp_path / "part.csv"
    part.write_text("\n".join([*lines[: header + 1], *(lines[header + 1 + place] for place in chosen)]) + "\n")
    found, _ = compare(capsys, part, LAWS[name], tmp_path / "out")
    for row, place in zip(found["rows"], chosen, strict=True):
        assert row["predicted"] == pytest.approx(pinned["rows"][place]["predicted"], rel=1e-6)
        assert abs(row["z"]) < 4


def test_clones_of_published_mixtures_agree():
    for size in (256, 1024):
        pinned = json.loads((PINNED / f"gaussian_mixture_speciation_d{size}.json").read_text())["summary"]
        assert pinned["max_abs_z"] < 4
        assert pinned["log_time_shift_lower"] < 0 < pinned["log_time_shift_upper"]


@pytest.mark.slow  # the exact curve takes seconds for each of its points
def test_a_curve_of_the_theory_agrees_and_a_shifted_one_is_found(capsys, tmp_path):
    law, rng = GaussianMixture.two_classes(9.0, Manifold([1.0], [10])), np.random.default_rng(1)
    times = np.geomspace(0.5, 100.0, 15)
    for shift in (0.0, 0.5):
        curve = predict("cloning", law, times * np.exp(-shift), Asked(9.0))
        value = np.interp(times * np.exp(-shift), curve.noise_variance.values, curve.value.values)
        noisy = value + 0.003 * rng.normal(size=(6, len(times)))
        rows = [f"{time},{noisy[label, place]},{label}" for label in range(6) for place, time in enumerate(times)]
        file = tmp_path / "curve.csv"
        file.write_text("\n".join(["# observable: cloning", "# schedule: ve", "time,value,replicate", *rows]) + "\n")
        found, _ = compare(
            capsys, file, "--law two-classes --squared-center 9 --variances 1 --multiplicities 10", tmp_path
        )
        summary = found["summary"]
        assert summary["log_time_shift_lower"] - 0.01 < shift < summary["log_time_shift_upper"] + 0.01
        assert summary["log_time_shift_upper"] - summary["log_time_shift_lower"] < 0.1


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("# schedule: ou\n1,0.5,0.1\n", "", "does not say its observable"),
        ("# observable: cloning\n1,0.5,0.1\n", "", "does not say its schedule"),
        (
            "# observable: cloning\n# schedule: ou\n1,0.5,0.1\n",
            "--observable participation",
            "is 'cloning', not 'participation'",
        ),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--schedule ve", "is 'ou', not 've'"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "", "has none; give --law two-classes"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--law two-classes", "--squared-center goes with"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--law nonsense", "no law 'nonsense'"),
        (
            "# observable: cloning\n# schedule: flow\n2,0.5,0.1\n",
            "--law manifold",
            "line 4: the time is 2; the schedule has",
        ),
        ("# observable: cloning\n2,0.5,0.1\n", "--schedule flow", "line 3: the time is 2; the schedule has"),
        ("# observable: cloning\n1,0.5,0.1\n2,0.5,0.1\n1000,0.5,0.1\n", "--schedule ddpm", "line 5: the step is 1000"),
        ("# units: nats\n# schedule: ou\n1,0.5,0.1\n", "--observable cloning", "the units of cloning are 'nats'"),
        ("# observable: participation\n# schedule: ou\n# num_samples: many\n1,0.5,0.1\n", "", "num_samples is 'many'"),
        (
            "# observable: participation\n# schedule: ou\n# num_samples: 100\n1,0.5,0.1\n",
            "--num-samples 5000",
            "the num_samples is 100, not 5000.0",
        ),
        (
            "# observable: participation\n# schedule: ou\n# dimension: 256\n1,0.5,0.1\n",
            "",
            "in 256 dimensions, the law of 30",
        ),
        (
            "# observable: cloning\n# schedule: ou\n# dimension: 256\n1,0.5,0.1\n",
            "--law two-classes --squared-center 4",
            "in 256 dimensions, the law of 30",
        ),
        ("# observable: collapse-probability\n# schedule: ou\n# dimension: 9\n1,0.5,0.1\n", MEASURED, "768, not 9"),
        ("# observable: participation\n# schedule: ou\n1,0.5,0.1\n", "--block 9", "9"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", CLASSES + " --block 0", "--block is for participation"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", CLASSES + " --probe origin", "--probe is for partici"),
        (
            "# observable: cloning\n# schedule: ou\n1,0.5,0.1\n",
            CLASSES + " --theory bogus",
            "has no levels of the theory",
        ),
        ("# observable: excess-entropy\n# schedule: ou\n1,0.5,0.1\n", "--theory bogus", "or asymptotic, not bogus"),
        (
            "# observable: collapse-probability\n# schedule: ou\n1,0.5,0.1\n",
            MEASURED + " --theory rem",
            "has no levels",
        ),
        ("# observable: collapse-probability\n# schedule: ou\n1,0.5,0.1\n", MEASURED + " --block 5", "--block is for"),
        ("# observable: participation\n# schedule: ou\n1,0.5,0.1\n", MEASURED, "says nothing of participation"),
        (
            "# observable: participation\n# schedule: ve\n1e-200,0.5,0.1\n1e-190,0.5,0.1\n",
            "",
            "nothing is predicted at the times of the curve: not converged at 2",
        ),
        (
            "# observable: collapse-probability\n# schedule: ve\n1e9,0.5,0.1\n",
            MEASURED,
            "at the times of the curve: outside of its times at 1",
        ),
        ("# observable: cloning\n# schedule: ou\n1,1e308,0.1\n", CLASSES, "at time 1 the value is 1e+308"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,1e-200\n", CLASSES, "and the error 1e-200"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", CLASSES + " --seed -1", "--seed is -1"),
        ("# observable: heat\n# schedule: ou\n1,0.5,0.1\n", "", "no observable 'heat'"),
        (
            "# observable: dimension\n# schedule: ou\n1,0.5,0.1\n",
            CLASSES,
            "the prediction of dimension does not know mixtures; give a manifold",
        ),
        ("# observable: dimension\n# schedule: ou\n1,0.5,0.1\n", "--theory rem", "at level finite_n"),
        (
            "# observable: singular-values\n# schedule: ou\n1,0.5,0.1\n",
            "",
            "singular values are sorted within every data",
        ),
        (
            "# observable: cloning\n# schedule: ou\n# points: some\n1,0.5,0.1\n",
            CLASSES,
            "points is 'some'; it can only",
        ),
        ("# observable: cloning\n# schedule: ou\n1,0.5,-0.1\n", "", "line 4: the error is -0.1; it must be positive"),
    ],
)
def test_bad_questions_end_with_one_sentence_and_nothing_written(text, options, sentence, tmp_path, capsys):
    metadata = [line for line in text.splitlines() if line.startswith("#")]
    file = tmp_path / "curve.csv"
    file.write_text("\n".join([*metadata, "time,value,error", *text.splitlines()[len(metadata) :]]) + "\n")
    assert sentence in fail(capsys, "compare", file, *options.split(), "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def write_curve(file: Path, metadata: str, rows: list[str], columns: str = "time,value,error") -> Path:
    file.write_text("\n".join([*(f"# {one}" for one in metadata.split("; ")), columns, *rows]) + "\n")
    return file


def test_a_law_s_file_must_fit_too(tmp_path, capsys):
    curve = write_curve(tmp_path / "curve.csv", "observable: collapse-probability; schedule: ve", ["1,0.5,0.1"])
    for metadata, sentence in (
        ("dimension: big", "dimension is 'big'"),
        ("dimension: -3", "dimension is -3"),
        ("units: nats; dimension: 8", "the units of excess-entropy are 'nats'"),
    ):
        law = write_curve(tmp_path / "law.csv", f"schedule: ve; {metadata}", ["0.5,0.01,0.1", "2,0.1,0.1"])
        message = fail(capsys, "compare", curve, "--law", law, "--out", tmp_path / "out")
        assert f"{law}: {sentence}" in message
        assert not (tmp_path / "out").exists()


def test_rows_without_a_prediction_are_said_to_be(tmp_path, capsys):
    rows = ["1e-200,1,0.1", "0.05,0.3,0.1", "1,0.1,0.1"]
    curve = write_curve(tmp_path / "curve.csv", "observable: participation; schedule: ve", rows)
    found, said = compare(capsys, curve, "", tmp_path / "out")
    assert "no value at 1 of 3 times: not converged at 1" in said
    assert [row["status"] for row in found["rows"]] == ["NOT_CONVERGED", "CONVERGED", "CONVERGED"]
    assert [row["predicted"] is None for row in found["rows"]] == [True, False, False]
    assert found["summary"]["reduced_chi_square"] == pytest.approx(
        np.mean([row["z"] ** 2 for row in found["rows"][1:]])
    )
    with xr.open_dataset(tmp_path / "out" / "compare.nc", engine="h5netcdf") as saved:
        assert saved.status.values.tolist() == [Status.NOT_CONVERGED, Status.CONVERGED, Status.CONVERGED]
        assert saved.status.attrs["flag_meanings"].startswith("converged")


def test_a_measured_law_says_nothing_beyond_its_times(tmp_path, capsys):
    metadata = "observable: excess-entropy; schedule: ve; dimension: 8"
    law = write_curve(tmp_path / "law.csv", metadata, ["0.5,0.01,0.001", "2,0.1,0.001"])
    rows = ["0.4,0.9,0.1", "0.5,0.9,0.1", "1,0.8,0.1", "2,0.4,0.1", "3,0.9,0.1"]
    curve = write_curve(tmp_path / "curve.csv", "observable: collapse-probability; schedule: ve", rows)
    found, said = compare(capsys, curve, f"--law {law}", tmp_path / "out")
    assert [row["status"] for row in found["rows"]] == ["INVALID", "CONVERGED", "CONVERGED", "CONVERGED", "INVALID"]
    assert [row["z"] is None for row in found["rows"]] == [True, False, False, False, True]
    assert found["rows"][3]["predicted"] == pytest.approx(np.exp(-0.8))
    assert "no value at 2 of 5 times: outside of its times at 2" in said


REPLICATES = [f"{time},{0.5 + 0.4 / (1 + time) + 0.01 * seed},{seed}" for seed in range(8) for time in (0.3, 1, 3, 10)]


@pytest.mark.slow  # the exact curve takes seconds for each of its points
def test_the_seed_draws_the_replicates(capsys, tmp_path):
    metadata = "observable: cloning; schedule: ve"
    curve = write_curve(tmp_path / "curve.csv", metadata, REPLICATES, "time,value,replicate")
    first, again, other = (
        compare(capsys, curve, f"{CLASSES} --seed {seed}", tmp_path / "out")[0] for seed in (0, 0, 1)
    )
    assert first == again
    names = ("log_time_shift_lower", "log_time_shift_upper")
    assert [first["summary"][name] for name in names] != [other["summary"][name] for name in names]
    assert first["summary"]["log_time_shift"] == other["summary"]["log_time_shift"]
    assert other["provenance"]["inputs"]["seed"] == 1


@pytest.mark.slow  # the exact curve takes seconds for each of its points
def test_replicates_at_one_time_have_no_shift(capsys, tmp_path, recwarn):
    rows = [f"1,{value},{seed}" for seed, value in enumerate((0.5, 0.6, 0.7))]
    metadata = "observable: cloning; schedule: ve"
    curve = write_curve(tmp_path / "curve.csv", metadata, rows, "time,value,replicate")
    found, _ = compare(capsys, curve, CLASSES, tmp_path / "out")
    assert found["summary"]["log_time_shift_lower"] is None
    assert found["rows"][0]["z"] is not None
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_the_file_s_size_goes_before_that_of_the_data(capsys, tmp_path):
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(size=(50, 3)))
    metadata = "observable: participation; schedule: ve; num_samples: 20; dimension: 3"
    curve = write_curve(tmp_path / "curve.csv", metadata, ["0.5,0.5,0.1", "1,0.5,0.1"])
    found, _ = compare(capsys, curve, f"--data {tmp_path / 'data.npy'}", tmp_path / "out")
    assert found["provenance"]["inputs"]["num_samples"] == 20
    assert found["provenance"]["inputs"]["theory"] == "finite_n"


def test_a_result_is_a_curve_and_another_run_is_refused(capsys, tmp_path):
    """A run may be done again; what it wrote is a curve too."""
    over, times = "noise_variance", [0.5, 1.0, 2.0]
    variables = {"value": (over, [0.1, 0.2, 0.3]), "error": (over, 3 * [0.02])}
    variables["covariance"] = ((over, f"{over}_again"), 4e-4 * np.eye(3))
    attributes = {"observable": "excess-entropy", "num_samples": 50.0, "dimension": 3.0}
    measured = xr.Dataset(variables, {over: times, f"{over}_again": times}, attributes)
    measured.to_netcdf(tmp_path / "f.nc", engine="h5netcdf")
    law = ("--variances", 1, "--multiplicities", 3, "--out", tmp_path / "out", "--theory")
    for _ in range(2):
        _, said = run(capsys, "compare", tmp_path / "f.nc", *law, "asymptotic")
        assert "geomem:" not in said
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [row["measured"] for row in found["rows"]] == [0.1, 0.2, 0.3]
    assert found["summary"]["points"] == "correlated"
    message = fail(capsys, "compare", tmp_path / "f.nc", *law, "rem")
    assert "compare.nc is of another run, with another theory; choose another --out" in message
    again = tmp_path / "out" / "compare.nc:measured"
    compared, _ = compare(capsys, again, "--variances 1 --multiplicities 3 --theory asymptotic", tmp_path / "again")
    assert [row["z"] for row in compared["rows"]] == pytest.approx([row["z"] for row in found["rows"]])
    assert "photo.png: it is no curve but one picture" in fail(
        capsys, "compare", "photo.png", "--out", tmp_path / "new"
    )
