"""A supplier's file to known hashes: the formats by name, and one reader for all."""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import NAMED

from . import ncmec, plain, stopncii, tables, vics
from .known import Item, ListError, ListUnreadable, algorithm_named
from .profiles import GENERIC, Profile

FORMATS = ("plain", "csv", "vics", "ncmec", "stopncii")
DELTA_FORMATS = frozenset({"ncmec", "stopncii"})  # those that can say what is taken back
ALGORITHM_FORMATS = frozenset({"plain", "csv"})
PROFILE_FORMATS = frozenset({"csv", "vics"})


def read(
    file: BinaryIO, format: str, *, algorithm: str | None = None, profile: Profile | None = None
) -> Iterator[Item]:
    """Yield what ``file`` (binary, seekable, at its start) names, in the order of the file.

    Streamed: memory does not grow with the file. ``algorithm`` is for plain and csv, ``profile``
    for csv (``generic`` if None) and vics. Raises ListUnreadable, also after items were yielded:
    whoever loads must not keep those. Raises ListError for options that do not fit.
    """
    if format not in FORMATS:
        raise ListError(f"the format must be one of {', '.join(FORMATS)}")
    if algorithm is not None:
        algorithm = _checked_algorithm(algorithm, format)
    if profile is not None and format not in PROFILE_FORMATS:
        raise ListError(f"format {format} takes no profile; leave --profile out")
    if not file.read(1):
        raise ListUnreadable("the file is empty; fetch it again from the supplier")
    file.seek(0)
    if format == "plain":
        return plain.read(file, algorithm=algorithm)
    if format == "csv":
        return tables.read(file, profile=profile or GENERIC, algorithm=algorithm)
    if format == "vics":
        return vics.read(file, profile=profile or vics.VICS)
    if format == "ncmec":
        return ncmec.read(file)
    return stopncii.read(file)


def _checked_algorithm(text: str, format: str) -> str:
    """Return the name of the algorithm that ``text`` means, or raise ListError."""
    if format not in ALGORITHM_FORMATS:
        raise ListError(f"format {format} names its algorithms itself; leave --algorithm out")
    name = algorithm_named(text)
    if name is None:
        raise ListError(f"--algorithm must be one of {', '.join(NAMED)}")
    return name
