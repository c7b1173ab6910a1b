"""My cases: what one works on, has on hold, was handed or can still undo; for leads, all leases."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from moderation.permissions import CASE_OPEN, DECIDE, DECIDE_FINAL
from moderation.review import answers, keeping, queue

from .people import person_of


@require_safe
@never_cache
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def my_cases(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    leads = user.has_perm(DECIDE_FINAL)
    return render(
        request,
        "moderation/my_cases.html",
        {
            "kept": keeping.kept_by(user),
            "answered": answers.waiting(by=user).order_by("-pk"),
            "others": keeping.held_by_others(user) if leads else [],
            "most": keeping.SHOWN,
            "decided": keeping.decided_lately(user),
            "leads": leads,
            "now": queue.database_now(),
        },
    )
