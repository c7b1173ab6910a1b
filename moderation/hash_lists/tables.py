"""CSV by profile (domain.md 4.2 and 4.6): each row names one value, or one per algorithm column."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from moderation.algorithms import NAMED, BadValue

from .known import (
    Item,
    Known,
    ListUnreadable,
    Rejected,
    algorithm_named,
    canonical,
    check_labels,
    check_quality,
    media_named,
)
from .plain import CUT_OFF
from .profiles import SCHEME_LIMIT, Profile
from .schemes import NOT_A_MATCH
from .text import lines


def read(file: BinaryIO, *, profile: Profile, algorithm: str | None) -> Iterator[Item]:
    """Yield the known and rejected values of ``file``, row by row."""
    source = _Source(file, profile)
    rows = source.rows()
    layout: _Layout | None = None
    any_good = False
    if not profile.header:
        layout = _Layout.by_position(profile, algorithm)
    for row in rows:
        if not any(row):
            continue
        if layout is None:
            layout = _Layout.by_name(row, profile, algorithm)
            continue
        for item in _row(row, source.line, layout, profile):
            bad = isinstance(item, Rejected) and item.reason in CUT_OFF
            if bad and source.cut_off and any_good:  # else the whole file is something else
                raise ListUnreadable(
                    f"the file ends inside line {source.line}; fetch it again, or end its last line"
                )
            any_good = any_good or isinstance(item, Known)
            yield item
    if layout is None:
        raise ListUnreadable("the file has no header row; check skip_rows of the profile")


class _Source:
    """Rows of the file, and where in it the reader is."""

    def __init__(self, file: BinaryIO, profile: Profile) -> None:
        self._file, self._profile = file, profile
        self._skipped = 0
        self.cut_off = False  # the row just read ends the file without an end of line
        self._reader = csv.reader(self._lines(), delimiter=profile.delimiter, strict=True)

    @property
    def line(self) -> int:
        return self._reader.line_num + self._skipped

    def rows(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except csv.Error:
            # The reader's own message may quote the row.
            raise ListUnreadable(
                f"the quotes of line {self.line} do not close, or a cell is too long; "
                "check the delimiter of the profile and fetch the file again"
            ) from None

    def _lines(self) -> Iterator[str]:
        for line in lines(self._file, self._profile.encoding):
            if self._skipped < self._profile.skip_rows:
                self._skipped += 1
                continue
            self.cut_off = line[-1] != "\n"
            yield line


@dataclass(frozen=True)
class _Layout:
    """Positions in a row: of each field, of value columns by algorithm, of columns to skip by."""

    width: int
    fields: dict[str, int]
    values: list[tuple[str, int]]
    skip: list[tuple[int, frozenset[str]]]
    algorithm: str | None

    @classmethod
    def by_name(cls, header: list[str], profile: Profile, algorithm: str | None) -> "_Layout":
        places: dict[str, int] = {}
        for place, cell in enumerate(header):
            places.setdefault(cell.strip().lower(), place)
        return cls._build(profile, algorithm, places, len(header))

    @classmethod
    def by_position(cls, profile: Profile, algorithm: str | None) -> "_Layout":
        numbers = [int(column) for column in (*profile.columns, *profile.skip)]
        places = {str(number): number - 1 for number in numbers}
        return cls._build(profile, algorithm, places, 0)

    @classmethod
    def _build(
        cls, profile: Profile, algorithm: str | None, places: dict[str, int], width: int
    ) -> "_Layout":
        fields: dict[str, int] = {}
        for column, name in profile.columns.items():
            place = places.get(column.strip().lower())
            if place is None:
                continue
            if name in fields:
                raise ListUnreadable(
                    f"two columns of the file hold {name} by profile {profile.name}; "
                    "write a profile that names one"
                )
            fields[name] = place
        values = [(name, place) for name, place in fields.items() if name in NAMED]
        fixed = algorithm or profile.algorithm
        fixed = algorithm_named(fixed) if fixed else None
        if "value" not in fields and not values:
            wanted = [c for c, name in profile.columns.items() if name in {"value", *NAMED}]
            raise ListUnreadable(
                f"profile {profile.name} finds no column of values in the header; it knows "
                f"{', '.join(wanted)}: check the delimiter, or name the columns in a profile"
            )
        if "value" in fields and "algorithm" not in fields and fixed is None:
            raise ListUnreadable(
                "no column says which algorithm the values are of; name it with --algorithm"
            )
        skip = []
        for column, unwanted in profile.skip.items():
            if column.strip().lower() not in places:
                raise ListUnreadable(f"a column that profile {profile.name} skips by is missing")
            skip.append((places[column.strip().lower()], unwanted))
        return cls(width, fields, values, skip, fixed)


def _row(row: list[str], line: int, layout: _Layout, profile: Profile) -> Iterator[Item]:
    needed = max((*layout.fields.values(), *(place for place, _ in layout.skip)))
    if needed >= len(row) or (
        layout.width and len(row) > layout.width and any(row[layout.width :])
    ):
        yield Rejected("wrong_columns", line)
        return
    if any(row[place].strip() in unwanted for place, unwanted in layout.skip):
        yield Rejected("skipped_by_profile", line)
        return

    def cell(name: str) -> str:
        place = layout.fields.get(name)
        return "" if place is None else row[place].strip()

    found = [(name, row[place]) for name, place in layout.values if row[place].strip()]
    try:
        if cell("value"):
            found.append((_algorithm(cell("algorithm"), layout), cell("value")))
        if not found:
            raise BadValue("empty")
        category = profile.categories.get(cell("category"), cell("category"))
        check_labels(category=category, external_id=cell("external_id"))
        if profile.classes.get(category) == NOT_A_MATCH:
            raise BadValue(NOT_A_MATCH)
        scheme = profile.scheme_of(category, scheme=cell("scheme").lower())
        if len(scheme) > SCHEME_LIMIT or not scheme.isprintable():
            raise BadValue("bad_scheme")
    except BadValue as error:
        yield Rejected(error.reason, line)
        return
    media = media_named(profile.media.get(cell("media"), cell("media")))
    for name, text in found:
        try:
            check_quality(name, cell("quality"))
            value = canonical(name, text)
        except BadValue as error:
            yield Rejected(error.reason, line)
        else:
            yield Known(name, value, scheme, category, cell("external_id"), media=media)


def _algorithm(text: str, layout: _Layout) -> str:
    if not text and layout.algorithm is not None:
        return layout.algorithm
    name = algorithm_named(text)
    if name is None:
        raise BadValue("unknown_algorithm" if text else "no_algorithm")
    return name
