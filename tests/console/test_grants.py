"""What lies outside one's grants is not there: 404 at each address that names it, and no word of it
on any page, in any file or answer. Generated from the URL conf: a new address is asked too."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client

from moderation.models import Case, Grant
from moderation.permissions import ROLES
from moderation.review import holding, queue
from reports import exporting
from reports.models import Report, ReportRefused
from tests.access.addresses import PLACEHOLDER, Line, Objects, routes
from tests.access.test_addresses import client_of
from tests.moderation.review.making import answer, make_case, settled
from tests.reports.making import approved, confirmed_case

pytestmark = pytest.mark.django_db

# What the first word of an address with an object names: something of a case, found by a grant; a
# ticket, which is of one person and session: see tests/moderation/test_grants.py ...
OF_A_CASE = {"cases", "reports"}
A_TICKET = {"previews"}
# ... or something that is of no harm class: people, sources, lists and what is built for revisions.
OF_NO_CASE = {
    *("account", "team", "password", "views", "admin"),
    *("datasets", "scans", "hash-lists", "manifests"),
}
WITH_OBJECTS = OF_NO_CASE - {"password", "views", "admin"}  # pages of what is of no case
OUTSIDE, INSIDE = "adult_intimate", "csam"
REFUSED = (403, 405)  # no capability, or no such method: said before anything is looked up


@dataclass(frozen=True)
class Cast:
    """One person a role, each with grants for every class but one."""

    people: dict[str, User]
    clients: dict[str, Client]

    def of(self, role: str) -> Client:
        return self.clients[role]


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    settings.IDLE_MINUTES = 600


@pytest.fixture
def cast(person: Callable[..., User]) -> Cast:
    people = {role: person(role, role) for role in ROLES}
    return Cast(people, {role: client_of(user) for role, user in people.items()})


@pytest.fixture
def others(person: Callable[..., User]) -> tuple[User, User]:
    return person("first", "reviewer"), person("second", "reviewer")


def narrow(cast: Cast) -> None:
    """From now on nobody of the cast holds a grant for the class outside."""
    mine = Grant.objects.filter(person__in=cast.people.values())
    classes = [name for name in mine.values_list("harm_classes", flat=True)[0] if name != OUTSIDE]
    mine.update(harm_classes=classes)


def named() -> list[str]:
    """The routes that name an object of a case."""
    return [route for route in routes() if PLACEHOLDER.search(route) and _first(route) in OF_A_CASE]


def _first(route: str) -> str:
    return route.split("/")[0]


def test_of_each_address_with_an_object_it_is_known_what_it_names() -> None:
    words = {_first(route) for route in routes() if PLACEHOLDER.search(route)}
    unknown = words - OF_A_CASE - A_TICKET - OF_NO_CASE
    assert not unknown, "Say above whether these name something of a case."
    assert words >= OF_A_CASE | A_TICKET


def test_what_is_named_is_not_there_outside_the_grants(
    cast: Cast, others: tuple[User, User], person: Callable[..., User]
) -> None:
    """Whoever is not refused for their role reaches it with the grant, and gets 404 without.

    Who takes an own answer back, of which they know, is told that they no longer may.
    """
    objects = Objects(first=others[0], second=others[1], somebody=person("somebody", "reviewer"))
    case = Case.objects.get(pk=objects.values["cases"]["pk"])
    parts = {
        "review": answer(case, cast.people["reviewer"], "ESCALATE").pk,
        "entry": case.flags.get().entry_id,
        "level": 1,
    }
    lines = [Line(route, "there", method) for route in named() for method in ("GET", "POST")]

    def ask(line: Line, role: str) -> int:
        with transaction.atomic():  # whatever it changes is taken back
            way = getattr(cast.of(role), line.method.lower())
            status: int = way(objects.address(line), parts).status_code
            transaction.set_rollback(True)
        return status

    with_grant = {(line, role): ask(line, role) for line in lines for role in ROLES}
    Case.objects.update(harm_class=OUTSIDE)
    narrow(cast)
    passed = {key: said for key, said in with_grant.items() if said not in REFUSED}
    own = {(line, "reviewer") for line in lines if line.route.endswith("/undo/")}
    assert own & passed.keys()
    for line, role in passed:
        told = 302 if (line, role) in own and line.method == "POST" else 404
        assert ask(line, role) == told, (line, role)
    found = {line.route for (line, _), said in passed.items() if said != 404}
    assert found == set(named()), "An address that nobody finds anything at proves nothing."


@pytest.fixture
def outside(cast: Cast, others: tuple[User, User]) -> tuple[set[int], set[int]]:
    """Cases of the class outside in every state, and their reports; numbers far from all others."""
    first, second = others
    count_from(7_000_001, Case)
    count_from(8_000_001, Report)
    make_case(priority=99)
    settled(make_case(priority=97), first, "REMOVE_KNOWN")
    settled(make_case(priority=96), first, "ESCALATE")
    confirmed_case(first, second)
    told = confirmed_case(first, second)
    approved(told, by=cast.people["reporter"], composer=_composer(others))
    kept = queue.claim(make_case(near=True, priority=98), by=first)
    holding.hold(kept, by=first, token=kept.lease_token, hours=2, reason="asked", draft={})
    Case.objects.update(harm_class=OUTSIDE)
    narrow(cast)
    return {case.pk for case in Case.objects.all()}, {row.pk for row in Report.objects.all()}


def pages_with_objects(somebody: User) -> list[str]:
    """The addresses of what is of no case, each with an object that there is."""
    first, second = [User.objects.get(username=name) for name in ("first", "second")]
    objects = Objects(first=first, second=second, somebody=somebody)
    Case.objects.update(harm_class=OUTSIDE)  # those that came with the objects, too
    return [
        objects.address(Line(route, "there", "GET"))
        for route in routes()
        if PLACEHOLDER.search(route) and _first(route) in WITH_OBJECTS
    ]


def _composer(others: tuple[User, User]) -> User:
    others[0].groups.add(Group.objects.get(name="reporter"))
    return User.objects.get(pk=others[0].pk)


def count_from(number: int, model: type[Case | Report]) -> None:
    """Let the rows of a table be numbered from here, so that they stand out in any text."""
    with connection.cursor() as cursor:
        table = model._meta.db_table
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, number])


def test_no_page_list_or_answer_names_it(
    cast: Cast, outside: tuple[set[int], set[int]], person: Callable[..., User]
) -> None:
    """Each address, as it is; without an object also asked for every number that it might take."""
    cases, reports = outside
    queries: list[dict[str, str]] = [{}, {"state": "closed"}]
    queries += [dict.fromkeys(ASKED, str(number)) for number in (max(cases), max(reports))]
    found, reached = [], set()
    for address in pages_with_objects(person("somebody", "reviewer")):
        for role in set(ROLES) - {"auditor"}:
            answer = cast.of(role).get(address)
            told = numbers_in(answer)
            if answer.status_code == 200:
                reached.add(address.split("/")[1])
            if told & {row.pk for model in (Case, Report) for row in model.objects.all()}:
                found.append((address, role, {}))
    assert reached >= {"datasets", "hash-lists", "scans", "team"}
    for route in routes():
        # The audit and the back room show ids and codes, to those who answer no cases.
        if PLACEHOLDER.search(route) or _first(route) in ("admin", "audit"):
            continue
        for role in set(ROLES) - {"auditor"}:
            client = cast.of(role)
            for query in queries:
                told = numbers_in(client.get(f"/{route}", query), but=query)
                if told & (cases | reports):
                    found.append((route, role, query))
    assert found == []


ASKED = ("q", "case", "report", "after", "before", "number", "object")


def numbers_in(answer: HttpResponse, *, but: dict[str, str] | None = None) -> set[int]:
    """The long numbers of an answer, less those that stand in it as they were asked for."""
    body = answer.content.decode("utf-8", "replace")
    for value in (but or {}).values():
        body = body.replace(f'value="{value}"', "").replace(f"={value}", "")
    return {int(number) for number in re.findall(r"\d{7,}", body.replace(",", ""))}


def test_with_the_grant_the_same_pages_do_name_it(
    cast: Cast, outside: tuple[set[int], set[int]]
) -> None:
    """So the test above would see it."""
    cases, reports = outside
    for person in cast.people.values():
        Grant.objects.filter(person=person).update(harm_classes=[OUTSIDE])
    for role, address in (
        ("reviewer", "/queue/"), ("lead", "/my-cases/"), ("reporter", "/reports/"),
    ):  # fmt: skip
        assert numbers_in(cast.of(role).get(address)) & (cases | reports), address


def test_next_takes_nothing_outside(cast: Cast, outside: tuple[set[int], set[int]]) -> None:
    for role in ("reviewer", "lead"):
        assert cast.of(role).post("/queue/next/")["Location"] == "/queue/"
        assert queue.claim_next(by=cast.people[role]) is None
    case = make_case(harm_class=INSIDE)
    assert cast.of("reviewer").post("/queue/next/")["Location"] == f"/cases/{case.pk}/"


def test_no_file_is_made_of_it(cast: Cast, outside: tuple[set[int], set[int]]) -> None:
    report = Report.objects.get(state=Report.State.APPROVED)
    client = cast.of("reporter")
    form = {"report": report.pk, "kind": "whole", "format": "json", "purpose": "To file it."}
    assert client.get("/reports/export/", {"report": report.pk}).status_code == 404
    assert client.post("/reports/export/file/", form).status_code == 404
    with pytest.raises(ReportRefused):
        exporting.export(
            [report], by=cast.people["reporter"], purpose="x", format="json", whole=True
        )
    Grant.objects.update(harm_classes=[OUTSIDE])
    assert client.post("/reports/export/file/", form).status_code == 200
