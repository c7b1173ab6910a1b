"""The operator's back room: list settings, the schedule; the rest to look at. People: under Team.

Rights here are our capabilities, not Django's rights on tables. Changes leave a custody event.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authtoken.models import TokenProxy

from moderation.hash_lists import changing
from moderation.models import Case, CustodyEvent, Decision, HashList, KnownHash
from moderation.models.case import HarmClass
from moderation.models.custody import legible
from moderation.permissions import (
    AUDIT_VIEW,
    DECIDE,
    LIST_VIEW,
    SETTINGS_MANAGE,
)

from . import schedule  # noqa: F401  it registers its own
from .rights import ByCapability, ToLookAt

__all__ = ["ByCapability", "ToLookAt"]

AGREEMENT_AT_MOST = timedelta(days=50 * 366)

# People are under Team, and their keys and second steps are shown to nobody.
for model in (
    *(Group, User, TokenProxy, Authenticator, EmailAddress),
    *(SocialAccount, SocialApp, SocialToken),
):
    admin.site.unregister(model)

admin.site.site_header = "Breakwater"
admin.site.site_title = "Breakwater"
admin.site.index_title = "Lists, schedule"


def has_permission(request: HttpRequest) -> bool:
    """Whoever manages settings; Django's ``is_staff`` says nothing here."""
    return bool(request.user.is_active and request.user.has_perm(SETTINGS_MANAGE))


admin.site.has_permission = has_permission  # type: ignore[method-assign]


@admin.register(CustodyEvent)
class CustodyEventAdmin(ToLookAt):
    look = AUDIT_VIEW
    list_display = ["seq", "at", "actor", "role", "action", "object_type", "object_id"]
    ordering = ["-seq"]
    exclude = ["prev_hash", "hash", "salt"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustodyEvent]:
        return CustodyEvent.objects.readable_by(cast(User, request.user))


@admin.register(Decision)
class DecisionAdmin(ToLookAt):
    look = AUDIT_VIEW
    list_display = ["pk", "case_id", "verdict", "code", "harm_class", "at"]
    ordering = ["-pk"]
    fields = ["case_id", "verdict", "code", "harm_class", "at", "supersedes"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        """Without those of cases in work for anyone who may answer them."""
        decisions = super().get_queryset(request)
        if request.user.has_perm(DECIDE):
            decisions = decisions.filter(case__state=Case.State.CLOSED)
        return decisions


@admin.register(KnownHash)
class KnownHashAdmin(ToLookAt):
    """The values themselves are not shown: who needs one asks the list's file."""

    look = LIST_VIEW
    list_display = ["pk", "hash_list", "algorithm", "category", "added_in", "removed_in"]
    list_select_related = ["hash_list", "added_in__hash_list", "removed_in__hash_list"]
    list_filter = ["hash_list", "algorithm"]
    ordering = ["-pk"]
    exclude = ["value", "external_id"]


class HashListForm(forms.ModelForm):
    harm_class = forms.ChoiceField(
        required=False, choices=[("", "As each value says"), *HarmClass.choices]
    )

    def clean_expires_at(self) -> datetime | None:
        """A time to come, where it is another than the list has: that may be over by now."""
        until: datetime | None = self.cleaned_data["expires_at"]
        if until is None or "expires_at" not in self.changed_data:
            return until
        now = timezone.now()
        if until <= now:
            raise forms.ValidationError(
                "Choose a time to come. To stop using the list now, switch it off."
            )
        if until > now + AGREEMENT_AT_MOST:
            raise forms.ValidationError("No agreement runs for more than 50 years: look again.")
        return until

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        for name, value in list(said.items()):
            if isinstance(value, str):
                try:
                    legible(value)
                except forms.ValidationError as wrong:
                    self.add_error(name, wrong)
        return said


@admin.register(HashList)
class HashListAdmin(ByCapability, admin.ModelAdmin):
    """Lists come into being by loading a version; here is the rest of what one says of them."""

    alter = SETTINGS_MANAGE
    adding = deleting = False
    form = HashListForm
    list_display = ["slug", "owner", "trust", "threshold", "enabled", "expires_at"]
    fields = ["slug", *changing.CHANGEABLE]
    readonly_fields = ["slug"]

    def get_readonly_fields(self, request: HttpRequest, obj: HashList | None = None) -> list[str]:
        own = obj is not None and obj.own
        locked = [name for name in changing.CHANGEABLE if own and name not in changing.OF_OWN]
        return ["slug", *locked]

    def save_model(self, request: HttpRequest, obj: HashList, form: Any, change: bool) -> None:
        values = {
            name: form.cleaned_data[name]
            for name in form.changed_data
            if name in changing.CHANGEABLE
        }
        changing.change(obj, by=cast(User, request.user), **values)
