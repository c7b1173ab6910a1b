"""The file of a removal manifest: JSON lines, signed, with no URL and no hash of a picture in it.

The first line describes the revision and its shards, then one line per entry to remove, then the
signature over all bytes before it (Ed25519, RFC 8032). Anyone can apply it without our database.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils.text import slugify

from moderation import files
from moderation.datasets.readers import DatasetError, Detected, detect, open_shard
from moderation.datasets.rewriting import rewrite_shard

VERSION = 1
# What reading JSON from anywhere can raise; whoever signed it may still have written nonsense.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
FILE_BYTES = 128 << 20  # about two million lines

T = TypeVar("T")


class ManifestRefused(Exception):
    """The manifest cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Line:
    """One entry to remove; ``row`` counts from 0 inside the shard."""

    shard: int
    row: int
    row_key: str


@dataclass(frozen=True)
class ListedShard:
    """A shard as its manifest describes it."""

    number: int
    name: str
    rows: int
    sha256: str
    columns: dict[str, str]


@dataclass(frozen=True)
class ManifestFile:
    """A manifest as read: what it says of the revision (``name``: NAME@LABEL), its lines, and who
    signed it (hex of the public key)."""

    name: str
    columns: dict[str, str]
    shards: tuple[ListedShard, ...]
    lines: tuple[Line, ...]
    public_key: str
    sha256: str


@dataclass(frozen=True)
class Applied:
    """What applying did; ``checksums`` maps each file written to its SHA-256. ``removed``: rows
    that the manifest lists; ``left_out``: rows beside them that were to be left out too.
    ``repeated``: the output folder held all of these files before, byte for byte."""

    rows_in: int
    rows_out: int
    removed: int
    checksums: dict[str, str]
    left_out: int = 0
    repeated: bool = False


def write(head: Mapping[str, Any], lines: Iterable[Line], *, signing_key: str) -> bytes:
    """Return the bytes of a manifest; the same head and lines give the same bytes."""
    body = [_json({"manifest": VERSION, **head})]
    body += [
        _json({"shard": line.shard, "row": line.row, "row_key": line.row_key}) for line in lines
    ]
    text = b"".join(body)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key))
    signature = {"ed25519": key.sign(text).hex(), "public_key": _public(key.public_key())}
    return text + _json({"signature": signature})


def public_key(signing_key: str) -> str:
    """The public half of a signing key, in hex: what others compare a manifest with."""
    return _public(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key)).public_key())


def file_name(dataset: str, label: str, number: int) -> str:
    """What a manifest's file is called, wherever it is written: letters, digits, - and _ only."""
    parts = (slugify(part)[:60].strip("-") or "unnamed" for part in (dataset, label))
    return f"{'-'.join(parts)}-manifest-{number:04}.jsonl"


def read(path: str) -> ManifestFile:
    """Read and check a manifest; raises ManifestRefused unless whole, well-formed and signed."""
    try:
        if not Path(path).is_file():
            why = "it is no file" if Path(path).exists() else "there is no such file"
            raise ManifestRefused(f"The manifest {files.shown(path)} cannot be read: {why}.")
        with Path(path).open("rb") as stream:
            data = stream.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # a path may hold what no path can
        why = getattr(error, "strerror", None) or "no such path"
        raise ManifestRefused(f"The manifest {files.shown(path)} cannot be read: {why}.") from error
    if len(data) > FILE_BYTES:
        raise ManifestRefused(f"This is no manifest: it is larger than {FILE_BYTES >> 20} MiB.")
    text, end, last = data.rstrip(b"\n").rpartition(b"\n")
    try:
        signature = _typed(_typed(json.loads(last), dict)["signature"], dict)
        signer = _hex(signature["public_key"], 32)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        key.verify(bytes.fromhex(_hex(signature["ed25519"], 64)), text + end)
    except InvalidSignature:
        raise ManifestRefused("The manifest was changed after it was signed.") from None
    except MALFORMED as error:
        raise ManifestRefused("This is no manifest, or its end is missing.") from error
    try:
        first, *rest = (_typed(json.loads(line), dict) for line in text.split(b"\n"))
        if _typed(first["manifest"], int) != VERSION:
            raise ManifestRefused(f"This manifest is not of form {VERSION}, which is read here.")
        name = "@".join(_typed(first.get(part, ""), str) for part in ("dataset", "revision"))
        columns = _columns(first["columns"])
        shards = tuple(_listed(_typed(shard, dict)) for shard in _typed(first["shards"], list))
        lines = tuple(
            Line(_count(x["shard"]), _count(x["row"]), _typed(x["row_key"], str)) for x in rest
        )
        if len({shard.number for shard in shards}) != len(shards):
            raise ValueError("two shards of one number")
    except MALFORMED as error:
        raise ManifestRefused("The manifest's lines are not those of a manifest.") from error
    rows = {shard.number: shard.rows for shard in shards}
    if any(not 0 <= line.row < rows.get(line.shard, 0) for line in lines):
        raise ManifestRefused("The manifest names rows that its shards do not have.")
    digest = hashlib.sha256(data).hexdigest()
    name = name if name.isprintable() else files.shown(name)  # it stands in messages
    return ManifestFile(name, columns, shards, lines, signature["public_key"], digest)


def apply(
    manifest: ManifestFile, paths: Sequence[str], *, out: str, also: Iterable[Line] = ()
) -> Applied:
    """Write cleaned copies of the shards under ``paths`` to the folder ``out``.

    Shards are recognised by their checksum, whatever they are called now. ``also``: rows of the
    same shards that no manifest lists yet, and that are left out all the same.

    Raises ManifestRefused for a file that the manifest does not know, and when a shard with lines
    or with such rows is not among the paths: a copy cleaned in part must not pass for a clean one.
    """
    if any(files.is_folder(path) and files.is_within(out, path) for path in paths):
        # The next reading of that folder would take the copies for more of the same.
        raise _in_the_way()
    by_checksum = {shard.sha256: shard for shard in manifest.shards}
    listed = _rows_by_checksum(manifest, manifest.lines)
    rows = _rows_by_checksum(manifest, [*manifest.lines, *also])
    found = []
    for source in _detected(manifest, paths).shards:
        checksum = open_shard(source.form, source.location, manifest.columns).checksum()
        if checksum not in by_checksum:
            raise ManifestRefused(
                f"{files.shown(source.location)} is not a shard of this manifest, or it changed"
                f" since. Give the files of {manifest.name} as they were imported."
            )
        found.append((source, checksum))
    absent = rows.keys() - {checksum for _, checksum in found}
    if absent:
        names = ", ".join(sorted(by_checksum[checksum].name for checksum in absent)[:10])
        raise ManifestRefused(
            f"Shards with rows to remove are not among the paths: {names}. Name all of them."
        )
    rows_in = rows_out = removed = left_out = 0
    checksums: dict[str, str] = {}
    folders = _folders([source.location for source, _ in found])
    targets = [files.join(out, folder) if folder else out for folder in folders]
    for (source, _), target in zip(found, targets, strict=True):
        if files.same_place(files.join(target, files.name_of(source.location)), source.location):
            raise _in_the_way()
    called = [files.name_of(source.location) for source, _ in found]
    held = _held(out, [files.join(*each) for each in zip(targets, called, strict=True)])
    for (source, checksum), folder, target in zip(found, folders, targets, strict=True):
        columns = by_checksum[checksum].columns
        done = rewrite_shard(source.form, source.location, columns, target, rows[checksum])
        rows_in, rows_out = rows_in + done.rows_in, rows_out + done.rows_out
        removed += len(listed[checksum])
        left_out += done.removed - len(listed[checksum])
        checksums |= {f"{folder}/{name}" if folder else name: sha for name, sha in done.files}
    repeated = bool(held) and checksums.items() <= held.items()
    return Applied(rows_in, rows_out, removed, checksums, left_out, repeated)


def still_present(manifest: ManifestFile, paths: Sequence[str]) -> int:
    """How many of the manifest's rows stand in these files: those in shards it knows unchanged."""
    rows = _rows_by_checksum(manifest, manifest.lines)
    return sum(
        len(rows[open_shard(source.form, source.location, manifest.columns).checksum()])
        for source in detect(list(paths), manifest.columns).shards
    )


def _detected(manifest: ManifestFile, paths: Sequence[str]) -> Detected:
    """What the paths hold, read as the manifest's revision is; ManifestRefused where that cannot
    be because they are something else."""
    try:
        return detect(list(paths), manifest.columns)
    except DatasetError as error:
        try:
            # What can be read on its own, but not with these columns, is another revision.
            found = detect(list(paths)).shards[0].location
        except DatasetError:
            raise error from None
        raise ManifestRefused(
            f"{files.shown(found)}: not a shard of {manifest.name}, which this manifest is for."
            f" Give the files of {manifest.name} as they were imported."
        ) from error


def _held(out: str, copies: Sequence[str]) -> dict[str, str]:
    """What the output folder holds: path in it to SHA-256. Empty unless every copy stands there:
    only then can it be the result of an earlier run, and is worth reading."""
    if not all(files.exists(copy) for copy in copies):
        return {}
    root = files.resolve(out)[1].rstrip("/") + "/"
    return {
        files.resolve(found)[1].removeprefix(root): files.sha256(found)
        for found in files.expand([out])
    }


def _listed(shard: dict[str, Any]) -> ListedShard:
    name = _typed(shard["name"], str)
    return ListedShard(
        number=_count(shard["number"]),
        name=name if name.isprintable() else files.shown(name),  # it stands in messages
        rows=_count(shard["rows"]),
        sha256=_hex(shard["sha256"], 32),
        columns=_columns(shard["columns"]),
    )


def _typed(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"not a {kind.__name__}")
    return value


def _count(value: object) -> int:
    number = _typed(value, int)
    if not 0 <= number < 1 << 63:
        raise ValueError("not a number of things")
    return number


def _hex(value: object, width: int) -> str:
    text = _typed(value, str)
    if not re.fullmatch(f"[0-9a-f]{{{2 * width}}}", text):
        raise ValueError("not hex of that width")
    return text


def _columns(value: object) -> dict[str, str]:
    found = _typed(value, dict)
    if not all(type(text) is str for pair in found.items() for text in pair):
        raise TypeError("columns are named by text")
    return found


def _rows_by_checksum(manifest: ManifestFile, lines: Iterable[Line]) -> dict[str, set[int]]:
    """The rows that lines name in a file of each checksum. Shards that are equal to the byte may
    stand for each other, and what goes from one goes from all of them."""
    checksums = {shard.number: shard.sha256 for shard in manifest.shards}
    rows: dict[str, set[int]] = defaultdict(set)
    for line in lines:
        rows[checksums[line.shard]].add(line.row)
    return rows


def _in_the_way() -> ManifestRefused:
    return ManifestRefused(
        "The output folder lies among the files to clean: give a folder elsewhere."
    )


def _folders(locations: Sequence[str]) -> list[str]:
    """For each location its folder below the one they share, empty for that one itself: files of
    one name in different folders must not overwrite each other."""
    parts = [location.rstrip("/").split("/")[:-1] for location in locations]
    shared = 0
    while len({tuple(each[: shared + 1]) for each in parts}) == 1 and shared < len(parts[0]):
        shared += 1
    return ["/".join(each[shared:]) for each in parts]


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _public(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
