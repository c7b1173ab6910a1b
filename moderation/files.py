"""Places where files lie, by one string: a local path, ``file:///...`` or ``s3://bucket/key``.

An S3 location may carry the options that pyarrow's ``FileSystem.from_uri`` knows as a query
(``?endpoint_override=...&scheme=http&region=...``); keys and secrets come from the ``AWS_*``
environment. Its key is percent-encoded, as in any URL; a local path is taken as it stands.
"""

import contextlib
import errno
import functools
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from typing import IO, BinaryIO
from urllib.parse import quote, unquote

import pyarrow as pa
from pyarrow import fs

CHUNK = 1 << 20
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_WILD = re.compile(r"[*?\[]")
_LOCAL = fs.LocalFileSystem()
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LocationError(Exception):
    """A place that cannot be read or written; the message is one line that says why."""


@dataclass(frozen=True)
class Listed:
    """One thing inside a folder. ``link`` is true for a symbolic link, wherever it leads."""

    name: str
    size: int
    folder: bool
    link: bool
    changed: float  # seconds since 1970


def shown(location: str) -> str:
    """Return ``location`` fit for a message: one line, printable, no credentials or options."""
    if _scheme(location) is not None:
        start, _, rest = location.partition("://")
        rest = rest.partition("?")[0]
        head, slash, tail = rest.partition("/")
        location = f"{start}://{head.rpartition('@')[2]}{slash}{tail}"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in location)
    return text if len(text) <= 200 else f"...{text[-197:]}"


def resolve(location: str) -> tuple[fs.FileSystem, str]:
    """Return the file system and the path in it; LocationError for a scheme we do not read."""
    scheme = _scheme(location)
    with _named(location, "use"):
        if scheme is None:
            return _LOCAL, os.path.abspath(location)
        if scheme == "file":
            return fs.FileSystem.from_uri(location)
        if scheme == "s3":
            place, _, options = location.partition("?")
            bucket, _, key = place.partition("://")[2].partition("/")
            filesystem = _s3(bucket, options, os.getpid())
            return filesystem, "/".join(filter(None, (bucket.rpartition("@")[2], unquote(key))))
    raise LocationError(
        f"{shown(location)}: {scheme}:// is not read here; give a path, file:// or s3://"
    )


def local_path(location: str) -> str | None:
    """Return the path on this machine, or None for a location elsewhere."""
    filesystem, path = resolve(location)
    return path if isinstance(filesystem, fs.LocalFileSystem) else None


def name_of(location: str) -> str:
    """Return the last part of a location: a file's name."""
    return resolve(location)[1].rstrip("/").rpartition("/")[2]


def join(location: str, *parts: str) -> str:
    """Return the location of ``parts`` below ``location``; ValueError for a part that climbs."""
    for part in parts:
        if part.startswith("/") or "\0" in part or ".." in part.split("/"):
            raise ValueError("a part of a location must not lead out of it")
    scheme = _scheme(location)
    if scheme is None:
        return os.path.join(location, *parts)
    place, mark, options = location.partition("?")
    below = "/".join(quote(part) for part in parts)
    return f"{place.rstrip('/')}/{below}{mark}{options}"


def beside(location: str, name: str) -> str:
    """Return the location of ``name`` in the folder that ``location`` lies in."""
    scheme = _scheme(location)
    if scheme is None:
        return os.path.join(os.path.dirname(location.rstrip("/")), name)
    place, mark, options = location.partition("?")
    return f"{place.rstrip('/').rpartition('/')[0]}/{quote(name)}{mark}{options}"


def exists(location: str) -> bool:
    """Say whether a file or a folder lies there."""
    return _info(location).type is not fs.FileType.NotFound


def is_folder(location: str) -> bool:
    """Say whether a folder lies there."""
    return _info(location).type is fs.FileType.Directory


def size(location: str) -> int:
    """Return a file's size in bytes; LocationError if there is none."""
    info = _info(location)
    if info.type is not fs.FileType.File:
        raise LocationError(f"{shown(location)}: no such file")
    return info.size


def sha256(location: str) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    digest = hashlib.sha256()
    with open_input(location) as stream, _named(location, "read"):
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_input(location: str) -> pa.NativeFile:
    """Open a file for reading; the stream can seek. LocationError if it cannot be opened."""
    filesystem, path = resolve(location)
    with _named(location, "open"):
        # A pipe or a device would block or never end.
        if isinstance(filesystem, fs.LocalFileSystem) and not stat.S_ISREG(os.stat(path).st_mode):
            raise LocationError(f"{shown(location)}: not a file")
        return filesystem.open_input_file(path)


@contextlib.contextmanager
def write_atomically(
    location: str, *, sync: bool = True, private: bool = False
) -> Iterator[BinaryIO]:
    """Yield a stream; on a clean exit its bytes stand at ``location``, otherwise nothing does.

    Local: a hidden name in the same folder, flushed to disk (unless ``sync`` is false) and
    renamed. S3: spooled here and sent by one upload, so a stopped writer never leaves half an
    object. Missing folders are made. With ``private`` nobody but the user of this process may
    read the file or look into the folders that are made (S3: as the bucket has it).
    """
    filesystem, path = resolve(location)
    if isinstance(filesystem, fs.LocalFileSystem):
        with _write_local(location, path, sync, private) as stream:
            yield stream
        return
    with tempfile.NamedTemporaryFile() as spool:
        yield spool  # type: ignore[misc]  # the wrapper of a BinaryIO, typed as its own class
        with _named(location, "write"):
            spool.flush()
            # In one call without Python in between: an interrupt cannot end the upload early,
            # which would leave the part sent so far as if it were the whole.
            fs.copy_files(
                spool.name, path, source_filesystem=_LOCAL, destination_filesystem=filesystem
            )


def copy(source: str, target: str, *, sync: bool = True) -> str:
    """Copy a file byte for byte and return the SHA-256 of its bytes in hex."""
    digest = hashlib.sha256()
    with open_input(source) as stream, write_atomically(target, sync=sync) as out:
        while True:
            with _named(source, "read"):
                chunk = stream.read(CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
            out.write(chunk)


def delete(location: str) -> None:
    """Delete a file, or a folder with all in it; nothing happens if there is none."""
    filesystem, path = resolve(location)
    with _named(location, "delete"):
        if isinstance(filesystem, fs.LocalFileSystem):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            return
        info = filesystem.get_file_info(path)
        if info.type is fs.FileType.Directory:
            filesystem.delete_dir(path)
        elif info.type is fs.FileType.File:
            filesystem.delete_file(path)


def listing(location: str, *, hidden: bool = False) -> list[Listed]:
    """Return what lies in a folder, by name; names that start with a dot only if ``hidden``."""
    filesystem, path = resolve(location)
    with _named(location, "list"):
        if isinstance(filesystem, fs.LocalFileSystem):
            with os.scandir(path) as entries:
                found = [_listed(entry) for entry in entries]
        else:
            infos = filesystem.get_file_info(fs.FileSelector(path))
            found = [
                Listed(
                    *(i.base_name, i.size or 0, i.type is fs.FileType.Directory, False),
                    i.mtime.timestamp() if i.mtime else 0,
                )
                for i in infos
            ]
    for each in found:
        try:
            each.name.encode()
        except UnicodeEncodeError as error:
            raise LocationError(
                f"{shown(location)}: holds a name that is not UTF-8; rename it"
            ) from error
    return sorted((e for e in found if hidden or not e.name.startswith(".")), key=lambda e: e.name)


def expand(
    patterns: list[str], *, enter: Callable[[str, frozenset[str]], bool] | None = None
) -> list[str]:
    """Return the files that files, folders and globs name, sorted, each once.

    ``enter(name, siblings)`` says for a folder found inside a folder whether to look into it;
    links to folders are never followed. LocationError where a pattern finds nothing.
    """
    found: set[str] = set()
    for pattern in patterns:
        places = [pattern] if exists(pattern) else _globbed(pattern)
        if not places:
            raise LocationError(f"{shown(pattern)}: no such file or folder")
        siblings = frozenset(name_of(place) for place in places)
        here: set[str] = set()
        for place in places:
            if not is_folder(place):
                here.add(place)
            elif place == pattern or enter is None or enter(name_of(place), siblings):
                here.update(_files_below(place, enter))
        if not here:
            raise LocationError(f"{shown(pattern)}: holds no files")
        found |= here
    return sorted(found)


def same_place(one: str, other: str) -> bool:
    """Say whether two locations are one place, links on the way followed."""
    first, path = resolve(one)
    second, another = resolve(other)
    if isinstance(first, fs.LocalFileSystem) != isinstance(second, fs.LocalFileSystem):
        return False
    if isinstance(first, fs.LocalFileSystem):
        return os.path.realpath(path) == os.path.realpath(another)
    return path.rstrip("/") == another.rstrip("/")


def is_within(location: str, folder: str) -> bool:
    """Say whether ``location`` is ``folder`` or lies below it, links on the way followed."""
    if same_place(location, folder):
        return True
    if (local_path(location) is None) != (local_path(folder) is None):
        return False
    inner, outer = resolve(location)[1], resolve(folder)[1]
    if local_path(location) is not None:
        inner, outer = os.path.realpath(inner), os.path.realpath(outer)
    return inner.startswith(outer.rstrip("/") + "/")


def _scheme(location: str) -> str | None:
    match = _SCHEME.match(location)
    return match[1].lower() if match else None


@functools.lru_cache(maxsize=16)
def _s3(bucket: str, options: str, _process: int) -> fs.FileSystem:
    # Per process: a client made before a fork must not be used after it.
    return fs.FileSystem.from_uri(f"s3://{bucket}" + (f"?{options}" if options else ""))[0]


def _info(location: str) -> fs.FileInfo:
    filesystem, path = resolve(location)
    with _named(location, "look at"):
        return filesystem.get_file_info(path)


def _listed(entry: os.DirEntry[str]) -> Listed:
    link = entry.is_symlink()
    try:
        about = entry.stat()
    except FileNotFoundError:  # a link to nowhere
        return Listed(entry.name, 0, entry.is_dir(), link, 0)
    return Listed(entry.name, about.st_size, entry.is_dir(), link, about.st_mtime)


def _files_below(folder: str, enter: Callable[[str, frozenset[str]], bool] | None) -> Iterator[str]:
    inside = listing(folder)
    siblings = frozenset(each.name for each in inside)
    for each in inside:
        if not each.folder:
            yield join(folder, each.name)
        elif not each.link and (enter is None or enter(each.name, siblings)):
            yield from _files_below(join(folder, each.name), enter)


def _globbed(pattern: str) -> list[str]:
    if not _WILD.search(pattern.partition("?")[0] if _scheme(pattern) == "s3" else pattern):
        return []
    path = local_path(pattern)
    if path is not None:
        return sorted(glob.glob(path, recursive=True))
    filesystem, path = resolve(pattern)
    parts = path.split("/")
    fixed = next(n for n, part in enumerate(parts) if _WILD.search(part))
    wanted = re.compile("/".join(_component(part) for part in parts).replace("(?:.*)/", "(?:.*/)?"))
    with _named(pattern, "list"):
        selector = fs.FileSelector("/".join(parts[:fixed]), recursive=True, allow_not_found=True)
        infos = filesystem.get_file_info(selector)
    _, mark, options = pattern.partition("?")
    return sorted(
        f"s3://{quote(info.path)}{mark}{options}"
        for info in infos
        if wanted.fullmatch(info.path)
        and not any(part.startswith(".") for part in info.path.split("/")[fixed:])
    )


def _component(part: str) -> str:
    if part == "**":
        return "(?:.*)"
    # fnmatch lets a star cross slashes; here each part of the pattern stands for one folder.
    return translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")


@contextlib.contextmanager
def _write_local(location: str, path: str, sync: bool, private: bool) -> Iterator[BinaryIO]:
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    with _named(location, "write"):
        _make_folders(folder, 0o700 if private else 0o777)
        mode = 0o600 if private else 0o666
        stream: IO[bytes] = open(  # noqa: SIM115  # closed below, before the rename
            os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb"
        )
    try:
        try:
            yield stream  # type: ignore[misc]  # IO[bytes] of a file is a BinaryIO
        except OSError as error:
            if error.errno in _FULL:
                raise _error(location, "write", error) from error
            raise
        with _named(location, "write"):
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
            stream.close()
            os.replace(temporary, path)
            if sync:
                _sync_folder(folder)
    except BaseException:
        with contextlib.suppress(OSError):  # what matters is the error on its way up
            stream.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _make_folders(folder: str, mode: int) -> None:
    """Make a folder and those above it that are missing, each of them with ``mode``."""
    if os.path.isdir(folder):
        return
    _make_folders(os.path.dirname(folder), mode)
    try:
        os.mkdir(folder, mode)
    except FileExistsError:
        if not os.path.isdir(folder):  # and not made by another process just now
            raise


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named(location: str, doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _error(location, doing, error) from error


def _error(location: str, doing: str, error: Exception) -> LocationError:
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, UnicodeError):
        reason = "the name is not UTF-8"
    elif code is not None:
        reason = os.strerror(code)
    else:
        reason = str(error).partition("\n")[0][:200]
    return LocationError(f"{shown(location)}: cannot {doing} it: {reason}")
