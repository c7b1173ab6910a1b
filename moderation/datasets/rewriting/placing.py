"""From the folder where a shard was written aside to its place, if nothing else stands there."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator

from moderation import files
from moderation.datasets.readers import img2dataset
from moderation.datasets.readers.base import IMG2DATASET, DatasetError, ShardReader


def refuse_own_place(reader: ShardReader, out_dir: str) -> None:
    home = files.beside(reader.location, "")
    places = [(out_dir, home)]
    names = [files.name_of(reader.location)]
    if isinstance(reader, img2dataset.FilesReader):
        names.append(img2dataset.stem(reader.location))
        inside = files.is_within(out_dir, reader.folder)
    else:
        inside = False
    places += [(files.join(out_dir, name), files.beside(reader.location, name)) for name in names]
    if inside or any(files.same_place(one, other) for one, other in places):
        raise reader.refuse("would be written over itself; give another output folder")


@contextlib.contextmanager
def aside(out_dir: str) -> Iterator[str]:
    """Yield a new folder to write into, beside the shard's place if that is on this machine."""
    local = files.local_path(out_dir)
    if local is None:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    made = not os.path.isdir(local)
    folder = os.path.join(local, f".{secrets.token_hex(8)}.part")
    os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        if made:
            with contextlib.suppress(OSError):  # no longer empty, as it should be
                os.rmdir(local)


def _names(reader: ShardReader) -> list[str]:
    """Return the names that belong to a shard in its folder, whether it has them or not."""
    names = [files.name_of(reader.location)]
    if reader.form in IMG2DATASET:
        name = img2dataset.stem(reader.location)
        names += [name, f"{name}.parquet", f"{name}_stats.json"]
    return sorted(set(names))


def refuse_links(reader: ShardReader, out_dir: str) -> None:
    for name in _names(reader):
        local = files.local_path(files.join(out_dir, name))
        if local is not None and os.path.islink(local):
            raise _occupied(reader)


def place(reader: ShardReader, folder: str, out_dir: str, written: list[tuple[str, str]]) -> None:
    """Move what was written to where it belongs, if nothing but the same stands there."""
    made: dict[str, dict[str, str]] = {name: {} for name in _names(reader)}
    for path, digest in written:
        made[path.partition("/")[0]][path] = digest
    absent = []
    for name, digests in made.items():
        target = files.join(out_dir, name)
        if not files.exists(target):
            absent.append(name)
        elif not _holds(out_dir, name, digests):
            raise _occupied(reader)
    local = files.local_path(out_dir)
    for name in absent:
        if not made[name]:
            continue
        if local is None:
            for path in made[name]:
                files.copy(files.join(folder, path), files.join(out_dir, path))
        else:
            os.rename(os.path.join(folder, name), os.path.join(local, name))


def _holds(out_dir: str, name: str, digests: dict[str, str]) -> bool:
    """Say whether a file, or a folder with all in it, is the same as what was written."""
    target = files.join(out_dir, name)
    if not files.is_folder(target):
        return list(digests) == [name] and files.sha256(target) == digests[name]
    found = files.listing(target, hidden=True)
    return {f"{name}/{each.name}" for each in found} == set(digests) and all(
        not (each.link or each.folder)
        and files.sha256(files.join(target, each.name)) == digests[f"{name}/{each.name}"]
        for each in found
    )


def _occupied(reader: ShardReader) -> DatasetError:
    return reader.refuse(
        "something else stands in its place in the output folder; nothing was changed there, "
        "give an empty folder"
    )
