"""Where a person comes back to: after the log-in, the lock, another choice of colours."""

from django.http import HttpRequest
from django.urls import is_valid_path


def page_of(request: HttpRequest) -> str:
    """The address asked for; of what is sent, that of the nearest page above it.

    Forms stand on such a page, and what was sent is never sent again by coming back.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    path = request.path
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        if is_valid_path(path):
            break
    return path
