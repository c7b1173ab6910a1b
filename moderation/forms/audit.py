"""What the audit page asks for: which events, and what an export of them is for."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from moderation.models.custody import plain_words
from moderation.permissions import ROLES

CONTROL = {"class": "form-control", "autocomplete": "off"}
SELECT = {"class": "form-select"}
LEVELS = (1, 2, 3, 4)
PURPOSE_CHARACTERS = 300


def text(label: str, **attrs: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=100,
        validators=[plain_words],
        widget=forms.TextInput(attrs=CONTROL | attrs),
    )


def choice(label: str, *choices: tuple[str, str]) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=[("", "Any"), *choices],
        widget=forms.Select(attrs=SELECT),
    )


def day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs=CONTROL | {"type": "date"}, format="%Y-%m-%d"),
        validators=[
            MinValueValidator(date(2000, 1, 1), "There is nothing that old: choose a later day."),
            MaxValueValidator(date(2999, 12, 31), "Choose an earlier day."),
        ],
        error_messages={"invalid": "Write a day as 2026-11-24."},
    )


class AuditFilter(forms.Form):
    """The filters of the audit page, as they stand in its address. Days are days in UTC."""

    action = text("Action", list="actions")
    object = text("All about", list="objects", placeholder="case 29")
    actor = text("By", placeholder="P-7KQ2MX")
    within = choice("When", ("day", "Today"), ("week", "This week"), ("month", "This month"))
    since = day("From")
    until = day("To")
    role = choice("In the role of", *((name, name.replace("_", " ")) for name in ROLES))
    level = choice("Previews", *((str(n), f"L{n} and above") for n in LEVELS))
    only = choice(
        "Only", ("links", "What shows full links"), ("exact", "Previews on exact matches")
    )
    reason = text("Reason begins with", list="reasons")

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        since, until = said.get("since"), said.get("until")
        if since and until and until < since:
            self.add_error("until", "This is before the first day.")
        return said

    def chosen(self) -> dict[str, Any]:
        """Return the filters that were understood, without the empty ones."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


def first_moment(chosen: Mapping[str, Any]) -> datetime | None:
    """Return when what is asked for begins; None for no limit."""
    today = timezone.now().date()
    begins: dict[str, date] = {
        "day": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }
    days = [begins[chosen["within"]]] if "within" in chosen else []
    days += [chosen["since"]] if "since" in chosen else []
    return _midnight(max(days)) if days else None


def last_moment(chosen: Mapping[str, Any]) -> datetime | None:
    """Return the end of what is asked for, itself not in it; None for no limit."""
    day = chosen.get("until")
    return _midnight(day + timedelta(days=1)) if day else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class ExportForm(forms.Form):
    """Why events are taken out: it goes on record with them."""

    purpose = forms.CharField(
        label="What is it for?",
        max_length=PURPOSE_CHARACTERS,
        validators=[plain_words],
        widget=forms.TextInput(attrs=CONTROL | {"dir": "auto"}),
        help_text="Goes on record, and into the file. No links, no hashes.",
        error_messages={"required": "Say what the file is for."},
    )
