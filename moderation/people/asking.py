"""Requests to the identity provider: bounded in time and size, past proxies, never led elsewhere.

The address is the operator's own setting, so it may be inside the network; what comes back is not
trusted to be small or quick.
"""

import time
from typing import Any

import requests
from django.conf import settings

MOST_BYTES = 1024 * 1024
CHUNK = 16 * 1024


class AnswerTooLong(requests.RequestException):
    """The answer is larger, or took longer, than an answer of this kind can be."""


class Session(requests.Session):
    """One exchange with the provider; every request of it ends within OIDC_SECONDS."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, and no password out of a file

    def request(self, method: Any, url: Any, *args: Any, **more: Any) -> requests.Response:
        """Ask, and return the answer read to its end.

        Raises RequestException where none came in time, or one that leads elsewhere.
        """
        ends = time.monotonic() + settings.OIDC_SECONDS
        more |= {"timeout": settings.OIDC_SECONDS, "allow_redirects": False, "stream": True}
        with super().request(method, url, *args, **more) as answer:
            body = bytearray()
            for chunk in answer.iter_content(CHUNK):
                body += chunk
                if len(body) > MOST_BYTES or time.monotonic() > ends:
                    raise AnswerTooLong
            answer._content = bytes(body)
        return answer
