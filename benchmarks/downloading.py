"""img2dataset as its users run it, from the environment that the sample has for it."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sample.reencoded import required_interpreter

PROCESSES = 2
THREADS = 32
SECONDS = 1800
PROGRAM = """
import json, sys
from img2dataset import download
if __name__ == "__main__":
    download(**json.loads(sys.argv[1]))
"""


def download(urls: Sequence[str], out: Path, *, shard_rows: int, keep: bool) -> float:
    """Download all of ``urls`` in two processes; return the seconds from the beginning of the first
    shard to the end of the last, which leaves out that its processes must start.

    ``keep``: the files as they came go into tar files beside their sha256; else nothing is kept and
    nothing hashed.
    """
    python = required_interpreter()
    out.mkdir(parents=True)
    source, program = out / "links.parquet", out / "run.py"
    pq.write_table(pa.table({"url": list(urls)}), source)
    program.write_text(PROGRAM, encoding="utf-8")
    options = {
        "url_list": str(source),
        "input_format": "parquet",
        "url_col": "url",
        "output_folder": str(out / "out"),
        "output_format": "webdataset" if keep else "dummy",
        "compute_hash": "sha256" if keep else None,
        "disable_all_reencoding": True,
        "resize_mode": "no",
        "extract_exif": False,
        "number_sample_per_shard": shard_rows,
        "processes_count": PROCESSES,
        "thread_count": THREADS,
        "retries": 0,
        "timeout": 20,
        "enable_wandb": False,
        "disallowed_header_directives": [],
    }
    direct = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [str(python), "-I", str(program), json.dumps(options)],
        env={**direct, "NO_ALBUMENTATIONS_UPDATE": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    told = [json.loads(path.read_text()) for path in (out / "out").glob("*_stats.json")]
    if done.returncode or sum(each["successes"] for each in told) != len(urls):
        raise SystemExit(f"img2dataset did not download everything:\n{done.stderr[-2000:]}")
    return float(max(each["end_time"] for each in told) - min(each["start_time"] for each in told))
