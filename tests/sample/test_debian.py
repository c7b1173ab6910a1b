"""Packages come through the real apt, here from a repository in a folder: no network."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from sample import browser, debian
from sample.common import SampleError

needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt on this machine")


def _package(repository: Path, name: str, *, depends: str = "") -> str:
    """Build a package with one file and return its paragraph for the Packages index."""
    tree = repository / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share" / name).mkdir(parents=True)
    (tree / "usr/share" / name / "hello").write_text(f"from {name}")
    control = (
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Sample <a@b.invalid>\n"
        f"Description: sample\n{f'Depends: {depends}' + chr(10) if depends else ''}"
    )
    (tree / "DEBIAN/control").write_text(control)
    archive = repository / f"{name}_1.0_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", tree, archive], check=True, capture_output=True
    )
    data = archive.read_bytes()
    return (
        f"{control}Filename: ./{archive.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make apt's sources name a repository of two packages, the first of which needs the second."""
    folder = tmp_path / "repository"
    folder.mkdir()
    index = _package(folder, "sample-first", depends="sample-second")
    index += _package(folder, "sample-second")
    (folder / "Packages").write_text(index)
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{folder} ./\n")
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))
    return folder


@needs_apt
def test_a_package_comes_with_what_it_needs(repository: Path, tmp_path: Path) -> None:
    root = debian.unpack(["sample-first"], into=tmp_path / "out" / "root")
    assert (root / "usr/share/sample-first/hello").read_text() == "from sample-first"
    assert (root / "usr/share/sample-second/hello").read_text() == "from sample-second"
    assert {path.name for path in root.parent.iterdir()} == {"root", ".root.lock"}
    shutil.rmtree(repository)  # from now on nothing could be fetched
    assert debian.unpack(["sample-first"], into=root) == root


@needs_apt
def test_the_machine_is_left_as_it_was(repository: Path, tmp_path: Path) -> None:
    state = [Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives"), debian.STATUS]
    before = [path.stat().st_mtime_ns for path in state if path.exists()]
    debian.unpack(["sample-first"], into=tmp_path / "root")
    assert [path.stat().st_mtime_ns for path in state if path.exists()] == before


@needs_apt
def test_a_package_that_does_not_exist_is_said_in_one_line(
    repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(SampleError, match="Unable to locate package sample-none") as said:
        debian.unpack(["sample-none"], into=tmp_path / "out" / "root")
    assert "\n" not in str(said.value)
    assert not (tmp_path / "out" / "root").exists()


@needs_apt
def test_sources_that_cannot_be_reached_are_said_in_one_line(
    repository: Path, tmp_path: Path
) -> None:
    shutil.rmtree(repository)
    with pytest.raises(SampleError, match="check the network and apt's sources"):
        debian.unpack(["sample-first"], into=tmp_path / "root")


def test_without_apt_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SampleError, match="apt-get not found"):
        debian.unpack(["sample-first"], into=tmp_path / "root")


def test_a_command_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(SampleError, match=r"sleep took longer than 0 s"):
        debian._run(["sleep", "60"], seconds=0.1)


def test_chromium_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium"
    monkeypatch.setenv("CHROMIUM", str(program))
    with pytest.raises(SampleError, match="cannot be run"):
        browser.find_chromium()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert browser.find_chromium() == program


def test_no_chromium_and_no_apt_is_one_line_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(browser, "SYSTEM", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.main(["--data", str(tmp_path / "data")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "set CHROMIUM" in said.err


def test_the_wrapper_starts_the_unpacked_browser_with_its_libraries(tmp_path: Path) -> None:
    home = tmp_path / "it's here"
    binary = home / "root/usr/lib/chromium/chromium-headless-shell"
    library = home / "root/usr/lib/x86_64-linux-gnu/libsample.so.1"
    for file in (binary, library):
        file.parent.mkdir(parents=True)
    library.write_bytes(b"")
    binary.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH"; echo "$FONTCONFIG_FILE"; echo "$1"\n')
    binary.chmod(0o755)
    wrapper = browser._wrap(home / "root", home)
    said = subprocess.run([wrapper, "--version"], capture_output=True, text=True, check=True).stdout
    libraries, fonts, argument = said.splitlines()
    assert str(library.parent) in libraries
    assert (fonts, argument) == (str(home / "fonts.conf"), "--version")
