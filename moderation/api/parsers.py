"""What a caller sends: small; JSON of text that can be written back, and of no great depth."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser

from .uploads import TooLarge

MAX_BYTES = 64 * 1024  # a hash is short; pictures come as multipart
TOO_LARGE = "The body is larger than this service reads."


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
        body = _small(stream)
        try:
            value = json.loads(body.decode(), parse_constant=_refuse)
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            # The reason may quote the body.
            raise ParseError("The body is not JSON of plain text.") from None
        return value


class SmallFormParser(FormParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the fields, a QueryDict; raises TooLarge for more than MAX_BYTES of them."""
        return QueryDict(_small(stream))


def _small(stream: IO[Any]) -> bytes:
    body: bytes = stream.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise TooLarge(TOO_LARGE)
    return body


def _refuse(name: str) -> Any:
    raise ValueError("no number")
