"""JSON that a caller sends: small, of text that can be written back, and of no great depth."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from .uploads import TooLarge

MAX_BYTES = 64 * 1024  # a hash is short; pictures come as multipart


class SmallJSONParser(JSONParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value.

        Raises:
            ParseError: no JSON, too deep, or with half a character (a lone surrogate) in it.
            TooLarge: more than MAX_BYTES.
        """
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge("The JSON is larger than this service reads.")
        try:
            value = json.loads(body.decode(), parse_constant=_refuse)
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            # The reason may quote the body.
            raise ParseError("The body is not JSON of plain text.") from None
        return value


def _refuse(name: str) -> Any:
    raise ValueError("no number")
