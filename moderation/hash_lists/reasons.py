"""Why a value of a list was not taken, in words: what people read where rows hold codes."""

REASONS = {
    "bad_category": "category too long or not printable",
    "bad_quality": "quality is not a number",
    "bad_reference": "reference too long or not printable",
    "bad_scheme": "name of the category scheme too long or not printable",
    "duplicate": "named more than once, counted once",
    "empty": "no value in the field",
    "empty_input_digest": "hash of an empty file, which says nothing",
    "flat_value": "hash of nothing but zeros or ones, which says nothing",
    "low_quality": "PDQ quality too low to match",
    "no_algorithm": "the line does not name its algorithm",
    "no_reference": "entry without a reference",
    "no_value": "entry without a value",
    "not_a_match": "marked by the supplier as no match",
    "not_ascii": "holds characters that no hash has",
    "not_base64": "not base64",
    "not_hex": "not hexadecimal",
    "not_text": "holds characters that cannot be printed",
    "skipped_by_profile": "left out by the profile",
    "too_long": "too long",
    "unknown_algorithm": "algorithm not known here",
    "unknown_status": "status not known here",
    "wrong_columns": "row with another number of columns",
    "wrong_length": "not the length of its algorithm",
}


def in_words(code: str) -> str:
    """Return the reason for a code; one that is not known reads as it is written."""
    return REASONS.get(code, code.replace("_", " "))


def told(rejected: dict[str, int]) -> str:
    """Return ``reason: n; reason: n``, the most frequent first; empty for none."""
    return "; ".join(f"{reason}: {count:,}" for reason, count in in_order(rejected))


def in_order(rejected: dict[str, int]) -> list[tuple[str, int]]:
    """Return the reasons in words with their counts, the most frequent first."""
    order = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return [(in_words(code), count) for code, count in order]
