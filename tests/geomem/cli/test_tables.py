"""What commands print and write: tables of any width, and which files were replaced."""

import numpy as np
import xarray as xr

from geomem.cli.tables import warn_of_wide_blocks, write
from tests.geomem.cli.commands import fail, run


def test_a_narrow_screen_cuts_nothing_off(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out, _ = run(capsys, "phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--out", tmp_path)
    assert "…" not in out
    assert "0.088705" in out
    assert "kept" in out


def test_files_of_another_run_are_named_and_those_of_the_same_are_not(capsys, tmp_path):
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--out", tmp_path / "results"]
    names = [f"{tmp_path / 'results' / 'phase_diagram'}.{suffix}" for suffix in ("nc", "png", "pdf")]
    for expected in ("", ""):
        assert run(capsys, *arguments)[1] == expected
    other = [*arguments[:3], "--sizes", 10, 1000, 3, *arguments[7:]]
    message = fail(capsys, *other)
    assert f"{names[0]} is of another run, with another sizes; choose another --out, or replace it" in message
    for _ in range(2):
        assert run(capsys, *other, "--overwrite")[1] == f"geomem: replaced {', '.join(names)} of another run\n"
        assert run(capsys, *other)[1] == ""
        other, arguments = arguments, other


def test_only_what_held_something_else_was_replaced(capsys, tmp_path):
    paths = [tmp_path / "new" / name for name in ("a.txt", "b.txt", "c.txt")]

    def writers(*texts):
        return {path: lambda file, text=text: file.write_text(text) for path, text in zip(paths, texts, strict=False)}

    write(writers("a", "b"))
    assert capsys.readouterr() == ("", "")
    write(writers("a", "other", "c"))
    assert capsys.readouterr() == ("", f"geomem: replaced {paths[1]} of another run\n")
    assert [path.read_text() for path in paths] == ["a", "other", "c"]


def test_only_blocks_that_are_too_wide_are_named(capsys):
    """Two blocks of three directions, and one without a critical time."""
    variances = np.array([1.01, 1.0, 0.99, 0.011, 0.01, 0.009, 1e-9, 0.0])
    over = {"critical_time": [0.5, 0.01, np.nan], "multiplicity": [3.0, 3.0, 2.0]}

    def warned(*reach):
        ends = {"critical_time_lower": np.exp(-np.array(reach)), "critical_time_upper": np.exp(np.array(reach))}
        ends = {name: np.array(over["critical_time"]) * factor for name, factor in ends.items()}
        warn_of_wide_blocks(xr.Dataset({name: ("block", column) for name, column in (over | ends).items()}), variances)
        return capsys.readouterr().err

    assert warned(0.01, 0.019, 0.0) == ""
    found = warned(0.01, 0.1, 0.0)
    assert found == (
        "geomem: directions of block 1 are lost up to 11 % away from its critical time; 5 blocks keep all directions "
        "within 2 %\n"
    )
    over["critical_time"] = 3 * [np.nan]
    assert warned(1.0, 1.0, 1.0) == ""
