"""``load_hash_list FILE --list SLUG --version LABEL --format F``: a new version of a hash list."""

import os
import stat
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseError
from tqdm import tqdm

from moderation import tasks
from moderation.algorithms import NAMED
from moderation.hash_lists import alarms
from moderation.hash_lists.formats import (
    ALGORITHM_FORMATS,
    DELTA_FORMATS,
    FORMATS,
    PROFILE_FORMATS,
)
from moderation.hash_lists.known import ListError, algorithm_named
from moderation.hash_lists.loading import ListOptions, Loaded, load
from moderation.hash_lists.profiles import profile_named
from moderation.hash_lists.reasons import told
from moderation.management.base import ActingCommand as Base
from moderation.management.numbers import counted
from moderation.models import HashList
from moderation.models.case import HarmClass
from moderation.permissions import LIST_MANAGE

FOR_FORMATS = {
    "algorithm": ALGORITHM_FORMATS,
    "profile": PROFILE_FORMATS,
    "delta": DELTA_FORMATS,
}


class Command(Base):
    help = (
        "Load a supplier's file as the current version of a hash list. The list is made if it is "
        "new. Every file is the full list: what it does not name any more is withdrawn, unless "
        "--delta says otherwise."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # --version is the label here, as others script it; Django's own would print its version.
        # What comes later replaces it, option string by option string.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="the file as the supplier gave it")
        parser.add_argument(
            "--list", required=True, metavar="SLUG", dest="slug", help="made if new"
        )
        parser.add_argument(
            "--version", required=True, metavar="LABEL", dest="label", help="your name for the file"
        )
        parser.add_argument("--format", required=True, choices=FORMATS)
        parser.add_argument(
            "--algorithm",
            metavar="A",
            type=_algorithm,
            help=f"plain and csv: one of {', '.join(NAMED)}",
        )
        parser.add_argument(
            "--profile",
            metavar="P",
            help="csv: generic, police or a JSON file; vics: a JSON file saying what numbers mean",
        )
        parser.add_argument("--trust", choices=HashList.Trust.values, help="of a new list")
        parser.add_argument("--owner", metavar="TEXT", help="of a new list: who issues it")
        parser.add_argument(
            "--harm-class",
            choices=HarmClass.values,
            help="of a new list: what values without a category stand for",
        )
        parser.add_argument(
            "--synthetic", action="store_true", help="of a new list: made up, for demos and tests"
        )
        parser.add_argument(
            "--negative",
            action="store_true",
            help="of a new list: its values are known to be harmless; they suppress matches",
        )
        parser.add_argument(
            "--delta",
            action="store_true",
            help="ncmec and stopncii: withdraw only what the file takes back",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change")

    def act(self, options: dict[str, Any]) -> dict[str, Any] | None:
        for option, formats in FOR_FORMATS.items():
            if options[option] and options["format"] not in formats:
                message = f"--{option} is only for the formats {', '.join(sorted(formats))}."
                raise CommandError(message, returncode=2)
        by = self.person(options, LIST_MANAGE)
        try:
            with ExitStack() as stack:
                file = stack.enter_context(_open(options["file"]))
                bar = stack.enter_context(_bar(file))
                loaded = _load(file, options, by=by, progress=lambda at: _advance(bar, at))
        except ListError as error:
            raise CommandError(f"Nothing was loaded: {error}.") from None
        except (DatabaseError, psycopg.Error) as error:
            # The database's own words may hold values.
            raise CommandError(
                f"Nothing was loaded: the database stopped it ({type(error).__name__}); "
                "check that it runs and has room, and load the file again."
            ) from None
        if loaded.version_id is not None and not loaded.repeated:
            tasks.notice_lists()
        self.say(_summary(loaded, dry_run=options["dry_run"]))
        for alarm in alarms.of(loaded, dry_run=options["dry_run"]):
            self.say(f"Warning: {alarm}")
        return _facts(loaded) if options["json"] else None


def _algorithm(text: str) -> str:
    name = algorithm_named(text)
    if name is None:
        raise ArgumentTypeError(f"must be one of {', '.join(NAMED)}")
    return name


def _load(
    file: BinaryIO,
    options: dict[str, Any],
    *,
    by: User | None,
    progress: Callable[[int], None],
) -> Loaded:
    return load(
        file,
        slug=options["slug"],
        label=options["label"],
        format=options["format"],
        algorithm=options["algorithm"],
        profile=profile_named(options["profile"]) if options["profile"] is not None else None,
        options=ListOptions(
            trust=options["trust"],
            owner=options["owner"],
            harm_class=options["harm_class"],
            synthetic=options["synthetic"] or None,
            negative=options["negative"] or None,
        ),
        delta=options["delta"],
        dry_run=options["dry_run"],
        by=by,
        progress=progress,
    )


def _open(name: str) -> BinaryIO:
    path = Path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ListError("FILE is not a regular file; name the file itself")
        return path.open("rb")
    except FileNotFoundError:
        raise ListError("FILE does not exist; check its path") from None
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "bad name"
        raise ListError(f"FILE cannot be opened ({why}); check its path and permissions") from None


def _bar(file: BinaryIO) -> "tqdm[Any]":
    size = os.fstat(file.fileno()).st_size
    return tqdm(total=size, unit="B", unit_scale=True, disable=None, desc="loading", leave=False)


def _advance(bar: "tqdm[Any]", position: int) -> None:
    bar.update(position - bar.n)


def _facts(loaded: Loaded) -> dict[str, Any]:
    return {
        "list": loaded.slug,
        "version": loaded.label,
        "new": loaded.new,
        "same": loaded.same,
        "changed": loaded.changed,
        "removed": loaded.removed,
        "rejected": loaded.rejected,
    }


def _summary(loaded: Loaded, *, dry_run: bool) -> str:
    name = f"{loaded.slug} {loaded.label}"
    if loaded.repeated:
        return (
            f"{name} was loaded from this file before: nothing has changed. "
            "To load it with other options, give it another label."
        )
    parts = [
        f"{name}{' (dry run, nothing kept)' if dry_run else ''}: new {loaded.new}, "
        f"same {loaded.same}, changed {loaded.changed}, removed {loaded.removed}, "
        f"rejected {sum(loaded.rejected.values())}."
    ]
    if loaded.rejected:
        parts.append(f"Rejected: {told(loaded.rejected)}.")
    if loaded.removed:
        verb = "would reopen" if dry_run else "reopens"
        cases = counted(loaded.would_reopen, "case")
        parts.append(f"What it withdraws {verb} {cases}: closed, and not reported.")
    return " ".join(parts)
