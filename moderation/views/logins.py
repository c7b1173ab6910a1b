"""Logging in: a password, then a second step where the person has one; neither alone is a log-in.

What a person shows in the second step is checked by django-allauth; see `moderation.people.factors`
for what is kept.
"""

from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.mfa.base.views import AuthenticateView
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_safe

from moderation.people import factors, identities


class NameAndPassword(AuthenticationForm):
    """A login no longer than one can be: a longer one is nobody's, and no log has room for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = User._meta.get_field("username").max_length
        self.fields["username"].validators.append(MaxLengthValidator(longest or 0))


class LogIn(auth_views.LoginView):
    """The password; whoever has a second factor goes on to show it, and is not logged in before."""

    form_class = NameAndPassword
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        # Fresh from the password: no need to ask for it again on the way to one's first factor.
        record_authentication(self.request, user, "password", reauthenticated=True)
        login = Login(user=user, redirect_url=self.get_success_url())
        answer: HttpResponse = perform_login(self.request, login)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {
            "password_enough": not settings.MFA_REQUIRED,
            "provider": identities.offered(),
        }


@method_decorator(transaction.atomic, name="post")
class SecondStep(AuthenticateView):
    """A code of the app, a recovery code or a passkey."""

    template_name = "account/second_step.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        factor = getattr(form, "authenticator", None) or form.cleaned_data["credential"]
        factors.note_used(factor, by=self.stage.login.user)
        return answer


@require_safe
@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """The back room has no door of its own: its log-in is everybody's.

    Whoever is logged in and is sent here may not go in.
    """
    if request.user.is_authenticated and not admin.site.has_permission(request):
        raise PermissionDenied
    there = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(there, allowed_hosts=None):
        there = reverse("admin:index")
    if request.user.is_authenticated:
        return redirect(there)
    return redirect(f"{reverse('login')}?{urlencode({'next': there})}")
