"""Logs speak in ids (H16): what looks like a URL or a hash never leaves in a log line, and an
error says where it was raised, in its own words only where those are known to be harmless."""

import logging
import re
import traceback
from collections.abc import Iterator

# Addresses of our own servers are no pictures' addresses, and who mends a connection needs them.
SERVERS = r"(?:rediss?|redis\+socket|unix|postgres(?:ql)?|file)\b"
BASE64 = r"(?:[a-z0-9+/_-]{22}==|[a-z0-9+/_-]{27}=|[a-z0-9+/_-]{43}=|[a-z0-9+/_-]{86}==)"
SENSITIVE = re.compile(
    "|".join(
        (
            rf"(?<![a-z0-9+.-])(?!{SERVERS})[a-z][a-z0-9+.-]*:\\?/\\?/\S+",  # and http:\/\/
            r"[a-z]+%3a(?:%2f){2}\S+",  # the same, quoted
            r"data:[a-z]+/\S+",
            r"(?<![\w:/.])//[\w.-]+(?::\d+)?[/?]\S*",  # //host/path
            r"\bb(?:'(?:[^'\\]|\\.){8,}'|\"(?:[^\"\\]|\\.){8,}\")",  # bytes as Python spells them
            r"\\+x[0-9a-f]{8,}",  # bytes as PostgreSQL spells them
            r"(?:\\+x[0-9a-f]{2}){4,}",
            r"(?:[0-9a-f]{2}:){7,}[0-9a-f]{2}",
            r"[0-9a-f]{32,}",
            r"(?<![a-z0-9])[0-9a-f]{16}(?![a-z0-9])",  # 64 bits, as a pHash has
            rf"(?<![a-z0-9+/]){BASE64}(?![a-z0-9=])",
            # Base64 whose padding was dropped: of a hash's length, with all of its characters.
            r"(?<![a-z0-9+/])(?=[a-z+/]*[0-9])(?-i:(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z]))"
            r"(?:[a-z0-9+/]{22}|[a-z0-9+/]{27}|[a-z0-9+/]{43})(?![a-z0-9+/=])",
        )
    ),
    re.IGNORECASE,
)
WITHHELD = "[withheld]"
OURS = ("moderation.", "reports.", "config.")


class IdsOnly(logging.Filter):
    """The last net under all loggers, libraries' included: own code already logs ids only."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace URLs, long hex values and the words of foreign errors; keep the record."""
        if record.name == "django.request" and getattr(record, "status_code", 500) < 500:
            record.exc_info = None  # a refusal or a missing page is no failure of ours
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.args, dict) and "exc" in record.args:
            # Celery about a task that failed or is tried again: the error as Python spells it.
            record.args = {**record.args, "exc": str(record.args["exc"]).partition("(")[0]}
        record.msg = SENSITIVE.sub(WITHHELD, record.getMessage())
        record.args = ()
        if error is not None:
            record.exc_text = SENSITIVE.sub(WITHHELD, told(error))
        return True


def told(error: BaseException) -> str:
    """A traceback with the errors behind it. What a library says may quote what it read, such as
    a caption; of those only the kind is told."""
    return "\n".join(reversed(list(_parts(error))))


def _parts(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        words = f": {error}" if _harmless(error) else ""
        yield f"Traceback (most recent call last):\n{frames}{_name(error)}{words}"
        behind = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or behind


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _harmless(error: BaseException) -> bool:
    """Our own errors hold ids and reasons; a broken connection holds addresses of servers."""
    return type(error).__module__.startswith(OURS) or isinstance(error, ConnectionError)
