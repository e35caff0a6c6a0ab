"""What commands print and write: tables of any width, and which files were replaced."""

from geomem.cli.tables import write
from tests.geomem.cli.commands import run


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
    for _ in range(2):
        assert run(capsys, *other)[1] == f"geomem: replaced {', '.join(names)} of another run\n"
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
