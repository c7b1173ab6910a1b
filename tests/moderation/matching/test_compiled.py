"""Compiled loops find a place for their cache, and work where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "moderation" / "matching"
LOOK_UP = """
import logging; logging.basicConfig()
import numpy
from moderation.matching.bands import BandTable
value = numpy.arange(32, dtype=numpy.uint8).reshape(1, 32)
print([part.tolist() for part in BandTable.build(value).join(value, 31)])
"""
FOUND = "[[0], [0], [0]]\n"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package whose ``__pycache__`` nobody can write, not even
    root: a file stands in its place."""
    target = tmp_path / "installed" / "moderation" / "matching"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target.parent / "__init__.py").touch()
    (target / "__pycache__").touch()
    return tmp_path / "installed"


def look_up(installed: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-c", LOOK_UP],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **environment},
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )


def test_read_only_install_uses_the_given_folder(installed: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = look_up(installed, NUMBA_CACHE_DIR=str(cache), XDG_CACHE_HOME="/proc/none")
    assert (first.stdout, first.stderr) == (FOUND, "")
    written = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert written
    again = look_up(installed, NUMBA_CACHE_DIR=str(cache), XDG_CACHE_HOME="/proc/none")
    assert (again.stdout, again.stderr) == (FOUND, "")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} == written


def test_read_only_install_uses_the_users_cache(installed: Path, tmp_path: Path) -> None:
    """The given folder cannot be written either; the user's own cache folder can."""
    home = tmp_path / "home"
    done = look_up(installed, NUMBA_CACHE_DIR="/proc/none", XDG_CACHE_HOME=str(home))
    assert (done.stdout, done.stderr) == (FOUND, "")
    assert list(home.rglob("*.nbc"))


def test_nowhere_to_cache_still_answers_and_says_so(installed: Path) -> None:
    done = look_up(installed, NUMBA_CACHE_DIR="/proc/none", XDG_CACHE_HOME="/proc/none")
    assert done.stdout == FOUND
    assert done.stderr.count("set NUMBA_CACHE_DIR to a folder only this user can write") == 1
