"""The wheel holds the three packages, whole, and nothing else; it runs outside of the checkout."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("keras_cnns", "pipelines", "export")


def test_the_changelog_begins_with_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(
        r"^## \[([^]]+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert headings[0] == version
    for package in PACKAGES:  # it is written in one place
        for file in (ROOT / package).rglob("*.py"):
            assert f'"{version}"' not in file.read_text(encoding="utf-8"), file


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with what the wheel holds."""
    root = tmp_path_factory.mktemp("wheel")
    dust = shutil.ignore_patterns(
        ".*", "build", "*.egg-info", "__pycache__", "node_modules", "_build"
    )
    shutil.copytree(ROOT, root / "source", ignore=dust)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--wheel-dir",
        root,
        root / "source",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution found for setuptools" in result.stderr:
        pytest.skip("building takes a newer setuptools, and no package index can be reached")
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next(root.glob("*.whl"))) as wheel:
        wheel.extractall(root / "unpacked")
    return root / "unpacked"


def files(folder, names):
    return {
        str(path.relative_to(folder))
        for name in names
        for path in (folder / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_it_holds_the_packages_whole_and_nothing_else(unpacked):
    assert files(unpacked, PACKAGES) == files(ROOT, PACKAGES)
    others = {path.name for path in unpacked.iterdir()} - set(PACKAGES)
    assert len(others) == 1 and others.pop().endswith(".dist-info")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, told",
    [
        ("keras_cnns list", "lenet5"),
        ("keras_cnns show lenet", "81,194"),
        ("keras_cnns compare --published --networks alexnet_owt --out zoo", "zoo/compare.html"),
        ("pipelines check digits", "1,797"),
        ("export bundle --help", "--formats"),
    ],
)
def test_it_runs_outside_of_the_checkout(words, told, unpacked, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    result = subprocess.run(
        [sys.executable, "-m", *words.split()], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0 and told in result.stdout, result.stderr
