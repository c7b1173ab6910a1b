"""The operator's back room: people and roles, list settings, the schedule; the rest to look at.

Rights here are our capabilities, not Django's rights on tables. Changes leave a custody event.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat
from rest_framework.authtoken.admin import TokenAdmin
from rest_framework.authtoken.models import TokenProxy

from moderation.hash_lists import changing
from moderation.models import CustodyEvent, Decision, HashList, KnownHash, LegalBasis
from moderation.models.case import HarmClass
from moderation.permissions import (
    AUDIT_VIEW,
    LIST_VIEW,
    SETTINGS_MANAGE,
    USER_MANAGE,
    role_of,
)

admin.site.site_header = "Breakwater"
admin.site.site_title = "Breakwater"
admin.site.index_title = "People, lists, schedule"


def has_permission(request: HttpRequest) -> bool:
    """Staff who manage people or settings; ``is_staff`` alone opens nothing."""
    user = request.user
    return bool(
        user.is_active
        and getattr(user, "is_staff", False)
        and (user.has_perm(SETTINGS_MANAGE) or user.has_perm(USER_MANAGE))
    )


admin.site.has_permission = has_permission  # type: ignore[method-assign]


class ByCapability:
    """What may be done to a model follows from capabilities: one to look, one to change."""

    look: str = SETTINGS_MANAGE
    alter: str | None = None
    adding = True
    deleting = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(self.look)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.alter is not None and request.user.has_perm(self.alter)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.adding and self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.deleting and self.has_change_permission(request, obj)


class ToLookAt(ByCapability, admin.ModelAdmin):
    """Nothing can be changed; big tables are not counted."""

    show_full_result_count = False
    list_per_page = 50


@admin.register(CustodyEvent)
class CustodyEventAdmin(ToLookAt):
    look = AUDIT_VIEW
    list_display = ["seq", "at", "actor", "role", "action", "object_type", "object_id"]
    ordering = ["-seq"]
    exclude = ["prev_hash", "hash"]


@admin.register(Decision)
class DecisionAdmin(ToLookAt):
    look = AUDIT_VIEW
    list_display = ["pk", "case_id", "verdict", "code", "harm_class", "at"]
    ordering = ["-pk"]
    fields = ["case_id", "verdict", "code", "harm_class", "at", "supersedes"]


@admin.register(KnownHash)
class KnownHashAdmin(ToLookAt):
    """The values themselves are not shown: who needs one asks the list's file."""

    look = LIST_VIEW
    list_display = ["pk", "hash_list", "algorithm", "category", "added_in", "removed_in"]
    list_select_related = ["hash_list", "added_in__hash_list", "removed_in__hash_list"]
    list_filter = ["hash_list", "algorithm"]
    ordering = ["-pk"]
    exclude = ["value", "external_id"]


@admin.register(LegalBasis)
class LegalBasisAdmin(ToLookAt):
    """Recorded and ended with the command ``fetching``, which says what it means."""

    list_display = ["pk", "officer", "until", "recorded_at", "ended_at"]
    ordering = ["-pk"]


class HashListForm(forms.ModelForm):
    harm_class = forms.ChoiceField(
        required=False, choices=[("", "As each value says"), *HarmClass.choices]
    )


@admin.register(HashList)
class HashListAdmin(ByCapability, admin.ModelAdmin):
    """Lists come into being by loading a version; here is the rest of what one says of them."""

    alter = SETTINGS_MANAGE
    adding = deleting = False
    form = HashListForm
    list_display = ["slug", "owner", "trust", "threshold", "enabled", "expires_at"]
    fields = ["slug", *changing.CHANGEABLE]
    readonly_fields = ["slug"]

    def save_model(self, request: HttpRequest, obj: HashList, form: Any, change: bool) -> None:
        values = {
            name: form.cleaned_data[name]
            for name in form.changed_data
            if name in changing.CHANGEABLE
        }
        changing.change(obj, by=cast(User, request.user), **values)


admin.site.unregister(Group)  # roles are bundles in code: moderation.permissions
admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(ByCapability, UserAdmin):
    """Logins and roles. Nobody gives a role to himself: that takes another operator."""

    look = alter = USER_MANAGE
    deleting = False  # a person stands in decisions and custody: switched off, never deleted
    list_display = ["username", "is_active", "is_staff", "last_login"]
    list_filter = ["groups", "is_active"]
    search_fields = ["username"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "groups"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own = obj is not None and obj.pk == request.user.pk
        return [*self.readonly_fields, *(["is_active", "is_staff", "groups"] if own else [])]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A superuser's login is a superuser's to change."""
        if (
            isinstance(obj, User)
            and obj.is_superuser
            and not getattr(request.user, "is_superuser", False)
        ):
            return False
        return super().has_change_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write the roles and the event that says so in one transaction."""
        person = form.instance
        before = {
            "roles": role_of(person),
            "active": form.initial.get("is_active", person.is_active),
        }
        with transaction.atomic():
            super().save_related(request, form, formsets, change)
            after = {"roles": role_of(person), "active": person.is_active}
            if before != after:
                CustodyEvent.objects.append(
                    "person_changed",
                    person,
                    by=cast(User, request.user),
                    before=before,
                    after=after,
                )


admin.site.unregister(TokenProxy)


@admin.register(TokenProxy)
class TokensAdmin(ByCapability, TokenAdmin):
    look = alter = USER_MANAGE


class ScheduleRights(ByCapability):
    look = alter = SETTINGS_MANAGE


SCHEDULE: list[tuple[type[Model], type[admin.ModelAdmin]]] = [
    (beat.PeriodicTask, beat_admin.PeriodicTaskAdmin),
    (beat.IntervalSchedule, admin.ModelAdmin),
    (beat.CrontabSchedule, beat_admin.CrontabScheduleAdmin),
]
for model, its_admin in SCHEDULE:
    admin.site.unregister(model)
    admin.site.register(model, type(its_admin.__name__, (ScheduleRights, its_admin), {}))
admin.site.unregister([beat.SolarSchedule, beat.ClockedSchedule])
