"""People: logins, roles, the link to choose a password, the token for the API.

An operator gives access but never has it: the password is chosen by the person alone, and each of
these steps stands in the chain of custody.
"""

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm, UsernameField
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.encoding import force_bytes
from django.utils.html import format_html
from django.utils.http import urlsafe_base64_encode
from rest_framework.authtoken.models import Token, TokenProxy

from moderation.models import CustodyEvent
from moderation.people import factors, leaving
from moderation.permissions import (
    AUDIT_VIEW,
    DECIDE,
    ROLES,
    USER_MANAGE,
    assignable_by,
    role_of,
)

from .rights import ByCapability, ToLookAt

# Who may answer cases must not read others' answers in the chain of custody while one is open.
ANSWERING = {name for name, held in ROLES.items() if DECIDE in held}
AUDITING = {name for name, held in ROLES.items() if AUDIT_VIEW in held}

admin.site.unregister(Group)  # roles are bundles in code: moderation.permissions
admin.site.unregister(User)
admin.site.unregister(TokenProxy)
admin.site.unregister(Authenticator)  # a person's second factors are shown to that person alone
admin.site.unregister(EmailAddress)  # not used


class NewPersonForm(forms.ModelForm):
    """A login without a password: the person chooses it."""

    class Meta:
        model = User
        fields = ["username"]
        field_classes = {"username": UsernameField}

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        person: User = super().save(commit)
        return person


class PersonForm(UserChangeForm):
    by: User  # who changes the person; the admin page sets it

    def clean_groups(self) -> Any:
        groups = self.cleaned_data["groups"]
        names = {group.name for group in groups}
        before = set(self.instance.groups.values_list("name", flat=True))
        if not (self.by.is_superuser or names ^ before <= assignable_by(self.by)):
            raise ValidationError("You may not give or take one of these roles.")
        if names & ANSWERING and names & AUDITING:
            raise ValidationError(
                "Nobody both answers cases and audits them: take reviewer and lead, or auditor."
            )
        return groups


@admin.register(User)
class PeopleAdmin(ByCapability, UserAdmin):
    """Logins and roles. Nobody gives a role to himself: that takes another operator."""

    look = alter = USER_MANAGE
    deleting = False  # a person stands in decisions and custody: switched off, never deleted
    form = PersonForm
    add_form = NewPersonForm
    list_display = ["username", "is_active", "is_staff", "last_login"]
    list_filter = ["groups", "is_active"]
    search_fields = ["username"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "groups"]}),
        ("API", {"fields": ["api_token"]}),
        ("Second steps", {"fields": ["second_steps"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["username"],
                "description": "The person chooses the password, by a link that you make next.",
            },
        )
    ]
    readonly_fields = ["api_token", "second_steps", "last_login", "date_joined"]
    filter_horizontal = ()

    def get_urls(self) -> list[URLPattern]:
        token = path(
            "<id>/token/",
            self.admin_site.admin_view(self.token),
            name="auth_user_token",
        )
        reset = path(
            "<id>/second-steps/",
            self.admin_site.admin_view(self.reset),
            name="auth_user_second_steps",
        )
        return [token, reset, *super().get_urls()]

    @admin.display(description="Token")
    def api_token(self, person: User) -> str:
        token = Token.objects.filter(user=person).first()
        return format_html(
            '{} · <a href="{}">{}</a>',
            f"since {token.created:%d %b %Y}" if token else "none",
            reverse("admin:auth_user_token", args=[person.pk]),
            "Withdraw or replace" if token else "Make one",
        )

    @admin.display(description="Set up")
    def second_steps(self, person: User) -> str:
        return format_html(
            '{} · <a href="{}">Reset</a>',
            "yes" if factors.has_one(person) else "none",
            reverse("admin:auth_user_second_steps", args=[person.pk]),
        )

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.by = request.user  # the class is of this answer alone
        return form

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
        person, by = form.instance, cast(User, request.user)
        before = {"roles": role_of(person)} | {
            short: form.initial.get(name, getattr(person, name)) for short, name in RIGHTS.items()
        }
        with transaction.atomic():
            super().save_related(request, form, formsets, change)
            after: dict[str, Any] = {"roles": role_of(person)} | {
                short: getattr(person, name) for short, name in RIGHTS.items()
            }
            if not change:
                CustodyEvent.objects.append("person_created", person, by=by, after=after)
                return
            if "username" in form.changed_data:
                after["login"] = "renamed"
            if before["active"] and not after["active"]:
                leaving.let_everything_go(person, by=by)
            if before != after:
                CustodyEvent.objects.append(
                    "person_changed", person, by=by, before=before, after=after
                )

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Make the link by which the person chooses a password; only this answer shows it."""
        person = self._person(request, id)
        link = ""
        if request.method == "POST":
            with transaction.atomic():
                CustodyEvent.objects.append(
                    "password_link_made", person, by=cast(User, request.user)
                )
                uid = urlsafe_base64_encode(force_bytes(person.pk))
                token = default_token_generator.make_token(person)
            link = request.build_absolute_uri(reverse("choose_password", args=[uid, token]))
        return self._once(
            request,
            person,
            title="Link to choose a password",
            text="Only the person sets a password. The link works once, for a day; the present"
            " password stays until it is used. Hand it to the person alone.",
            secret=link,
            steps=[("make", "Make a link")],
        )

    def token(self, request: HttpRequest, id: str) -> HttpResponse:
        """Make, replace or withdraw the person's token; a new key is shown in this answer alone."""
        person, by, key = self._person(request, id), cast(User, request.user), ""
        if request.method == "POST":
            with transaction.atomic():
                User.objects.select_for_update(no_key=True).get(pk=person.pk)
                if Token.objects.filter(user=person).delete()[0]:
                    CustodyEvent.objects.append("token_deleted", person, by=by)
                if request.POST.get("step") == "make":
                    key = Token.objects.create(user=person).key
                    CustodyEvent.objects.append("token_created", person, by=by)
        has_one = Token.objects.filter(user=person).exists()
        return self._once(
            request,
            person,
            title="Token for the API",
            text="A program that screens for this person sends it. The key is shown once, when it"
            " is made; a new one ends the old.",
            secret=key,
            steps=[
                ("make", "Replace the token" if has_one else "Make a token"),
                *([("withdraw", "Withdraw the token")] if has_one else []),
            ],
        )

    def reset(self, request: HttpRequest, id: str) -> HttpResponse:
        """Take away the second steps of somebody who lost theirs."""
        person = self._person(request, id)
        if request.method == "POST":
            factors.reset(person, by=cast(User, request.user))
            self.message_user(request, "The second steps are reset, and every session ended.")
            return redirect("admin:auth_user_change", person.pk)
        return self._once(
            request,
            person,
            title="Reset the second steps",
            text="For somebody who lost the app, the passkeys and the recovery codes: all of them"
            " go, and every session of the person ends. See first that it is really them who asks;"
            " at the next log-in they set up a new one. Nobody resets their own.",
            secret="",
            steps=[("reset", "Reset")],
        )

    def _person(self, request: HttpRequest, id: str) -> User:
        if not id.isdecimal() or len(id) > 9:
            raise Http404
        person = get_object_or_404(User, pk=int(id))
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        return person

    def _once(self, request: HttpRequest, person: User, **more: Any) -> HttpResponse:
        context = self.admin_site.each_context(request) | {"opts": self.opts, "original": person}
        return TemplateResponse(request, "admin/shown_once.html", context | more)


RIGHTS = {"active": "is_active", "staff": "is_staff"}


@admin.register(TokenProxy)
class TokensAdmin(ToLookAt):
    """Who has a token, since when. Keys are shown nowhere; a token is changed at its person."""

    look = USER_MANAGE
    list_display = ["person", "created"]
    list_display_links = None
    list_select_related = ["user"]
    ordering = ["user__username"]

    @admin.display(description="Person")
    def person(self, token: TokenProxy) -> str:
        address = reverse("admin:auth_user_token", args=[token.user_id])
        return format_html('<a href="{}">{}</a>', address, token.user)

    def get_object(self, *args: Any, **kwargs: Any) -> None:
        """No page of its own: its address would be the key."""
