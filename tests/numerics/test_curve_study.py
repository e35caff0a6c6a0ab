"""`geomem compare` on published curves, pinned, and on curves whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from numerics import GaussianMixture, Manifold, Status, quenched, resolved_dimension
from numerics.cli import main
from numerics.curve_study import Asked, predict
from numerics.spectrum import predicted_spectrum

CURVES = Path(__file__).parent.parent / "data" / "dynamical_regimes"
PINNED = Path(__file__).parent.parent / "data" / "comparisons"

# The law of every published curve. What the images are is not known: classes of unit variance with the largest
# eigenvalue of their covariance, structureless data of their dimension, and for the collapse the measured entropy.
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


def compare(curve: Path, options: str, folder: Path) -> dict:
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(curve), *options.split(), "--out", str(folder)])
    assert ended.value.code == 0
    return json.loads((folder / "compare.json").read_text())


def assert_rows_equal(rows: list[dict], expected: list[dict]) -> None:
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert value == pytest.approx(other[name], rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("name", [name for name in LAWS if name != "gaussian_mixture_collapse_d256"])
def test_published_curves(name, tmp_path):
    found = compare(CURVES / f"{name}.csv", LAWS[name], tmp_path)
    pinned = json.loads((PINNED / f"{name}.json").read_text())
    assert_rows_equal(found["rows"], pinned["rows"])
    assert_rows_equal([found["summary"]], [pinned["summary"]])
    assert {file.name for file in tmp_path.iterdir()} == {
        f"compare.{suffix}" for suffix in ("json", "nc", "pdf", "png")
    }


@pytest.mark.slow  # the exact curve takes seconds for each of its points
def test_published_excess_entropy(tmp_path):
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
    found = compare(part, LAWS[name], tmp_path / "out")
    for row, place in zip(found["rows"], chosen, strict=True):
        assert row["predicted"] == pytest.approx(pinned["rows"][place]["predicted"], rel=1e-6)
        assert abs(row["z"]) < 4


def test_clones_of_published_mixtures_agree():
    for size in (256, 1024):
        pinned = json.loads((PINNED / f"gaussian_mixture_speciation_d{size}.json").read_text())["summary"]
        assert pinned["max_abs_z"] < 4
        assert pinned["log_time_shift_lower"] < 0 < pinned["log_time_shift_upper"]


def test_a_curve_of_the_theory_agrees_and_a_shifted_one_is_found(tmp_path):
    law, rng = GaussianMixture.two_classes(9.0, Manifold([1.0], [10])), np.random.default_rng(1)
    times = np.geomspace(0.5, 100.0, 15)
    for shift in (0.0, 0.5):
        curve = predict("cloning", law, times * np.exp(-shift), Asked(9.0))
        value = np.interp(times * np.exp(-shift), curve.noise_variance.values, curve.value.values)
        noisy = value + 0.003 * rng.normal(size=(6, len(times)))
        rows = [f"{time},{noisy[label, place]},{label}" for label in range(6) for place, time in enumerate(times)]
        file = tmp_path / "curve.csv"
        file.write_text("\n".join(["# observable: cloning", "# schedule: ve", "time,value,replicate", *rows]) + "\n")
        found = compare(file, "--law two-classes --squared-center 9 --variances 1 --multiplicities 10", tmp_path)
        summary = found["summary"]
        assert summary["log_time_shift_lower"] - 0.01 < shift < summary["log_time_shift_upper"] + 0.01
        assert summary["log_time_shift_upper"] - summary["log_time_shift_lower"] < 0.1


def test_every_observable_is_what_the_library_says():
    law, times, asked = Manifold([1.0, 0.1], [2, 4]), np.array([0.05, 0.5]), Asked(100.0, block=1)
    solved = quenched(law, 1, noise_variance=times, num_samples=100.0)
    assert (solved.status == Status.CONVERGED).all()
    np.testing.assert_allclose(predict("participation", law, times, asked).value, solved.participation)
    dimension = resolved_dimension(law, noise_variance=times, num_samples=100.0, theory="finite_n")
    np.testing.assert_array_equal(predict("dimension", law, times, asked).value, dimension)
    expected = predicted_spectrum(law, noise_variance=times, num_samples=100.0, theory="population")
    found = predict("singular-values", law, times, Asked(100.0, theory="population", index=2))
    np.testing.assert_allclose(found.value, expected.singular_value.isel(index=2))


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("# schedule: ou\n1,0.5,0.1\n", "", "does not say its observable"),
        ("# observable: cloning\n1,0.5,0.1\n", "", "does not say its schedule"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--observable participation", "is cloning, not"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--schedule ve", "is ou, not ve"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "", "has none; give --law two-classes"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--law two-classes", "--squared-center goes with"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,0.1\n", "--law nonsense", "no law 'nonsense'"),
        ("# observable: cloning\n# schedule: flow\n2,0.5,0.1\n", "--law manifold", "time"),
        ("# observable: heat\n# schedule: ou\n1,0.5,0.1\n", "", "no observable 'heat'"),
        ("# observable: dimension\n# schedule: ou\n1,0.5,0.1\n", "--theory rem", "at level finite_n"),
        ("# observable: singular-values\n# schedule: ou\n1,0.5,0.1\n", "--index 99", "no singular value 99"),
        ("# observable: cloning\n# schedule: ou\n1,0.5,-0.1\n", "", "error"),
    ],
)
def test_bad_questions_end_with_one_sentence_and_nothing_written(text, options, sentence, tmp_path, capsys):
    *metadata, row = text.splitlines()
    file = tmp_path / "curve.csv"
    file.write_text("\n".join([*metadata, "time,value,error", row]) + "\n")
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(file), *options.split(), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert sentence in message.splitlines()[-1]
    assert not list((tmp_path / "out").glob("*"))
