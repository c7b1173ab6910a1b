"""A password is chosen by its person alone: by a link that works once, or knowing the present one.

Either leaves a custody event, in the person's own name.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from moderation.models import CustodyEvent


class ChoosePassword(auth_views.PasswordResetConfirmView):
    """Behind the link that an operator made: dead once used, and after PASSWORD_RESET_TIMEOUT."""

    template_name = "registration/choose_password.html"

    def get_user(self, uidb64: str) -> User | None:
        """Whom the link is for; nobody while they are switched off."""
        person = super().get_user(uidb64)
        return person if person is not None and person.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        token = self.request.session.pop(auth_views.INTERNAL_RESET_SESSION_TOKEN, "")
        with transaction.atomic():
            # Locked and asked again: of two uses at once only the first finds the link alive.
            person = User.objects.select_for_update(no_key=True).get(pk=form.user.pk)
            if not self.token_generator.check_token(person, token):
                self.validlink = False
                return self.render_to_response(self.get_context_data())
            form.user = person
            form.save()
            CustodyEvent.objects.append("password_set", person, by=person, after={"by_link": True})
        return redirect("login")


class PresentPassword(PasswordChangeForm):
    """The present password is asked for as at the log-in: wrong ones are counted, and lock."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        given: str = self.cleaned_data["old_password"]
        shown = authenticate(self.request, username=self.user.get_username(), password=given)
        if shown is None or shown.pk != self.user.pk:
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return given

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        new = said.get("new_password1")
        if new and new == said.get("old_password"):
            self.add_error("new_password1", "That is the password you have now: choose another.")
        return said


class ChangePassword(auth_views.PasswordChangeView):
    """One's own password, knowing the present one."""

    form_class = PresentPassword
    template_name = "registration/change_password.html"
    success_url = "/"

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            # Locked and asked again: of two changes at once the second no longer knows it.
            person = User.objects.select_for_update(no_key=True).get(pk=form.user.pk)
            if not person.check_password(form.cleaned_data["old_password"]):
                form.add_error("old_password", form.error_messages["password_incorrect"])
                return self.form_invalid(form)
            form.user = person
            answer = super().form_valid(form)
            CustodyEvent.objects.append(
                "password_set", form.user, by=form.user, after={"by_link": False}
            )
        messages.success(self.request, "Your password is changed.")
        return answer
