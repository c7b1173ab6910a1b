"""Chromium for browser tests: the one at hand, else Debian's, unpacked under the data folder.

``python -m sample.browser`` prints the path of a Chromium that runs headless.
"""

import argparse
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from sample import debian
from sample.common import SampleError, data_folder

# Chromium without its windows: the same engine opens a page for less than half the work.
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core", "fontconfig-config")
SYSTEM = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)

WRAPPER = """\
#!/bin/sh
# Debian's Chromium with the libraries and fonts that were unpacked beside it.
export LD_LIBRARY_PATH={libraries}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export FONTCONFIG_FILE={fonts}
export XDG_DATA_DIRS={share}":${{XDG_DATA_DIRS:-/usr/local/share:/usr/share}}"
exec {binary} "$@"
"""

FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


def find_chromium(*, data: Path | None = None) -> Path:
    """Return an executable Chromium: CHROMIUM, the system's, or one unpacked under ``data``.

    Raises SampleError when there is none and none can be fetched.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise SampleError(f"CHROMIUM names {named}, which cannot be run")
        return Path(named)
    for program in SYSTEM:
        if os.access(program, os.X_OK):
            return program
    home = (data or data_folder()) / "browser"
    try:
        root = debian.unpack(PACKAGES, into=home / "headless")
    except SampleError as error:
        raise SampleError(f"no Chromium: {error}; or install it and set CHROMIUM") from error
    return _wrap(root, home)


def launch_arguments() -> list[str]:
    """Return the switches for our own pages: no traffic of its own, no sandbox where none can be.

    The sandbox needs an ordinary user who may create user namespaces; containers often forbid it.
    """
    return [*QUIET, *([] if _sandbox_works() else ["--no-sandbox"])]


def _sandbox_works() -> bool:
    if os.geteuid() == 0:
        return False
    try:
        tried = subprocess.run(
            ["unshare", "--user", "--pid", "--fork", "true"],
            capture_output=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _wrap(root: Path, home: Path) -> Path:
    """Write the font configuration and the script that starts the unpacked Chromium."""
    binary = root / "usr/lib/chromium/chromium-headless-shell"
    if not binary.is_file():
        raise SampleError(f"Debian's {PACKAGES[0]} package has no {binary.relative_to(root)}")
    fonts = _write(home / "fonts.conf", FONTS.format(root=escape(str(root))))
    folders = sorted(
        {
            str(library.parent)
            for lib in ("lib", "usr/lib")
            for library in (root / lib).rglob("*.so*")
            if library.parent != binary.parent
        },
        key=lambda folder: (folder.count("/"), folder),
    )
    text = WRAPPER.format(
        libraries=shlex.quote(":".join(folders)),
        fonts=shlex.quote(str(fonts)),
        share=shlex.quote(str(root / "usr/share")),
        binary=shlex.quote(str(binary)),
    )
    return _write(home / "chromium", text, mode=0o755)


def _write(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write ``text`` in one step, and only if it is new: another user may be running it."""
    if not path.is_file() or path.read_text() != text:
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text)
        new.chmod(mode)
        new.replace(path)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Print the path of Chromium; 1 and one line on standard error when there is none."""
    parser = argparse.ArgumentParser(prog="python -m sample.browser", description=main.__doc__)
    parser.add_argument("--data", type=Path, help="folder to unpack into (default: data folder)")
    options = parser.parse_args(arguments)
    try:
        print(find_chromium(data=options.data and options.data.resolve()))
    except SampleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
