"""How one supplier lays out a file whose layout is not fixed: csv columns and meanings of values.

Built in are ``generic`` (usual English column names) and ``police`` (the semicolon csv of police
tools, domain.md 4.6). Everything else is a small JSON file:

    {"name": "example", "like": "generic", "delimiter": ";", "encoding": "cp1252",
     "header": true, "skip_rows": 2, "columns": {"Wert": "value", "Art": "algorithm"},
     "algorithm": "md5", "scheme": "iwf",
     "categories": {"Kategorie 1": "A"}, "media": {"Foto": "photograph"},
     "skip": {"Status": ["deleted"]},
     "classes": {"1": "csam-critical", "5": "not_a_match"}}

``columns`` leads from the supplier's column (by name without regard to case, or by position from 1
where there is no header) to one of FIELDS or to an algorithm, for files with one column per
algorithm. ``categories`` and ``media`` turn the supplier's words into those of the scheme;
``classes`` gives a category its harm class (schemes.CLASSES), which is how VICS numbers get theirs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moderation.algorithms import NAMED

from . import text
from .known import ListError, algorithm_named
from .schemes import CLASSES, NOT_A_MATCH

FIELDS = ("value", "algorithm", "category", "scheme", "media", "external_id", "quality")
FILE_LIMIT = 1_000_000  # bytes of a profile
SCHEME_LIMIT = 30  # characters stored, the mapped class included

NameToName = Mapping[str, str]


class ProfileInvalid(ListError):
    """A profile that does not exist or says something that makes no sense."""


@dataclass(frozen=True)
class Profile:
    """One layout; see the module for what each part means."""

    name: str
    columns: NameToName = field(default_factory=dict)
    delimiter: str = ","
    encoding: str = "utf-8"
    header: bool = True
    skip_rows: int = 0
    algorithm: str | None = None
    scheme: str = ""
    categories: NameToName = field(default_factory=dict)
    media: NameToName = field(default_factory=dict)
    skip: Mapping[str, frozenset[str]] = field(default_factory=dict)
    classes: NameToName = field(default_factory=dict)

    def scheme_of(self, category: str, *, scheme: str = "") -> str:
        """Return the scheme to store for a category, with the class the operator gave it."""
        scheme = scheme or self.scheme
        mapped = self.classes.get(category)
        return f"{scheme}:{mapped}" if mapped else scheme


GENERIC = Profile(
    name="generic",
    scheme="iwf",
    columns={
        "hash": "value",
        "value": "value",
        "type": "algorithm",
        "algorithm": "algorithm",
        "category": "category",
        "scheme": "scheme",
        "media": "media",
        "ref": "external_id",
        "reference": "external_id",
        "external_id": "external_id",
        "id": "external_id",
        "quality": "quality",
    }
    | {name: name for name in NAMED},
)
POLICE = Profile(
    name="police",
    delimiter=";",
    columns={"MD5": "md5", "SHA1": "sha1", "PhotoDNA": "photodna"},
)
BUILT_IN = {profile.name: profile for profile in (GENERIC, POLICE)}


def profile_named(named: str) -> Profile:
    """Return a built-in profile by name, or the one in the JSON file at that path.

    Raises ProfileInvalid.
    """
    if named in BUILT_IN:
        return BUILT_IN[named]
    path = Path(named)
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ProfileInvalid("the profile is too large to be one; check --profile")
        body = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError):
            why = "neither a built-in profile nor a file that can be read"
        else:
            why = "not a JSON file in UTF-8"
        raise ProfileInvalid(
            f"--profile is {why}; use {', '.join(BUILT_IN)} or the path of a JSON file"
        ) from None
    return profile_from(body)


def profile_from(body: object) -> Profile:
    """Return the profile that a JSON object describes, or raise ProfileInvalid."""
    if not isinstance(body, dict):
        raise ProfileInvalid("the profile must be a JSON object")
    body = dict(body)
    like = body.pop("like", None)
    if like is not None and (not isinstance(like, str) or like not in BUILT_IN):
        raise ProfileInvalid(f"like in the profile must be one of {', '.join(BUILT_IN)}")
    base = Profile(name="profile") if like is None else BUILT_IN[like]
    kinds: dict[str, Any] = {
        "name": str,
        "delimiter": str,
        "encoding": str,
        "algorithm": str,
        "scheme": str,
        "header": bool,
        "skip_rows": int,
        "columns": dict,
        "categories": dict,
        "media": dict,
        "skip": dict,
        "classes": dict,
    }
    for key, value in body.items():
        if key not in kinds:
            raise ProfileInvalid(f"the profile has an unknown part; known are {', '.join(kinds)}")
        if type(value) is not kinds[key]:
            raise ProfileInvalid(f"{key} in the profile must be a {kinds[key].__name__}")
    if "skip" in body:
        body["skip"] = {str(column): _texts(values) for column, values in body["skip"].items()}
    for key in ("columns", "categories", "media", "classes"):
        if not all(isinstance(value, str) for value in body.get(key, {}).values()):
            raise ProfileInvalid(f"{key} in the profile must lead from text to text")
    profile = replace(base, **body)
    _check(profile)
    return profile


def _texts(values: object) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ProfileInvalid("skip in the profile must lead from a column to a list of texts")
    return frozenset(values)


def _check(profile: Profile) -> None:
    if not text.is_encoding(profile.encoding):
        raise ProfileInvalid("encoding in the profile names no text encoding of files")
    if len(profile.delimiter) != 1 or profile.delimiter in '"\r\n\0':
        raise ProfileInvalid("delimiter in the profile must be one character")
    if profile.skip_rows < 0:
        raise ProfileInvalid("skip_rows in the profile must not be negative")
    if profile.algorithm is not None and algorithm_named(profile.algorithm) is None:
        raise ProfileInvalid(f"algorithm in the profile must be one of {', '.join(NAMED)}")
    unknown = set(profile.columns.values()) - set(FIELDS) - set(NAMED)
    if unknown:
        raise ProfileInvalid(
            f"columns in the profile must lead to one of {', '.join((*FIELDS, *NAMED))}"
        )
    if not profile.header and not all(
        column.isdecimal() and int(column) > 0 for column in (*profile.columns, *profile.skip)
    ):
        raise ProfileInvalid("without a header, columns in the profile are numbers from 1")
    if set(profile.classes.values()) - set(CLASSES) - {NOT_A_MATCH}:
        raise ProfileInvalid(
            f"classes in the profile must lead to one of {', '.join((*CLASSES, NOT_A_MATCH))}"
        )
    longest = max((len(name) + 1 for name in profile.classes.values()), default=0)
    if len(profile.scheme) + longest > SCHEME_LIMIT or not profile.scheme.isprintable():
        raise ProfileInvalid(f"scheme in the profile must be {SCHEME_LIMIT - longest} or shorter")
    if ":" in profile.scheme:
        raise ProfileInvalid("scheme in the profile must not hold a colon")
