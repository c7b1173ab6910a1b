"""Suppliers' categories to harm class and triage (domain.md 5, console.md 1).

The supplier's scheme and value are stored unchanged; what is derived here is approximate, for
display and order of work, and never sent to anybody as if its owner had graded it.

A scheme is a name, or ``name:class`` where the operator mapped the value himself (VICS numbers mean
something else in each country): ``vics:csam-high`` keeps which number it was in the category.
"""

from typing import NamedTuple

DECIDED = "decided"  # the scheme of what was classed here, by no supplier
NOT_A_MATCH = "not_a_match"  # the operator says: values of this category are not loaded


class Classed(NamedTuple):
    """``harm_class``: csam, non_photographic, abuse_related, adult_intimate, other or unknown;
    ``triage``: critical, high, standard, harm_other or unknown."""

    harm_class: str
    triage: str


UNKNOWN = Classed("unknown", "unknown")

# What an operator may map a category to, most severe first.
CLASSES: dict[str, Classed] = {
    "csam-critical": Classed("csam", "critical"),
    "csam-high": Classed("csam", "high"),
    "unknown": UNKNOWN,  # nobody has said it is less: queued like high
    "csam-standard": Classed("csam", "standard"),
    "non_photographic": Classed("non_photographic", "harm_other"),
    "abuse_related": Classed("abuse_related", "harm_other"),
    "adult_intimate": Classed("adult_intimate", "harm_other"),
    "other": Classed("other", "harm_other"),
}

# For a harm class on its own, as a list may carry for values without a category.
_UNGRADED = {classed.harm_class: classed for classed in reversed(CLASSES.values())} | {
    "csam": CLASSES["csam-high"]
}

# IWF grades the severity of the act, the industry scheme the age first: "A" and "A1" are no kin.
_SCHEMES: dict[tuple[str, str], str] = {
    ("iwf", "a"): "csam-critical",
    ("iwf", "b"): "csam-high",
    ("iwf", "c"): "csam-standard",
    ("iwf", "prohibited"): "non_photographic",
    ("ncmec", "a1"): "csam-critical",
    ("ncmec", "a2"): "csam-standard",
    ("ncmec", "b1"): "csam-critical",
    ("ncmec", "b2"): "csam-standard",
    ("arachnid", "csam"): "csam-high",
    ("arachnid", "harmful-abusive-material"): "abuse_related",
}

_ORDER = list(CLASSES.values())


def classify(scheme: str, category: str, *, harm_class: str = "") -> Classed:
    """Return the harm class and triage of a supplier's value.

    ``harm_class`` is the list's own, for values without a category. A value without a mapping is
    unknown, never clean.
    """
    name, _, mapped = scheme.partition(":")
    if mapped:
        return CLASSES.get(mapped, UNKNOWN)
    if name == "stopncii":  # the scheme has no values: all of it is one class
        return CLASSES["adult_intimate"]
    if not category:
        return _UNGRADED.get(harm_class, UNKNOWN)
    return CLASSES[_SCHEMES.get((name, category.strip().lower()), "unknown")]


def scheme_of(harm_class: str, triage: str) -> str:
    """Return the scheme of a value that people classed here: what `classify` makes the same of."""
    exact = [name for name, each in CLASSES.items() if each == (harm_class, triage)]
    ungraded = _UNGRADED.get(harm_class, UNKNOWN)
    named = exact or [name for name, each in CLASSES.items() if each == ungraded]
    return f"{DECIDED}:{named[0]}"


def severity(scheme: str, category: str) -> int:
    """Return a rank to sort by, 0 for the most severe; for one picture the most severe counts."""
    return _ORDER.index(classify(scheme, category))


def most_severe(*classed: Classed) -> Classed:
    """Return the most severe of several, UNKNOWN for none."""
    return min(classed, key=_ORDER.index, default=UNKNOWN)
