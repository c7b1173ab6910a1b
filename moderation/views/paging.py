"""Lists in pages, with the other parameters of the address kept."""

from typing import TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

ROWS = 50
M = TypeVar("M", bound=Model)


def page_of(request: HttpRequest, rows: QuerySet[M], *, size: int = ROWS) -> Page[M]:
    """Return the page the address asks for; the nearest one where there is no such page."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def query_without(request: HttpRequest, *names: str) -> str:
    """Return the parameters of the address but these, ready to stand before another one."""
    kept = request.GET.copy()
    for name in names:
        kept.pop(name, None)
    text = kept.urlencode()
    return f"{text}&" if text else ""
