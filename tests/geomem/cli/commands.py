"""Running the command in tests."""

import pytest

from geomem.cli.app import main


def run(capsys, *arguments: object) -> tuple[str, str]:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert end.code in (0, None), capsys.readouterr().err  # noqa: PT017 (the code is what is asserted)
    captured = capsys.readouterr()
    return captured.out, captured.err


def fail(capsys, *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("geomem: ")
    assert captured.err.count("\n") == 1
    return captured.err
