"""What is built holds both packages, whole: their modules, their types' markers and the presets."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "theory" / "geomem_theory", ROOT / "numerics" / "geomem")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True)
    return folder


def _files(roots) -> set[str]:
    """Every file of both packages, seen from what `roots` gives for each."""
    return {
        str(path.relative_to(root))
        for package, root in zip(PACKAGES, roots, strict=True)
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_files_are_found():
    found = _files(package.parent for package in PACKAGES)
    assert {"geomem/py.typed", "geomem_theory/py.typed", "geomem/networks/presets/digits.toml"} <= found


def test_wheel(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == _files(package.parent for package in PACKAGES)


def test_sdist(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert _files([ROOT, ROOT]) <= inside
    assert {"pyproject.toml", "README.md", "LICENSE", "tests/conftest.py"} <= inside
