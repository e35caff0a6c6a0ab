"""The command as a whole: what every command does with its output folder, and how it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.geomem.cli.commands import fail

CURVE = Path(__file__).parents[2] / "data" / "dynamical_regimes" / "image_speciation_mnist.csv"
# Every command as it is called with the least, the first thing that it computes, and a file that it writes.
COMMANDS = {
    "phase-diagram": ("phase-diagram", "geomem.boundaries.diagram.phase_diagram", "phase_diagram.png"),
    "critical-size": ("critical-size --noise-variance 1", "geomem.boundaries.critical.critical_size",
                      "critical_size.json"),
    "spectrum": ("spectrum", "geomem.studies.spectrum.spectrum_study", "spectrum.nc"),
    "compare": (f"compare {CURVE} --law two-classes --squared-center 4", "geomem.studies.curve.predict",
                "compare.json"),
    "local": ("local --data digits", "geomem.studies.patch_diagram.patch_diagram", "local.nc"),
    "train": ("train --config linear-quick", "geomem.networks.sweep.train_study", "losses.pdf"),
    "derive": ("derive --chapter score", "geomem_theory.derivation.Chapter.to_markdown", "derivation.md"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(capsys, tmp_path, monkeypatch, command):
    arguments, computing, written = COMMANDS[command]
    monkeypatch.setattr(computing, lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "results" / written).mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "file" / "under", tmp_path / "link", tmp_path / ("a" * 5000)):
        message = fail(capsys, *arguments.split(), "--out", folder)
        assert "the output folder" in message
        assert "cannot be written" in message
    message = fail(capsys, *arguments.split(), "--out", tmp_path / "results")
    assert f"{written}' cannot be written: it is a folder" in message
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "link", "results"]


def test_an_unknown_command(capsys):
    assert "no-command" in fail(capsys, "no-command")


def test_installed_command(tmp_path):
    command = Path(sys.executable).with_name("geomem")
    version = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.strip() == "0.1.0"
    text = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    for name in ("phase-diagram", "critical-size", "spectrum", "derive"):
        assert name in text
    bad = subprocess.run(
        [command, "phase-diagram", "--variances", "-1", "--out", tmp_path], check=False, capture_output=True, text=True
    )
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 1


def test_pipes_marks_and_counts_without_limit_are_answered_at_once(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in fail(capsys, "train", "--config", tmp_path / "pipe")
    (tmp_path / "marked.json").write_text('{"_class_name": "nothing"}', encoding="utf-8-sig")
    assert "nothing" in fail(capsys, "phase-diagram", "--theory", "rem", "--schedule", tmp_path / "marked.json")
    for command in (
        ("phase-diagram",),
        ("critical-size", "--noise-variance", 1),
        ("train", "--config", "linear-quick"),
    ):
        assert "--seed is -1" in fail(capsys, *command, "--seed", -1, "--out", tmp_path / "out")
    assert "a count from 2 to 10000" in fail(capsys, "phase-diagram", "--theory", "rem", "--sizes", 10, 100, 1e7)
    assert "--block: '1.5' is no whole number" in fail(capsys, "phase-diagram", "--block", "1.5")
    assert not (tmp_path / "out").exists()
