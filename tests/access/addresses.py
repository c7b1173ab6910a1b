"""Every address of the URL conf, its objects filled in, as whoever asks would write it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db.models import Model
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from model_bakery import baker

from moderation.models import Dispute, FetchGrant, LegalBasis, SavedView
from moderation.permissions import ROLES
from reports.models import Report
from tests.moderation.review.making import make_case
from tests.moderation.views import rows
from tests.reports.making import confirmed_case, draft_of

WHO = ("anonymous", "no_role", *ROLES)
METHODS = ("GET", "POST", "DELETE")  # the last stands for every other
SHORT = ("GET", "POST")  # of the admin, whose views are Django's, and where there is no object
PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+)>")
# Of Django's admin: what is said of all applications at once, and its page for what is not there.
AS_REGEX = {"(?P<app_label>": "admin/moderation/", "(?P<url>": "admin/nothing/"}
NOT_THERE = {"slug": "nothing", "ticket": "nothing", "uidb64": "MQ", "token": "nothing"}


@dataclass(frozen=True)
class Line:
    """One line of the table: a route, whether its object exists, and a method."""

    route: str
    object: str
    method: str


def routes() -> list[str]:
    """Return every route of the URL conf in its order, each once."""
    return list(dict.fromkeys(_walk(get_resolver(), "")))


def lines() -> list[Line]:
    """Return what is asked for: routes with an object once with one and once without."""
    found = []
    for route in routes():
        admin = route.startswith("admin/")
        objects = ["there"] if PLACEHOLDER.search(route) else ["-"]
        if objects == ["there"] and not admin:
            objects.append("nowhere")
        if "<str:ticket>" in route:
            objects = ["nowhere"]  # a ticket is of one person and session: see test_previews
        for each in objects:
            short = admin or each == "nowhere"
            found += [Line(route, each, method) for method in (SHORT if short else METHODS)]
    return found


def _walk(resolver: URLResolver, before: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, route)
        else:
            yield route


class Objects:
    """A row of everything that an address can name."""

    def __init__(self, *, first: User, second: User, somebody: User) -> None:
        revision = rows.revision()
        report = draft_of(confirmed_case(first, second))
        hash_list = rows.hash_list()
        self.somebody = somebody
        self.report: Report = report
        self.of_reports = {"pk": report.pk, "item": report.items.get().pk}
        self.values: dict[str, dict[str, Any]] = {
            "account": {"pk": baker.make(Authenticator, user=somebody, type="webauthn").pk},
            "team": {"pk": somebody.pk},
            "cases": {"pk": make_case().pk},
            "datasets": {"pk": revision.pk},
            "scans": {"pk": rows.scan(revision).pk},
            "hash-lists": {"slug": hash_list.slug, "pk": hash_list.known_hashes.first().pk},
            "manifests": {"pk": rows.manifest(revision).pk},
            "reports": self.of_reports,
            "views": {"pk": baker.make(SavedView, page="audit", owner=somebody, shared=True).pk},
            "password": {
                "uidb64": urlsafe_base64_encode(force_bytes(somebody.pk)),
                "token": default_token_generator.make_token(somebody),
            },
        }
        self.dispute = Dispute.objects.create(
            known_hash=hash_list.known_hashes.first(),
            decision=report.case.decisions.get(),
            disabled=False,
        )
        now = timezone.now()
        self.fetching = FetchGrant.objects.create(
            person=somebody, starts_at=now, ends_at=now + timedelta(days=1)
        )
        LegalBasis.objects.create(
            basis="agreement 7", jurisdiction="GB", officer="Officer", until="2099-01-01T00:00Z"
        )

    def address(self, line: Line) -> str:
        """Return the address of a line of the table."""
        for mark, address in AS_REGEX.items():
            if mark in line.route:
                return f"/{address}"
        values = self._values(line.route) if line.object == "there" else {}

        def filled(match: re.Match[str]) -> str:
            name = match[1]
            return str(values[name] if values else NOT_THERE.get(name, 10**12))

        return "/" + PLACEHOLDER.sub(filled, line.route)

    def _values(self, route: str) -> dict[str, Any]:
        parts = route.split("/")
        if parts[0] == "admin":
            number = self._of_admin(parts[1:3])
            return dict.fromkeys(("object_id", "id", "content_type_id"), number)
        if parts[:2] == ["team", "grants"]:
            return {"pk": self.somebody.grants.get().pk}
        if parts[:2] == ["team", "fetching"]:
            return {"pk": self.fetching.pk}
        if parts[:2] == ["team", "trainings"]:
            return {"pk": self.somebody.trainings.get().pk}
        if parts[:2] == ["hash-lists", "disputes"]:
            return {"pk": self.dispute.pk}
        if parts[:2] == ["reports", "cases"]:
            return {"pk": self.report.case_id}
        return self.values[parts[0]]

    def _of_admin(self, words: list[str]) -> object:
        """The number of a row of a model that the admin shows, made where there is none."""
        from django.apps import apps

        if words[0] == "r":
            return self.somebody.pk
        model: type[Model] = apps.get_model(*words)
        row = model._base_manager.first() or baker.make(model)
        return row.pk
