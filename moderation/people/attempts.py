"""A refused request as the chain of custody tells it: who asked for which page, and why not.

Of its address only the name of the route and the number of its object are kept: never a ticket, a
query or a body.
"""

from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest

from moderation.evidence import refusing

OBJECTS = {  # what the number of an address is the number of, by how its route begins
    "cases/<int:pk>/": "moderation.Case",
    "datasets/<int:pk>/": "moderation.Revision",
    "scans/<int:pk>/": "moderation.Scan",
    "hash-lists/disputes/<int:pk>/": "moderation.Dispute",
    "hash-lists/known/<int:pk>/": "moderation.KnownHash",
    "manifests/<int:pk>/": "moderation.Manifest",
    "reports/cases/<int:pk>/": "moderation.Case",
    "reports/<int:pk>/": "reports.Report",
    "team/fetching/<int:pk>/": "moderation.FetchGrant",
    "team/grants/<int:pk>/": "moderation.Grant",
    "team/trainings/<int:pk>/": "moderation.Training",
    "team/<int:pk>/": "auth.User",
}
LARGEST = 2**63 - 1  # of a number that a row can have


def note(request: HttpRequest, *, because: str) -> None:
    """Record a refused request of somebody who is signed in; of anybody else nothing is kept."""
    match = request.resolver_match
    if match is None or not isinstance(request.user, User):
        return
    subject = _named(request) or request.user
    tried = match.url_name or match.route
    refusing.note(subject, by=request.user, tried=tried, because=because)


def names_an_object(request: HttpRequest) -> bool:
    """Whether the address has the number of something that there might be."""
    return _named(request) is not None


def _named(request: HttpRequest) -> Model | None:
    """What the address names, whether there is such a row or not."""
    match = request.resolver_match
    number = match.kwargs.get("pk") if match is not None else None
    if match is None or not isinstance(number, int) or number > LARGEST:
        return None
    for begins, label in OBJECTS.items():
        if match.route.startswith(begins):
            return apps.get_model(label)(pk=number)
    return None
