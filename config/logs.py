"""Logs speak in ids (H16): what looks like a URL or a hash never leaves in a log line."""

import logging
import re

SENSITIVE = re.compile(r"https?://[^\s'\"<>]+|\b[0-9a-fA-F]{32,}\b")


class IdsOnly(logging.Filter):
    """The last net under all loggers, libraries' included: own code already logs ids only."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace URLs and long hex values in the message and the traceback; keep the record."""
        record.msg = SENSITIVE.sub("[withheld]", record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = SENSITIVE.sub("[withheld]", record.exc_text)
        return True
