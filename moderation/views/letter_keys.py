"""Single-letter keys, on or off for oneself."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from moderation.models import Person

from .people import person_of


@require_POST
def letter_keys(request: HttpRequest) -> HttpResponse:
    on = request.POST.get("keys") == "on"
    Person.objects.update_or_create(user=person_of(request), defaults={"letter_keys": on})
    messages.success(request, f"Single letters are {'keys again' if on else 'no longer keys'}.")
    return redirect("mfa_index")
