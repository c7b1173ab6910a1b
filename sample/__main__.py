"""``python -m sample build`` and ``python -m sample serve``: the sample and its picture server."""

import argparse
import json
import signal
import sys
from pathlib import Path

from sample import reencoded
from sample.building import Options, build, read_truth
from sample.common import SampleError, data_folder
from sample.moving import move
from sample.server import PictureServer


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when done, 1 with one line on standard error when it cannot be."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "build":
                _build(options)
            case "serve":
                _serve(options)
            case _:
                move(options.dir, options.base_url.rstrip("/"), options.out)
    except SampleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    with_img2dataset = options.img2dataset
    if with_img2dataset is None:
        with_img2dataset = reencoded.interpreter() is not None
    wanted = Options(
        pictures=options.pictures,
        seed=options.seed,
        base_url=options.base_url.rstrip("/"),
        img2dataset=with_img2dataset,
        wallpapers=not options.drawn,
    )
    new = build(options.out, wanted, data=options.data)
    truth = read_truth(options.out)
    counts = {
        "sample": str(options.out),
        "built": new,
        "datasets": {
            name: sum(shard["rows"] for shard in one["shards"])
            for name, one in truth["datasets"].items()
        },
        "planted": len(truth["planted"]),
        "failing": len(truth["failing"]),
    }
    print(json.dumps(counts))


def _serve(options: argparse.Namespace) -> None:
    server = PictureServer(options.dir, port=options.port, log=options.log)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"pictures at {server.base_url}", file=sys.stderr, flush=True)
    try:
        server.serve_forever()
    except (KeyboardInterrupt, SystemExit):
        return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sample", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    defaults, place = Options(), data_folder() / "sample"

    one = commands.add_parser("build", help="build a sample, unless it is there already")
    one.add_argument("--out", type=Path, default=place, help=f"folder for it (default: {place})")
    one.add_argument("--pictures", type=int, default=defaults.pictures)
    one.add_argument("--seed", type=int, default=defaults.seed)
    one.add_argument("--base-url", default=defaults.base_url, help="of the links")
    one.add_argument(
        "--img2dataset",
        action=argparse.BooleanOptionalAction,
        help="its three forms too (default: where img2dataset is installed)",
    )
    one.add_argument("--drawn", action="store_true", help="no wallpapers: draw all pictures")
    one.add_argument("--data", type=Path, help="where wallpapers are kept (default: data folder)")

    one = commands.add_parser("serve", help="serve a sample's pictures on 127.0.0.1")
    one.add_argument("--dir", type=Path, default=place, help=f"the sample (default: {place})")
    one.add_argument("--port", type=int, default=8899)
    one.add_argument("--log", type=Path, help="file that gets the path of each request")

    one = commands.add_parser("move", help="write the links again, for another server address")
    one.add_argument("--dir", type=Path, default=place, help=f"the sample (default: {place})")
    one.add_argument("--base-url", required=True)
    one.add_argument("--out", type=Path, required=True, help="folder for the new link files")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
