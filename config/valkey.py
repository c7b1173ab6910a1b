"""One REDIS_URL, written the way each client wants it."""

from urllib.parse import parse_qs, urlsplit

BROKER_DB = 0
CACHE_DB = 1


def broker(url: str) -> str:
    """Return the URL for Celery: ``redis+socket:///path?virtual_host=0`` for a unix socket."""
    parts = urlsplit(url)
    if parts.scheme in ("unix", "redis+socket"):
        return f"redis+socket://{parts.path}?virtual_host={BROKER_DB}"
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/{BROKER_DB}"


def cache(url: str) -> str:
    """Return the URL for Django's cache: the same server, its next database.

    A URL that names a database keeps it: whoever wrote it there shares one between both.
    """
    parts = urlsplit(url)
    if parts.scheme in ("unix", "redis+socket"):
        return f"unix://{parts.path}?db={CACHE_DB}"
    if parts.path.strip("/") or "db" in parse_qs(parts.query):
        return url
    return f"{url.rstrip('/')}/{CACHE_DB}"
