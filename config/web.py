"""gunicorn's settings, and its answer where it cannot make out a request: Django never sees that.

Its own page repeats what was sent and has none of our headers; its log repeats it too. The settings
of one installation stand in the Procfile.
"""

import socket
from typing import Any

from gunicorn import glogging, util

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Breakwater</title>
<h1>{title}</h1>
<p>{text}</p>
<p><a href="/">To the overview</a></p>
</html>
"""
NOT_READ = (
    "That could not be read",
    "What was sent is too long, cut short or no request at all. Nothing was done.",
)
BROKEN = ("Something broke on our side", "Go back and look before you repeat it.")
HEAD = """\
HTTP/1.1 {status} {reason}\r
Connection: close\r
Content-Type: text/html; charset=utf-8\r
Content-Length: {length}\r
Cache-Control: no-store\r
Content-Security-Policy: default-src 'none'; base-uri 'none'; frame-ancestors 'none'\r
Referrer-Policy: same-origin\r
X-Content-Type-Options: nosniff\r
X-Frame-Options: DENY\r
\r
"""


def write_error(client: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer in gunicorn's place; ``message`` may repeat the request, and is told to nobody."""
    title, text = BROKEN if status == 500 else NOT_READ
    page = PAGE.format(title=title, text=text).encode()
    head = HEAD.format(status=status, reason=reason, length=len(page)).encode()
    util.write_nonblock(client, head + page)


util.write_error = write_error  # its workers have no setting for it


class Log(glogging.Logger):
    """gunicorn's log without what was asked for: no link that was sent here belongs there."""

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning; of a request that cannot be read only that there was one."""
        if msg.startswith("Invalid request from"):
            msg = "A request that cannot be read was refused."
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log an error with its trace; of the request only the method."""
        if msg.startswith("Error handling request"):
            msg, args = "Error handling a request", ()
        super().exception(msg, *args, **kwargs)


logger_class = Log
# Where the site lies is told by nobody's header: by one called SCRIPT_NAME each page would break.
forwarder_headers = ""
