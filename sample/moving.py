"""The link forms of a sample for another address of the picture server."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sample.building import LINK_FORMS, read_truth

ROWS = 64  # a row group, as the sample's own


def move(sample: Path, base_url: str, into: Path) -> Path:
    """Write the link forms of ``sample`` under ``into`` with links that begin with ``base_url``.

    Names, rows and their order stay, so truth.json holds for them. Returns ``into``. What
    img2dataset wrote keeps its links: nobody fetches those.
    """
    described = read_truth(sample)
    old = str(described["options"]["base_url"])
    for dataset in LINK_FORMS:
        for name in described["datasets"][dataset]["paths"]:
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".parquet":
                _move_parquet(sample / name, target, old, base_url)
            else:
                text = (sample / name).read_bytes()
                target.write_bytes(text.replace(f"{old}/".encode(), f"{base_url}/".encode()))
    return into


def _move_parquet(source: Path, target: Path, old: str, new: str) -> None:
    table = pq.read_table(source)
    at = table.column_names.index("URL")
    moved = [
        new + url.removeprefix(old) if url and url.startswith(f"{old}/") else url
        for url in table.column(at).to_pylist()
    ]
    table = table.set_column(at, "URL", pa.array(moved, pa.string()))
    pq.write_table(table, target, row_group_size=ROWS, compression="snappy")
