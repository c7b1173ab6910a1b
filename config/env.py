"""Typed reads of the environment. What cannot be read stops the start with one clear line."""

import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, overload
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).resolve().parent.parent

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    """Return the value of NAME without the white space around it, or the default where unset."""
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool = False) -> bool:
    """Return True for 1, true, yes, on; False for 0, false, no, off and the empty text.

    Raises:
        ImproperlyConfigured: for anything else.
    """
    if name not in os.environ:
        return default
    value = text(name).lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off.")


@overload
def number(name: str, default: int) -> int: ...
@overload
def number(name: str, default: float) -> float: ...
def number(name: str, default: float) -> float:
    """Return NAME as a number of the default's own type (an int stays an int).

    Raises:
        ImproperlyConfigured: where the value is not such a number.
    """
    value = text(name)
    if not value:
        return default
    kind = type(default)
    try:
        return kind(value)
    except ValueError:
        words = "a whole number" if kind is int else "a number"
        raise ImproperlyConfigured(f"{name} must be {words}.") from None


def decimal(name: str, default: str) -> Decimal:
    """Return NAME as an exact decimal number, not below zero.

    Raises:
        ImproperlyConfigured: where the value is not such a number.
    """
    try:
        value = Decimal(text(name) or default)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise ImproperlyConfigured(f"{name} must be a number, not below zero.")
    return value


def listing(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the parts of NAME between commas, without white space and without empty parts."""
    if name not in os.environ:
        return list(default)
    return [part.strip() for part in text(name).split(",") if part.strip()]


def secret(name: str, default: str | None = None) -> str:
    """Return a secret from NAME, or from the file that NAME_FILE names (one trailing newline cut).

    Raises:
        ImproperlyConfigured: both are set, the file cannot be read or is empty, or nothing is set
            and there is no default.
    """
    value, file = os.environ.get(name, ""), text(f"{name}_FILE")
    if value and file:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {reason}.") from None
        if not value:
            raise ImproperlyConfigured(f"The file that {name}_FILE names is empty.")
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"Set {name}, or {name}_FILE to the path of a file with it.")
    return default


def database(url: str) -> dict[str, Any]:
    """Return the entry for Django's DATABASES of a postgresql:// URL, sockets and options included.

    The URL is libpq's: ``postgresql://user:password@host:port/name?sslmode=require``; a folder of
    sockets stands in ``?host=/folder`` or percent-encoded in the place of the host.

    Raises:
        ImproperlyConfigured: another scheme, no database name, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL cannot be read as a URL.") from None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            "DATABASE_URL must start with postgresql:// (nothing else works)."
        )
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL must end with the name of the database.")
    options = dict(parse_qsl(parts.query))
    # urlsplit's hostname is in lower case, and a folder's name is not.
    host = unquote(parts.netloc.rpartition("@")[2])
    if not host.startswith("/"):
        host = unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", host),
        "PORT": options.pop("port", str(port or "")),
        "OPTIONS": options,
    }


def data() -> Path:
    """Return the data folder: BREAKWATER_DATA, else ``data`` in the project."""
    folder = text("BREAKWATER_DATA")
    return Path(folder).expanduser().resolve() if folder else PROJECT / "data"


DATA = data()
