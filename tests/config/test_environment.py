"""The virtual environment is made once, made again where half made, and left alone otherwise."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import env


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an empty lock: nothing is downloaded."""
    (tmp_path / "config").mkdir()
    shutil.copy(env.PROJECT / "config/environment.py", tmp_path / "config")
    (tmp_path / "lock.txt").write_text("# nothing\n")
    return tmp_path


def make(project: Path, *locks: str) -> "subprocess.CompletedProcess[str]":
    """Run the script on the interpreter under the environment, with no uv to be found."""
    python = Path(sys.base_prefix) / "bin" / "python3.11"
    return subprocess.run(
        [str(python), "-I", "config/environment.py", ".venv", *(locks or ("lock.txt",))],
        cwd=project,
        env={"PATH": os.defpath, "HOME": str(project)},
        capture_output=True,
        text=True,
    )


def test_made_again_only_where_half_made_or_of_another_lock(project: Path) -> None:
    mark = project / ".venv/mark"
    stamp = project / ".venv/.installed"
    mark.parent.mkdir()
    mark.touch()
    half = make(project)
    assert half.returncode == 0
    assert "half made" in half.stderr
    assert (project / ".venv/bin/python").exists()
    assert hashlib.sha256((project / "lock.txt").read_bytes()).hexdigest() in stamp.read_text()
    assert not mark.exists()

    mark.touch()
    second = make(project)
    assert (second.returncode, second.stderr) == (0, "")
    assert mark.exists()

    (project / "lock.txt").write_text("a-package-without-a-hash==1.0\n")
    changed = make(project)
    assert changed.returncode == 1
    assert "another lock" in changed.stderr
    assert "check the network and free disk space" in changed.stderr.splitlines()[-1]
    assert not mark.exists()
    assert not stamp.exists()


def test_a_missing_lock_is_one_line(project: Path) -> None:
    done = make(project, "nowhere.txt")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nowhere.txt" in done.stderr
