"""What img2dataset writes beside a shard: what its sidecar says of the rows that go, and its
statistics without them."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from moderation import files
from moderation.datasets.readers import img2dataset, parquet
from moderation.datasets.readers.base import DatasetError

_STATS_BYTES = 16 << 20


@dataclass
class Removed:
    """What the sidecar says of the rows that go: keys, statuses, and messages of failures."""

    keys: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)


def removed_of(sidecar: str, remove: set[int]) -> Removed:
    found = Removed()
    if not remove:
        return found
    with parquet.opened(sidecar) as file:
        wanted = [n for n in ("key", "status", "error_message") if n in file.schema_arrow.names]
        row = 0
        for batch in file.iter_batches(4096, columns=wanted):
            gone = [n for n in range(batch.num_rows) if row + n in remove]
            row += batch.num_rows
            for values in batch.take(pa.array(gone, pa.int64())).to_pylist():
                status = str(values.get("status"))
                if isinstance(values.get("key"), str):
                    found.keys.add(values["key"])
                found.statuses[status] += 1
                found.messages[str(values.get("error_message") or status)] += 1
    return found


def rewrite_stats(location: str, out_dir: str, removed: Removed) -> list[tuple[str, str]]:
    """Write ``_stats.json`` with its counts lessened by what is removed, if there is one."""
    name = f"{img2dataset.stem(location)}_stats.json"
    source, target = files.beside(location, name), files.join(out_dir, name)
    if not files.exists(source):
        return []
    if not removed.statuses:
        return [(name, files.copy(source, target))]
    with files.open_input(source) as stream:
        raw = stream.read(_STATS_BYTES)
    try:
        stats = json.loads(raw)
        stats["count"] -= removed.statuses.total()
        for status, count in removed.statuses.items():
            key = "successes" if status == "success" else status
            if key in stats:
                stats[key] -= count
        messages = stats["status_dict"]
        for message, count in removed.messages.items():
            if message in messages:
                messages[message] -= count
                if messages[message] <= 0:
                    del messages[message]
        data = json.dumps(stats, indent=4).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{files.shown(source)}: not the statistics that img2dataset writes; "
            "take the file away and apply again"
        ) from error
    with files.write_atomically(target) as out:
        out.write(data)
    return [(name, hashlib.sha256(data).hexdigest())]
