"""Lists in pages and under filters, with the other parameters of the address kept."""

from typing import Any, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.forms import Form
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


def chips_of(request: HttpRequest, form: Form, *places: str) -> list[dict[str, str]]:
    """The filters in force, each with the address that takes it away.

    ``places``: parameters that say where in the list one is; without a filter it is another list.
    """
    form.is_valid()
    chips = []
    for name, field in form.fields.items():
        value: Any = form.cleaned_data.get(name)
        if not value:
            continue
        words = dict(getattr(field, "choices", ())) if isinstance(value, str) else {}
        rest = query_without(request, name, *places).rstrip("&")
        text = str(words.get(value, value))
        chips.append({"name": str(form[name].label), "value": text})
        chips[-1]["without"] = f"?{rest}"
    return chips
