"""The schedule: tasks and their times; what is changed or run by hand leaves a custody event."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat

from moderation.models import CustodyEvent
from moderation.permissions import SETTINGS_MANAGE

from .rights import ByCapability

DAYS = 366
SHORTEST, LONGEST = 10, DAYS * 86_400  # seconds
IN_SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1, "microseconds": 1e-6}
# Fields whose values are told; of others only that they changed.
TOLD = {
    *("enabled", "interval", "crontab", "every", "period"),
    *("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone"),
}
NEVER = f"None of these times comes within {DAYS} days: look at the days, months and weekdays."


class Schedule(ByCapability, admin.ModelAdmin):
    look = alter = SETTINGS_MANAGE

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        changed = form.changed_data
        with transaction.atomic():
            old = type(obj)._default_manager.filter(pk=obj.pk).first() if change else None
            super().save_model(request, obj, form, change)
            record(
                request,
                "schedule_changed" if change else "schedule_created",
                obj,
                before={name: _told(old, name) for name in changed} if old else {},
                after={name: _told(obj, name) for name in changed},
            )

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with transaction.atomic():
            record(request, "schedule_deleted", obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                record(request, "schedule_deleted", obj)
            super().delete_queryset(request, queryset)


class IntervalForm(forms.ModelForm):
    """An interval that the scheduler can count with, and that lets a task end before the next."""

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        every, period = said.get("every"), said.get("period")
        if every is None or period is None:
            return said
        if not SHORTEST <= every * IN_SECONDS[period] <= LONGEST:
            raise forms.ValidationError("An interval is ten seconds at least and 366 days at most.")
        return said


class Intervals(Schedule):
    form = IntervalForm


class CrontabForm(forms.ModelForm):
    """Times that come: the scheduler drops a task that waits for others without a word."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # looks at each field
        if not self.errors and not comes(self.instance):
            self.add_error(None, NEVER)


class TaskForm(forms.ModelForm):
    def clean_crontab(self) -> beat.CrontabSchedule | None:
        crontab: beat.CrontabSchedule | None = self.cleaned_data["crontab"]
        if crontab is not None and not comes(crontab):
            raise forms.ValidationError(NEVER)
        return crontab


class Crontabs(Schedule, beat_admin.CrontabScheduleAdmin):
    form = CrontabForm


class Tasks(Schedule, beat_admin.PeriodicTaskAdmin):
    """When each task runs, and whether; which tasks there are stands in the settings."""

    adding = deleting = False
    form = TaskForm
    change_form_template = None
    fieldsets = [(None, {"fields": ["name", "task", "enabled", "interval", "crontab"]})]
    readonly_fields = ["name", "task", "last_run_at"]

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for task in queryset:
                switched(request, task, to=True)
            super().enable_tasks(request, queryset)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for task in queryset:
                switched(request, task, to=False)
            super().disable_tasks(request, queryset)

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for task in queryset.select_for_update(of=("self",)):
                switched(request, task, to=not task.enabled)
            super().toggle_tasks(request, queryset)

    @admin.action(description="Run selected tasks")
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for task in queryset:
                record(request, "schedule_run", task, after={"task": task.task})
        super().run_tasks(request, queryset)


def comes(crontab: beat.CrontabSchedule) -> bool:
    """Whether one of the next days, DAYS of them, is of the crontab's days, months and weekdays."""
    try:
        when, today = crontab.schedule, timezone.localdate()
    except ValueError:  # no month of its has such a day
        return False
    days = (today + timedelta(days=n) for n in range(1, DAYS + 1))
    return any(
        day.month in when.month_of_year
        and day.day in when.day_of_month
        and day.isoweekday() % 7 in when.day_of_week
        for day in days
    )


def switched(request: HttpRequest, task: beat.PeriodicTask, *, to: bool) -> None:
    """Record that a task is switched on or off."""
    record(
        request, "schedule_changed", task, before={"enabled": task.enabled}, after={"enabled": to}
    )


def record(
    request: HttpRequest,
    action: str,
    subject: Model,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Append the event in the person's name."""
    by = cast(User, request.user)
    CustodyEvent.objects.append(action, subject, by=by, before=before, after=after)


def _told(obj: Model, name: str) -> Any:
    if name not in TOLD:
        return "changed"
    field = obj._meta.get_field(name)
    value = getattr(obj, getattr(field, "attname", name))
    return value if isinstance(value, bool | int) or value is None else str(value)


KEPT: dict[type[Model], type[admin.ModelAdmin]] = {
    beat.PeriodicTask: Tasks,
    beat.IntervalSchedule: Intervals,
    beat.CrontabSchedule: Crontabs,
}
for model, its_admin in KEPT.items():
    admin.site.unregister(model)
    admin.site.register(model, its_admin)
admin.site.unregister([beat.SolarSchedule, beat.ClockedSchedule])
