"""The command `critical-size`: results, times of a schedule, and one sentence for bad input."""

import json
from hashlib import sha256

import numpy as np
import pytest

from geomem import Manifold, critical_size
from geomem.schedules.clock import schedule_of
from tests.geomem.cli.commands import fail, run


def test_the_default_level_is_finite_n(capsys, tmp_path):
    out, _ = run(capsys, "critical-size", "--noise-variance", 0.05, "--block", 0, "--json", "--out", tmp_path)
    manifold = Manifold([1, 0.09, 1e-4], [2, 5, 23])
    expected = critical_size(manifold, 0, noise_variance=0.05, criterion="signal_to_noise", theory="finite_n")
    assert json.loads(out)[0]["critical_size"] == pytest.approx(float(expected.value))


def test_critical_size(capsys, tmp_path):
    out, _ = run(
        capsys,
        "critical-size",
        "--theory",
        "rem",
        "--noise-variance",
        0.05,
        0.1,
        "--block",
        1,
        "--json",
        "--out",
        tmp_path,
    )
    rows = json.loads(out)
    manifold = Manifold([1, 0.09, 1e-4], [2, 5, 23])
    expected = critical_size(manifold, 1, noise_variance=[0.05, 0.1], criterion="signal_to_noise", theory="rem")
    assert [row["critical_size"] for row in rows] == pytest.approx(expected.value.tolist())
    document = json.loads((tmp_path / "critical_size.json").read_text())
    assert document["rows"] == rows
    inputs = document["provenance"]["inputs"]
    assert inputs["variances"] == [1.0, 0.09, 1e-4]
    assert (inputs["block"], inputs["noise_variance"]) == (1, [0.05, 0.1])
    out, _ = run(capsys, "critical-size", "--theory", "rem", "--noise-variance", 0.05, "--out", tmp_path, "--overwrite")
    assert "critical N" in out
    assert len(json.loads((tmp_path / "critical_size.json").read_text())["rows"]) == 3


def test_directions_of_a_block_have_their_own_sizes(capsys, tmp_path, rng):
    data = rng.normal(size=(300, 6)) * np.sqrt([1.0, 0.9, 0.8, 0.05, 0.04, 0.0])
    np.save(tmp_path / "data.npy", data)
    arguments = ["critical-size", "--data", tmp_path / "data.npy", "--theory", "gaussian_rem", "--criterion",
                 "participation", "--noise-variance", 0.1, "--num-blocks", 2, "--json", "--overwrite", "--out",
                 tmp_path]  # fmt: skip
    out, err = run(capsys, *arguments)
    assert "from" in err
    rows, blocks = json.loads(out), Manifold.from_data(data, num_blocks=2)
    asked = {"noise_variance": 0.1, "criterion": "participation", "theory": "gaussian_rem"}
    for place, own in enumerate(np.split(np.asarray(Manifold.from_data(data).variances), [3, 5])[:2]):
        ends = [float(critical_size(blocks, place, local_variance=one, **asked).value) for one in own[[0, -1]]]
        found = [rows[place][name] for name in ("critical_size_lower", "critical_size", "critical_size_upper")]
        assert found[::2] == pytest.approx(sorted(ends), rel=1e-9)
        assert found == sorted(found)
    assert rows[2]["critical_size_lower"] == rows[2]["critical_size"]
    assert "there is no block 7" in fail(capsys, *arguments, "--block", 7)


def test_critical_size_at_times_of_a_schedule(capsys, tmp_path):
    config = {"_class_name": "DDPMScheduler", "trained_betas": [0.01, 0.05, 0.2, 0.9]}
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps(config))
    schedule = schedule_of(str(file))
    arguments = ["critical-size", "--theory", "rem", "--block", 0, "--json", "--overwrite", "--out", tmp_path,
                 "--schedule", file]  # fmt: skip
    rows = json.loads(run(capsys, *arguments, "--time", 1, 1.75)[0])
    assert [row["noise_variance"] for row in rows] == schedule.noise_variance([1, 1.75]).tolist()
    assert [row["time_on_schedule"] for row in rows] == pytest.approx([1, 1.75])
    assert [row["step"] for row in rows] == [1, 2]
    inputs = json.loads((tmp_path / "critical_size.json").read_text())["provenance"]["inputs"]
    assert inputs["schedule"] == str(file)
    assert inputs["schedule_sha256"] == sha256(file.read_bytes()).hexdigest()
    given = ["--noise-variance", *(row["noise_variance"] for row in rows), 1e3]
    others = json.loads(run(capsys, *arguments, *given)[0])
    assert others[:2] == rows
    assert (others[2]["time_on_schedule"], others[2]["step"]) == (None, None)


def test_a_step_of_pure_noise_has_no_critical_size(capsys, tmp_path):
    config = {"_class_name": "DDIMScheduler", "trained_betas": [0.01, 0.05, 0.2], "rescale_betas_zero_snr": True}
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    said = fail(capsys, "critical-size", "--schedule", tmp_path, "--time", 1, 2, "--out", tmp_path / "new")
    assert "--time: the schedule is pure noise at time 2, where no size is critical" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise-variance", 1, "--schedule", "edm"], "there is no schedule 'edm'"),
        (["--time", 5, 1000, "--schedule", "ddpm"], "--time: step 1 is 1000; the schedule has steps 0"),
        (["--time", 1, "--schedule", "flow"], "--time: time 0 is 1; the schedule has times between 0"),
        (["--time", "nan", "--schedule", "ou"], "--time: time 0 is nan"),
        (["--time", "--schedule", "ou"], "--time needs at least one value"),
        (["--time", 5], "--time is on the clock of a --schedule"),
        (["--time", 5, "--noise-variance", 1, "--schedule", "ou"], "not both"),
        (["--schedule", "ou"], "give either --noise-variance or --time"),
        (["--noise-variance", 1, "--law", "nonsense"], "there is no law 'nonsense'"),
        ([], "noise-variance"),
        (["--noise-variance"], "--noise-variance needs at least one value"),
        (["--noise-variance", -1], "--noise-variance is -1"),
    ],
)
def test_bad_input_to_critical_size(capsys, tmp_path, arguments, message):
    assert message in fail(capsys, "critical-size", *arguments, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()
