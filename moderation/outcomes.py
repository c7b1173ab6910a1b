"""What happened to one entry in one scan, and why. "No answer" is never "no match"."""

from enum import StrEnum


class Outcome(StrEnum):
    """The five outcomes; each reason below belongs to exactly one of them."""

    HASHED = "hashed"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    UNCHECKED = "unchecked"


REASONS: dict[str, Outcome] = {
    # hashed
    "column": Outcome.HASHED,  # taken over from the dataset's own digest columns
    "embedded": Outcome.HASHED,  # from picture bytes that the shard carries
    "fetched": Outcome.HASHED,
    # gone
    "http_404": Outcome.GONE,
    "http_410": Outcome.GONE,
    "no_such_host": Outcome.GONE,
    "redirect_to_nowhere": Outcome.GONE,
    # refused: the other side, or we ourselves, would not
    "http_401": Outcome.REFUSED,
    "http_403": Outcome.REFUSED,
    "http_429": Outcome.REFUSED,
    "http_451": Outcome.REFUSED,
    "http_4xx": Outcome.REFUSED,
    "address_refused": Outcome.REFUSED,  # private, loopback or reserved, also after a redirect
    "scheme_refused": Outcome.REFUSED,
    # failed
    "http_5xx": Outcome.FAILED,
    "http_other": Outcome.FAILED,
    "connection": Outcome.FAILED,
    "tls": Outcome.FAILED,
    "timeout": Outcome.FAILED,
    "too_many_redirects": Outcome.FAILED,
    "too_many_bytes": Outcome.FAILED,
    "not_a_picture": Outcome.FAILED,
    "truncated": Outcome.FAILED,
    "too_many_pixels": Outcome.FAILED,
    "undecodable": Outcome.FAILED,
    "download_failed": Outcome.FAILED,  # img2dataset says so in its status column
    # unchecked
    "not_fetched": Outcome.UNCHECKED,
    "host_left_alone": Outcome.UNCHECKED,  # it did not answer others, or asked not to be asked
    "no_url": Outcome.UNCHECKED,
    "bad_url": Outcome.UNCHECKED,
    "bad_digest": Outcome.UNCHECKED,  # the column holds something that is no digest
    "no_picture": Outcome.UNCHECKED,  # the shard should carry one and does not
}


def outcome_of(reason: str) -> Outcome:
    """Return the outcome that a reason belongs to; KeyError for a reason not in the table."""
    return REASONS[reason]
