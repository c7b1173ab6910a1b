"""A whole sample in one folder: pictures, datasets in every form, lists, and the truth of it.

The same options give the same sample. It is built beside its place and renamed at the end, so a
folder with a stamp is always whole.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pyarrow as pa

from sample import embedded, links, perceptual, pictures, planting, reencoded, truth
from sample.common import SampleError, data_folder
from sample.links import Link, Writer
from sample.pictures import Picture
from sample.server import PictureServer

STAMP = "stamp.json"
FLAT = 3  # pictures with too little in them to be compared
FEW = 60  # unknown pictures in the smaller forms of links
EMBEDDED = 400  # pictures in the Hugging Face form
REENCODED = 240  # links that img2dataset is given, about
LINK_FORMS = ("laion5b", "laion400m", "csv", "jsonl")

LinkWriter = Callable[[Sequence[Link], Path, str], None]


@dataclass(frozen=True)
class Options:
    """What a sample depends on."""

    pictures: int = 1000
    seed: int = 1
    base_url: str = "http://127.0.0.1:8899"
    img2dataset: bool = False
    wallpapers: bool = True


class _Build:
    """One build, into a folder of its own; the truth gathers as the parts are written."""

    def __init__(self, out: Path, options: Options, data: Path) -> None:
        self.out, self.options = out, options
        self.made = pictures.make(
            options.pictures, seed=options.seed, data=data, wallpapers=options.wallpapers
        )
        self.plants = planting.plant(self.made, seed=options.seed)
        self.writer = Writer(self.plants, seed=options.seed)
        planted = {plant.picture.name for plant in self.plants}
        self.unknown = [picture for picture in self.made if picture.name not in planted]
        self.datasets: dict[str, Any] = {}
        self.planted: list[truth.Finding] = []
        self.failing: list[truth.Finding] = []

    def write(self) -> None:
        flats = [pictures.flat(number) for number in range(FLAT)]
        self.write_pictures(flats)
        everything = self.writer.rows([*self.made, *flats], slow=True, each=3)
        self.write_links(everything)
        self.write_embedded(flats)
        if self.options.img2dataset:
            self.write_reencoded()
        self.write_truth(self.write_lists())

    def some(self, count: int) -> list[Picture]:
        """Return all planted pictures and as many unknown ones as make ``count``."""
        known = [plant.picture for plant in self.plants]
        return [*known, *self.unknown[: max(count - len(known), 0)]]

    def write_pictures(self, flats: list[Picture]) -> None:
        folder = self.out / "pictures"
        folder.mkdir()
        for picture in [*self.made, *flats]:
            (folder / picture.name).write_bytes(picture.data)
        for plant in links.copied(self.plants):
            (folder / f"copy-{plant.picture.name}").write_bytes(plant.picture.data)

    def write_links(self, everything: list[Link]) -> None:
        few = self.writer.rows(self.some(len(self.plants) + FEW), slow=False, each=1)
        for dataset, rows in (
            ("laion5b", everything), ("laion400m", few), ("csv", few), ("jsonl", few),
        ):  # fmt: skip
            self.write_form(dataset, rows)

    def write_form(self, dataset: str, rows: list[Link]) -> None:
        form, columns, count, name, write = _FORMS[dataset]
        (self.out / dataset).mkdir()
        shards = links.shards(rows, count)
        paths = [f"{dataset}/{name.format(shard)}" for shard in range(count)]
        for shard, (path, some) in enumerate(zip(paths, shards, strict=True)):
            write(some, self.out / path, self.options.base_url)
            keys: list[str | None] = [None] * len(some)
            if dataset == "laion5b":
                keys = [str(link.key) for link in some]
            if dataset == "laion400m":
                keys = [str(links.sample_id(row)) for row in range(len(some))]
            self.note(truth.of_links(dataset, shard, some, keys=keys, columns=columns))
        self.datasets[dataset] = _described(form, paths, [len(some) for some in shards])

    def write_embedded(self, flats: list[Picture]) -> None:
        some = [*self.some(EMBEDDED), *flats]
        rows = embedded.rows(some, self.plants, seed=self.options.seed)
        size = -(-len(rows) // embedded.SHARDS)
        shards = [rows[start : start + size] for start in range(0, len(rows), size)]
        (self.out / "images").mkdir()
        paths = [f"images/train-{n:05d}-of-{len(shards):05d}.parquet" for n in range(len(shards))]
        for shard, (path, part) in enumerate(zip(paths, shards, strict=True)):
            embedded.write(part, self.out / path)
            self.note(truth.of_rows(shard, part))
        self.datasets["images"] = _described("image_parquet", paths, [len(s) for s in shards])

    def write_reencoded(self) -> None:
        rows = self.writer.rows(self.some(REENCODED), slow=False, each=1)
        safe = [row for row in rows if row.path and row.path.startswith("/") and row.kind != "bomb"]
        with PictureServer(self.out) as server:
            written = reencoded.write(
                safe, self.out / "img2dataset", base_url=self.options.base_url, server=server
            )
        for form, stored in written.items():
            dataset = f"img2dataset_{form}"
            self.note(truth.of_stored(dataset, stored))
            counts = [
                sum(row.shard == shard for row in stored) for shard in range(reencoded.SHARDS)
            ]
            self.datasets[dataset] = _described(dataset, [f"img2dataset/{form}"], counts)

    def write_lists(self) -> list[dict[str, Any]]:
        (self.out / "lists").mkdir()
        described = []
        for shape, version, content in planting.contents(self.plants, seed=self.options.seed):
            path = f"lists/{shape.slug}-{version}.{shape.suffix}"
            (self.out / path).write_bytes(shape.write(content))
            described.append(
                {
                    "list": shape.slug,
                    "version": version,
                    "path": path,
                    "format": shape.format,
                    "algorithm": shape.algorithm,
                    "profile": shape.profile,
                    "values": shape.values(content),
                    "rejected": shape.rejected,
                }
            )
        return described

    def write_truth(self, described: list[dict[str, Any]]) -> None:
        origins = sorted({picture.origin for picture in self.made})
        self.write_json(
            "truth.json",
            {
                "options": asdict(self.options),
                "origins": origins,
                "near": planting.NEAR,
                "datasets": self.datasets,
                "lists": described,
                "planted": self.planted,
                "failing": self.failing,
            },
        )

    def note(self, found: tuple[list[truth.Finding], list[truth.Finding]]) -> None:
        self.planted += found[0]
        self.failing += found[1]

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        (self.out / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


_FORMS: dict[str, tuple[str, set[str], int, str, LinkWriter]] = {
    "laion5b": ("links_parquet", {"md5"}, links.SHARDS, "part-{:05d}.parquet", links.write_laion5b),
    "laion400m": ("links_parquet", set(), 1, "part-{:05d}.parquet", links.write_laion400m),
    "csv": ("links_csv", {"md5"}, 2, "links-{:02d}.csv", links.write_csv),
    "jsonl": ("links_jsonl", {"md5", "sha1"}, 2, "links-{:02d}.jsonl", links.write_jsonl),
}


def build(out: Path, options: Options, *, data: Path | None = None) -> bool:
    """Build the sample in ``out``; return False when it was there already, made the same way.

    Raises SampleError when ``out`` holds something else, or when a part cannot be made.
    """
    out = out.resolve()
    wanted = asdict(options) | {"pdq_by": perceptual.SOURCE, "made_by": _fingerprint()}
    if out.exists():
        present = stamp(out)
        if present == wanted:
            return False
        if present is None and any(out.iterdir()):
            raise SampleError(f"{out} is not empty and no sample: name another folder")
    if options.img2dataset:
        reencoded.required_interpreter()  # better now than after a minute
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            new = Path(folder) / "new"
            new.mkdir()
            made = _Build(new, options, data or data_folder())
            made.write()
            made.write_json(STAMP, wanted)
            if out.exists():
                out.rename(Path(folder) / "old")
            new.rename(out)
    except OSError as error:
        raise SampleError(f"the sample cannot be written to {out}: {error.strerror}") from error
    return True


def stamp(out: Path) -> dict[str, Any] | None:
    """Return the options that a finished sample was built with; None where there is none."""
    try:
        found = json.loads((out / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def read_truth(out: Path) -> dict[str, Any]:
    """Return truth.json of a sample: options, datasets, lists, planted, failing."""
    try:
        content: dict[str, Any] = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SampleError(f"no sample in {out}: build one there first") from error
    return content


def _described(form: str, paths: list[str], rows: list[int]) -> dict[str, Any]:
    return {"form": form, "paths": paths, "shards": [{"rows": count} for count in rows]}


def _fingerprint() -> str:
    """Return a digest of the code that decides what a sample looks like."""
    digest = hashlib.sha256(f"{PIL.__version__} {np.__version__} {pa.__version__}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        if source.stem not in {"__main__", "browser", "debian", "server", "moving"}:
            digest.update(source.read_bytes())
    return digest.hexdigest()
