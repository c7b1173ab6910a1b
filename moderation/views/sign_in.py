"""Signing in at the identity provider; without one in the settings nothing is here."""

from typing import Any

from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from moderation.people import identities, signing_in


@require_safe
@never_cache
@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """Go to the identity provider."""
    _see_that_offered()
    return signing_in.begin(request, then=request.GET.get("next", "/"))


@require_safe
@never_cache
@login_not_required
def signed_in(request: HttpRequest) -> HttpResponse:
    """Back from the identity provider, with a code or with an error."""
    _see_that_offered()
    view: Any = OAuth2CallbackView.adapter_view(signing_in.ProviderAdapter)
    answer: HttpResponse = view(request)
    return answer


def _see_that_offered() -> None:
    if not identities.offered():
        raise Http404
