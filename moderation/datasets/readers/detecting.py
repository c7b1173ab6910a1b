"""What a set of files is: its form, its shards and its columns, before a row is read."""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from moderation import files
from moderation.datasets.readers import columns as cols
from moderation.datasets.readers import img2dataset, parquet, text
from moderation.datasets.readers.base import (
    FORMS,
    IMAGE_PARQUET,
    IMG2DATASET,
    IMG2DATASET_FILES,
    IMG2DATASET_PARQUET,
    IMG2DATASET_WEBDATASET,
    LINKS_CSV,
    LINKS_JSONL,
    LINKS_PARQUET,
    DatasetError,
    Detected,
    ShardReader,
    ShardSource,
    readable,
    refusal,
)

_ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tar": "tar",
    ".csv": LINKS_CSV,
    ".tsv": LINKS_CSV,
    ".csv.gz": LINKS_CSV,
    ".tsv.gz": LINKS_CSV,
    ".jsonl": LINKS_JSONL,
    ".ndjson": LINKS_JSONL,
    ".jsonl.gz": LINKS_JSONL,
    ".ndjson.gz": LINKS_JSONL,
}
# What may hold pictures or links and would be left out of the scan if it were passed over.
_UNREAD = re.compile(
    r"\.(tar\.\w+|tgz|zip|7z|rar|tfrecord|arrow|feather|orc|avro|(csv|tsv|jsonl|ndjson|parquet)"
    r"\.\w+|json\.gz)$"
)
_Shard = tuple[str, str, list[str]]  # form, location, names of the columns
_READ = "give .parquet, .tar, .csv, .tsv or .jsonl (.gz for text)"


def detect(paths: list[str], mapping: Mapping[str, str] | None = None) -> Detected:
    """Return what the files, folders and globs hold; DatasetError unless it is one form.

    ``mapping`` names columns for fields; ``{"reencoded": "no"}`` says that stored pictures are
    the bytes that were downloaded.
    """
    shards = _alike([_shard(location) for location in _candidates(paths)])
    if not shards:
        raise DatasetError(f"no dataset files in what was given; {_READ}")
    forms = Counter(form for form, _, _ in shards)
    if len(forms) > 1:
        held = ", ".join(f"{count} of {form}" for form, count in sorted(forms.items()))
        raise DatasetError(
            f"the files are of more than one form ({held}); import each form on its own"
        )
    # A tar or JSON lines without a single row name no columns; others of the set do.
    form, location, names = next((shard for shard in shards if shard[2]), shards[0])
    columns = _columns(form, location, names, mapping)
    for _, other, found in shards:
        for field, column in columns.items():
            loose = form in (LINKS_JSONL, IMG2DATASET_WEBDATASET) or field == cols.REENCODED
            if not loose and column not in found:
                raise refusal(
                    other,
                    f"has no column {cols.listed([column])}, which the first file has; "
                    "import files with other columns on their own",
                )
    return Detected(form, columns, [ShardSource(other, form) for _, other, _ in shards])


def open_shard(form: str, location: str, columns: dict[str, str]) -> ShardReader:
    """Return the reader of one shard; nothing is read yet."""
    if form not in FORMS:
        raise ValueError(f"no such form: {form}")
    if form == LINKS_CSV:
        return text.CsvReader(location, columns)
    if form == LINKS_JSONL:
        return text.JsonlReader(location, columns)
    if form == IMG2DATASET_FILES:
        return img2dataset.FilesReader(location, columns)
    if form == IMG2DATASET_WEBDATASET:
        with readable(location):
            sidecar = img2dataset.sidecar_of(location)
        if sidecar is None:
            return img2dataset.TarReader(location, columns)
        return img2dataset.WebdatasetReader(location, sidecar, columns)
    return parquet.ParquetReader(form, location, columns)


def _candidates(paths: list[str]) -> list[str]:
    """Return the files that stand for shards, sidecars of a tar left out."""
    places: list[str] = []
    for path in paths:
        with readable(path):
            # A folder of pictures given by itself means the shard it belongs to.
            own = files.beside(path, f"{files.name_of(path)}.parquet")
            places.append(own if files.is_folder(path) and files.exists(own) else path)
    with readable(paths[0] if paths else ""):
        found = files.expand(places, enter=lambda name, near: f"{name}.parquet" not in near)
    kept = []
    pictures = None
    for location in found:
        name = files.name_of(location)
        if _ending(name) is not None:
            kept.append(location)
        elif _UNREAD.search(name.lower()):
            raise refusal(location, f"files like this are not read; {_READ}")
        elif location in paths:
            raise refusal(location, f"not a file that is read as a dataset; {_READ}")
        elif img2dataset.is_picture(name):
            pictures = location
    if pictures is not None:
        raise refusal(
            pictures,
            "pictures without the .parquet that names them; give img2dataset's whole output folder",
        )
    tars = {location for location in kept if _ending(files.name_of(location)) == "tar"}
    sidecars = {files.beside(tar, f"{img2dataset.stem(tar)}.parquet") for tar in tars}
    return [location for location in kept if location not in sidecars]


def _alike(shards: list[_Shard]) -> list[_Shard]:
    """Count a sidecar without a folder among the ``files`` form where its neighbours have one."""
    if not any(form == IMG2DATASET_FILES for form, _, _ in shards):
        return shards
    return [
        (IMG2DATASET_FILES, location, names)
        if form == LINKS_PARQUET and parquet.is_img2dataset(names)
        else (form, location, names)
        for form, location, names in shards
    ]


def _ending(name: str) -> str | None:
    return next((kind for end, kind in _ENDINGS.items() if name.lower().endswith(end)), None)


def _shard(location: str) -> _Shard:
    """Return a shard's form, its location and the names of its columns."""
    kind = _ending(files.name_of(location))
    if kind == "tar":
        with readable(location):
            sidecar = img2dataset.sidecar_of(location)
        names = (
            img2dataset.tar_columns(location)
            if sidecar is None
            else list(parquet.schema(sidecar).names)
        )
        return IMG2DATASET_WEBDATASET, location, names
    if kind != "parquet":
        form = LINKS_CSV if kind == LINKS_CSV else LINKS_JSONL
        return form, location, text.names(location, form)
    found = parquet.schema(location)
    form = parquet.form_of(found)
    if form == LINKS_PARQUET and parquet.is_img2dataset(found.names):
        with readable(location):
            tar = files.beside(location, f"{img2dataset.stem(location)}.tar")
            if files.exists(tar):
                return IMG2DATASET_WEBDATASET, tar, list(found.names)
            if files.is_folder(img2dataset.folder_of(location)):
                form = IMG2DATASET_FILES
    return form, location, list(found.names)


def _columns(
    form: str, location: str, names: list[str], mapping: Mapping[str, str] | None
) -> dict[str, str]:
    try:
        columns = cols.match_columns(names, mapping)
    except DatasetError as error:
        raise refusal(location, str(error)) from error
    if form in (LINKS_PARQUET, LINKS_CSV, LINKS_JSONL) and "url" not in columns:
        raise refusal(location, cols.missing_url(names))
    if form not in IMG2DATASET:
        columns.pop(cols.REENCODED, None)
    elif "status" in names:
        columns["status"] = "status"
    if form in (IMAGE_PARQUET, IMG2DATASET_PARQUET):
        found = parquet.schema(location)
        if "image" not in columns:
            columns["image"] = _picture_column(form, location, found)
        parquet.check(location, found, columns)
    elif form == LINKS_PARQUET:
        columns.pop("image", None)
        parquet.check(location, parquet.schema(location), columns)
    return columns


def _picture_column(form: str, location: str, found: pa.Schema) -> str:
    if form == IMG2DATASET_PARQUET:
        return parquet.encoded_column(found) or ""
    fitting = parquet.picture_columns(found)
    named = [name for name in fitting if name.lower() == "image"]
    if len(named or fitting) == 1:
        return (named or fitting)[0]
    raise refusal(
        location,
        f"more than one column holds pictures ({cols.listed(fitting)}); "
        "choose one with --map image=COLUMN",
    )
