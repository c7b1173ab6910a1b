"""CSV and JSON lines again, byte for byte, without some of their rows."""

import gzip
from typing import BinaryIO, cast

from moderation import files
from moderation.datasets.readers import text
from moderation.datasets.readers.base import LINKS_CSV

from .digesting import Digesting


def rewrite_text(form: str, location: str, target: str, remove: set[int]) -> str:
    zipped = location.partition("?")[0].lower().endswith(".gz")
    with files.write_atomically(target) as out, Digesting(out) as stream:
        # No name and no time inside, so that the same rows make the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=stream, mtime=0) if zipped else None
        sink = cast(BinaryIO, packed or stream)
        row = -1 if form == LINKS_CSV else 0  # a CSV's first record is its header
        records = text.csv_records(location) if form == LINKS_CSV else text.jsonl_records(location)
        for raw, values in records:
            is_row = bool(values) if form == LINKS_CSV else values is not None
            if not (is_row and row in remove):
                sink.write(raw)
            elif raw.startswith(text.BOM):
                sink.write(text.BOM)
            row += is_row
        if packed is not None:
            packed.close()
        if stream.tell() == 0:
            # An empty file could as well be a copy that failed; a blank line holds no row.
            stream.write(b"\n")
    return stream.hexdigest()
