"""Compiled loops find a place for their cache, and work where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nobody can write to /proc")

PROJECT = Path(__file__).parents[3]
SOURCE = PROJECT / "moderation" / "matching" / "compiled.py"
LOOP = """
from compiled import compiled, popcount, types

@compiled(types.int64(types.uint64))
def count(word):
    return popcount(word)
"""
CALL = "import logging; logging.basicConfig(); import loop; print(loop.count(255))"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with a compiled loop, whose ``__pycache__`` nobody can write, not even root:
    a file stands in its place."""
    target = tmp_path / "installed"
    target.mkdir()
    shutil.copy(SOURCE, target)
    (target / "loop.py").write_text(LOOP)
    (target / "__pycache__").touch()
    return target


def call(installed: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CALL],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **environment},
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )


def test_read_only_install_uses_the_given_folder(installed: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = call(installed, NUMBA_CACHE_DIR=str(cache), XDG_CACHE_HOME="/proc/none")
    assert (first.stdout, first.stderr) == ("8\n", "")
    written = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert written
    again = call(installed, NUMBA_CACHE_DIR=str(cache), XDG_CACHE_HOME="/proc/none")
    assert (again.stdout, again.stderr) == ("8\n", "")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} == written


def test_read_only_install_uses_the_users_cache(installed: Path, tmp_path: Path) -> None:
    """The given folder cannot be written either; the user's own cache folder can."""
    home = tmp_path / "home"
    done = call(installed, NUMBA_CACHE_DIR="/proc/none", XDG_CACHE_HOME=str(home))
    assert (done.stdout, done.stderr) == ("8\n", "")
    assert list(home.rglob("*.nbc"))


def test_nowhere_to_cache_still_answers_and_says_so(installed: Path) -> None:
    done = call(installed, NUMBA_CACHE_DIR="/proc/none", XDG_CACHE_HOME="/proc/none")
    assert done.stdout == "8\n"
    assert done.stderr.count("set NUMBA_CACHE_DIR to a folder only this user can write") == 1


COMPILED = """
from numba.core.dispatcher import Dispatcher
from moderation.matching import doubt_kernels, kernels, wide_kernels

for module in (doubt_kernels, kernels, wide_kernels):
    for name, loop in vars(module).items():
        if isinstance(loop, Dispatcher) and loop.stats.cache_misses:
            print(name)
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """A loop that holds what differs from process to process is never found in the cache."""
    compiled_by = [
        subprocess.run(
            [sys.executable, "-c", COMPILED],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert "may_be_near_256" in compiled_by[0]
    assert compiled_by[1] == []
