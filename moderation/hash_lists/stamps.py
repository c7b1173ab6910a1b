"""When a supplier last changed an entry, as seconds since 1970."""

from datetime import UTC, datetime

LARGEST = 1 << 40  # the year 36812; more is no time in seconds


def stamp_of(text: str) -> int:
    """Return the seconds of an ISO 8601 time or of a count of (milli)seconds, 0 for neither.

    A time without an offset is taken as UTC.
    """
    text = text.strip()
    if text.isdecimal() and len(text) <= 13:
        number = int(text)
        return number // 1000 if len(text) == 13 else min(number, LARGEST)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, int(at.timestamp()))
