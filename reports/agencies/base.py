"""What every agency's folder offers: whom it answers for, its fields, and a checked payload."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from moderation.models import Case
from moderation.models.case import HarmClass
from reports.models import Report

URL_LIMIT = 2083  # characters
URL = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

Row = dict[str, Any]


class UnknownAgency(Exception):
    """No folder of that name."""


@dataclass(frozen=True)
class Field:
    """One field of an agency's report, in the agency's order."""

    name: str
    required: bool
    words: str  # what a page calls it


@dataclass(frozen=True)
class Skipped:
    """An entry that the payload leaves out, and every reason why."""

    entry: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Coverage:
    """How many entries a report has, how many its file holds, one a row, and how often each reason
    left one out."""

    entries: int
    rows: int
    reasons: dict[str, int]

    def __str__(self) -> str:
        entries = "entry" if self.entries == 1 else "entries"
        held = f"{self.rows:,} of {self.entries:,} {entries}"
        why = "; ".join(f"{count:,} left out: {words}" for words, count in self.reasons.items())
        return f"{held}; {why}." if why else f"{held}."


@dataclass(frozen=True)
class Payload:
    """What an agency is to be told: its rows, and what had to be left out."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...] = ()
    empty: tuple[str, ...] = ()  # optional fields that no row fills
    notes: tuple[str, ...] = field(default=())  # what a person should look at before sending

    @property
    def coverage(self) -> Coverage:
        reasons = Counter("; ".join(each.reasons) for each in self.skipped)
        return Coverage(len(self.rows) + len(self.skipped), len(self.rows), dict(reasons))


class Agency(ABC):
    """One body that receives reports."""

    slug: str
    name: str
    takes: tuple[HarmClass, ...]
    channel_words: str
    fields: tuple[Field, ...]

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields if each.required)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the fields, in order: the allow-list of every export."""
        return tuple(each.name for each in self.fields)

    @abstractmethod
    def nothing_to_tell(self, case: Case) -> str:
        """Return why the agency takes nothing of this case, and what to do; empty if it may."""

    @abstractmethod
    def payload(self, report: Report) -> Payload:
        """Return the rows for the report as the facts now are; nothing is stored."""

    @abstractmethod
    def encode(self, rows: Sequence[Row], *, environment: str) -> bytes:
        """Return rows as the JSON file of this agency, UTF-8; the same rows give the same bytes."""

    @abstractmethod
    def decode(self, data: bytes) -> list[Row]:
        """Return the rows of what `encode` wrote."""


def good_url(url: str) -> str:
    """Return why a link cannot be reported, or nothing."""
    if not url:
        return "no link"
    if len(url) > URL_LIMIT:
        return f"the link is longer than {URL_LIMIT:,} characters"
    if not URL.fullmatch(url) or not url.isprintable():
        return "the link is not an http or https address"
    return ""
