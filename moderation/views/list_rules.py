"""The rules of one list: how near counts, and how many of its matches are reviewed."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from moderation import tasks
from moderation.forms.list_rules import ListRulesForm
from moderation.hash_lists import changing
from moderation.models import HashList
from moderation.permissions import LIST_MANAGE

from .people import person_of


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(LIST_MANAGE, raise_exception=True)
def list_rules(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the rules and change them; what a looser one makes due is scanned by itself."""
    row = get_object_or_404(HashList, slug=slug)
    form = ListRulesForm(request.POST or None, hash_list=row)
    if request.method == "POST" and form.is_valid():
        changing.change(row, by=person_of(request), **form.rules())
        tasks.notice_lists()
        messages.success(
            request, f"The rules of {slug} are as you said. What that makes due is scanned now."
        )
        return redirect("moderation:hash_list", slug=slug)
    status = 400 if request.method == "POST" else 200
    return render(request, "moderation/list_rules.html", {"list": row, "form": form}, status=status)
