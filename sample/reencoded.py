"""The three forms that img2dataset writes, written by img2dataset itself from the picture server.

It runs from an environment of its own, for it pins old versions. All its requests go to the
sample's server as a proxy, so whatever the links say nothing leaves the machine.
"""

import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sample.common import PROJECT, SampleError
from sample.links import Link
from sample.server import PictureServer

FORMS = ("files", "webdataset", "parquet")
SHARDS = 2
SECONDS = 240  # for all forms
SIDE = 256  # pixels of the stored pictures
KEPT = ("MD5", "similarity", "punsafe", "hash")  # columns that come along; it reserves "md5"


# img2dataset imports slowly and does so again in each process that it spawns; here all of them are
# forked from one that has imported it.
PROGRAM = """
import json, multiprocessing, sys
real = multiprocessing.get_context
multiprocessing.set_forkserver_preload(["img2dataset"])
multiprocessing.get_context = lambda method=None: real("forkserver")
from img2dataset import download
for options in json.loads(sys.argv[1]):
    download(**options)
"""


@dataclass(frozen=True)
class Stored:
    """One row that img2dataset wrote; ``data`` is the stored picture, if it made one."""

    shard: int
    row: int
    key: str
    link: Link
    status: str
    sha256: str | None
    data: bytes | None


def interpreter() -> Path | None:
    """Return the Python beside img2dataset: that of IMG2DATASET, else of .venv-sample, or None."""
    named = os.environ.get("IMG2DATASET")
    program = Path(named) if named else PROJECT / ".venv-sample" / "bin" / "img2dataset"
    python = program.parent / "python"
    return python if os.access(program, os.X_OK) and os.access(python, os.X_OK) else None


def required_interpreter() -> Path:
    """Return the Python that has img2dataset, or raise SampleError."""
    if (found := interpreter()) is None:
        raise SampleError(
            "no img2dataset: run `make setup-sample`, or set IMG2DATASET to the command of that "
            "name in a virtual environment"
        )
    return found


def write(
    links: Sequence[Link], out: Path, *, base_url: str, server: PictureServer
) -> dict[str, list[Stored]]:
    """Write ``out``/files, webdataset and parquet; return the rows of each, in shard order.

    Raises SampleError when img2dataset is missing, fails, or takes longer than SECONDS.
    """
    python = required_interpreter()
    out.mkdir(parents=True)
    source = out / "links.parquet"
    _write_source(links, source, base_url)
    by_url = {link.url(base_url): link for link in links}
    try:
        runs = [_options(form, source, out / form, rows=len(links)) for form in FORMS]
        _run(python, runs, proxy=server.base_url)
        return {form: list(_stored(form, out / form, by_url)) for form in FORMS}
    finally:
        source.unlink()


def withheld(link: Link) -> bool:
    """Whether the links come without md5, so that the computed sha256 alone tells the picture."""
    return link.plant is not None and link.plant.shape.format == "csv"


def _write_source(links: Sequence[Link], path: Path, base_url: str) -> None:
    table = pa.table(
        {
            "url": pa.array([link.url(base_url) for link in links], pa.string()),
            "caption": pa.array([link.caption for link in links], pa.string()),
            "MD5": pa.array([None if withheld(n) else n.md5 for n in links], pa.string()),
            "similarity": pa.array([link.similarity for link in links], pa.float64()),
            "punsafe": pa.array([link.punsafe for link in links], pa.float32()),
            "hash": pa.array([link.key for link in links], pa.int64()),
        }
    )
    pq.write_table(table, path)


def _options(form: str, source: Path, out: Path, *, rows: int) -> dict[str, object]:
    return {
        "url_list": str(source),
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "save_additional_columns": KEPT,
        "output_format": form,
        "output_folder": str(out),
        "image_size": SIDE,
        "resize_mode": "border",
        "encode_quality": 95,
        "compute_hash": "sha256",
        "number_sample_per_shard": -(-rows // SHARDS),
        "processes_count": 1,
        "thread_count": 1,  # rows keep the order of the links
        "retries": 0,
        "timeout": 5,
        "enable_wandb": False,
        "disallowed_header_directives": [],
    }


def _run(python: Path, runs: list[dict[str, object]], *, proxy: str) -> None:
    ours = {
        "http_proxy": proxy,
        "https_proxy": proxy,
        "no_proxy": "",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }
    dropped = {*ours, "all_proxy", "pythonpath", "pythonhome"}
    inherited = {name: text for name, text in os.environ.items() if name.lower() not in dropped}
    command = [str(python), "-I", "-c", PROGRAM, json.dumps(runs)]
    with _killed_after(command, {**inherited, **ours}) as process:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SampleError(f"img2dataset took longer than {SECONDS} s") from error
    missing = [r for r in runs if not list(Path(str(r["output_folder"])).glob("*.parquet"))]
    if process.returncode != 0 or missing:
        lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
        raise SampleError(f"img2dataset failed: {lines[-1]}")
    for run in runs:
        shutil.rmtree(Path(str(run["output_folder"])) / "_tmp", ignore_errors=True)


@contextmanager
def _killed_after(
    command: list[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run ``command``; whatever is left of its process group when the block ends is killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _stored(form: str, out: Path, by_url: dict[str | None, Link]) -> Iterator[Stored]:
    """Yield the rows as the shards' parquet has them, with the pictures from where they lie."""
    for shard, path in enumerate(sorted(out.glob("*.parquet"))):
        table = pq.read_table(path)
        images = _images(form, path, table)
        facts = table.select(["key", "url", "status", "sha256"]).to_pylist()
        for row, record in enumerate(facts):
            yield Stored(
                shard=shard,
                row=row,
                key=record["key"],
                link=by_url[record["url"]],
                status=record["status"],
                sha256=record["sha256"],
                data=images.get(record["key"]),
            )


def _images(form: str, path: Path, table: pa.Table) -> dict[str, bytes]:
    if form == "files":
        return {file.stem: file.read_bytes() for file in path.with_suffix("").glob("*.jpg")}
    if form == "parquet":
        keys, images = table.column("key").to_pylist(), table.column("jpg").to_pylist()
        return {str(key): image for key, image in zip(keys, images, strict=True) if image}
    with tarfile.open(path.with_suffix(".tar")) as tar:
        members = [member for member in tar if member.name.endswith(".jpg")]
        found = {Path(member.name).stem: tar.extractfile(member) for member in members}
        return {key: file.read() for key, file in found.items() if file}
