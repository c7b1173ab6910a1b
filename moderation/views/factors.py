"""One's own account: second factors. Each change asks for the password again after five minutes,
and leaves a custody event in the same transaction.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from moderation.models import FetchGrant, Grant, Training
from moderation.models.person import Contrast, TextSize, Theme
from moderation.people import factors, sessions

from .people import person_of

ACCOUNT = reverse_lazy("mfa_index")


@require_safe
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """My account: second steps and sessions, and what can be done about them."""
    mine = Authenticator.objects.filter(user=person_of(request)).order_by("created_at")
    codes = mine.filter(type=Authenticator.Type.RECOVERY_CODES).first()
    return render(
        request,
        "account/account.html",
        {
            "app": mine.filter(type=Authenticator.Type.TOTP).first(),
            "passkeys": mine.filter(type=Authenticator.Type.WEBAUTHN),
            "codes": codes,
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "required": settings.MFA_REQUIRED,
            "sessions": sessions.of(person_of(request)),
            "looks": [
                ("theme", "Colours", Theme),
                ("contrast", "Contrast", Contrast),
                ("text_size", "Size of text", TextSize),
            ],
            "this": request.session.session_key,
            "idle_minutes": settings.IDLE_MINUTES,
            "grants": Grant.objects.live().filter(person=person_of(request)).order_by("ends_at"),
            "fetch_grants": FetchGrant.objects.live()
            .filter(person=person_of(request))
            .order_by("ends_at"),
            "trainings": Training.objects.valid().filter(person=person_of(request)),
        },
    )


@require_safe
def set_up(request: HttpRequest) -> HttpResponse:
    """Where a person without a second factor is led: choose one."""
    if factors.has_one(person_of(request)):
        return redirect(ACCOUNT)
    return render(request, "account/set_up.html")


def one_at_a_time(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Run the view in a transaction; what a person sends while it runs waits, and looks anew."""

    @wraps(view)
    def waiting(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with transaction.atomic():
            if request.method == "POST":
                User.objects.select_for_update(no_key=True).get(pk=person_of(request).pk)
            return view(request, *args, **kwargs)

    return waiting


@method_decorator((never_cache, one_at_a_time), name="dispatch")
# The QR code is drawn into the page itself: nothing keeps a file of the key.
@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")
class AddApp(ActivateTOTPView):
    template_name = "account/add_app.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        person = person_of(self.request)
        factor = Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)
        # Each code works once: this one is used up by the set-up and opens no log-in as well.
        factor.wrap().validate_code(form.cleaned_data["code"])
        factors.note_added(self.request, factor, by=person)
        return answer


@method_decorator((never_cache, one_at_a_time), name="dispatch")
class AddPasskey(AddWebAuthnView):
    template_name = "account/add_passkey.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        person = person_of(self.request)
        passkeys = Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN)
        factors.note_added(self.request, passkeys.latest("pk"), by=person)
        return answer


@method_decorator((never_cache, one_at_a_time), name="dispatch")
class RemoveApp(DeactivateTOTPView):
    template_name = "account/remove_app.html"
    success_url = ACCOUNT

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        mine = Authenticator.objects.filter(user=person_of(request))
        if not mine.filter(type=Authenticator.Type.TOTP).exists():
            messages.info(request, "No app is set up: there is none to remove.")
            return redirect(ACCOUNT)
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        factors.note_removed(self.authenticator, by=person_of(self.request))
        return answer


@method_decorator((never_cache, one_at_a_time), name="dispatch")
class RemovePasskey(RemoveWebAuthnView):
    template_name = "account/remove_passkey.html"
    success_url = ACCOUNT

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.get_object()  # what is not one's own is not there, before anything is asked for
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        adapter = factors.FactorAdapter()
        if not adapter.can_delete_authenticator(self.object):
            form.add_error(None, adapter.validation_error("cannot_delete_authenticator"))
            refused: HttpResponse = self.form_invalid(form)
            return refused
        answer: HttpResponse = super().form_valid(form)
        factors.note_removed(self.object, by=person_of(self.request))
        return answer


@method_decorator((never_cache, one_at_a_time), name="dispatch")
class RenewCodes(GenerateRecoveryCodesView):
    """New codes in place of those that the page was about: others were made, and shown, since."""

    template_name = "account/renew_codes.html"

    def form_valid(self, form: Any) -> HttpResponse:
        if self.request.POST.get("replaces", "") != self._present():
            messages.info(
                self.request,
                "Your recovery codes were renewed in the meantime. Nothing was changed.",
            )
            return redirect(ACCOUNT)
        answer: HttpResponse = super().form_valid(form)
        factors.note_renewed(by=person_of(self.request))
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"replaces": self._present()}

    def _present(self) -> str:
        """Which codes there are, as the page says it; empty for none."""
        mine = Authenticator.objects.filter(user=person_of(self.request))
        codes = mine.filter(type=Authenticator.Type.RECOVERY_CODES).first()
        return str(codes.pk) if codes else ""


@method_decorator((never_cache, transaction.atomic), name="dispatch")
class Codes(ViewRecoveryCodesView):
    """The recovery codes, shown once: to one request of several at once, and not for its head."""

    template_name = "account/recovery_codes.html"
    http_method_names = ["get"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        User.objects.select_for_update(no_key=True).get(pk=person_of(self.request).pk)
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context
