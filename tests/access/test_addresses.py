"""Each role at each address by each method: the answer is what the table beside this file says.

The table is written anew, to be read before it is committed, by

    ACCESS_TABLE=write make test T=tests/access
"""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from moderation.models import Entry
from tests.access.addresses import WHO, Line, Objects, lines, routes
from tests.moderation.review.making import answer, make_case
from tests.reports.making import confirmed_case, draft_of

TABLE = Path(__file__).with_name("table.txt")
HEAD = """# Who may do what: the answer to each role at each address. A number is the status of the
# answer to a request that says nothing more; "login" sends to the log-in page. DELETE stands for
# whatever is neither GET nor POST; "nowhere" is an object that is not there. Written by
#     ACCESS_TABLE=write make test T=tests/access
"""
COLUMNS = ("method", "object", "address", *WHO)


def as_text(answers: dict[Line, list[str]]) -> str:
    """The table in aligned columns."""
    rows = [COLUMNS]
    rows += [(line.method, line.object, f"/{line.route}", *said) for line, said in answers.items()]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    aligned = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
    return HEAD + "".join(f"{line.rstrip()}\n" for line in aligned)


def read() -> dict[Line, list[str]]:
    """The table as it is checked in."""
    text = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in text if not line.startswith("#")]
    assert tuple(rows[0]) == COLUMNS
    return {
        Line(address.removeprefix("/"), what, method): said
        for method, what, address, *said in rows[1:]
    }


def told(answer: HttpResponse) -> str:
    """What one answer comes to."""
    if answer.status_code == 302 and answer["Location"].startswith(("/login/", "/admin/login/")):
        return "login"
    return str(answer.status_code)


def client_of(user: User | None) -> Client:
    """One who asks in the same session whatever an answer says of cookies; nobody without a user.

    One client a person: each new one would load the whole of the middleware.
    """
    if user is None:
        return Client()
    client = Client()
    client.force_login(user)
    session = client.session
    # Input is noted at most so often; what notes it is taken back, so each request would note it.
    session["seen_at"] = (timezone.now() + timedelta(hours=1)).isoformat()
    session.save()
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"
    return Client(headers={"cookie": cookie})


def asked(client: Client, line: Line, address: str) -> str:
    """Ask, and take back whatever that changed."""
    client.cookies.clear()  # of nobody: a session that an answer began
    with transaction.atomic():
        answer = getattr(client, line.method.lower())(address)
        said = told(answer)
        transaction.set_rollback(True)
    return said


def test_every_address_has_its_lines() -> None:
    known = set(read())
    missing = [line for line in lines() if line not in known]
    assert not missing, "No line in tests/access/table.txt; see the head of this file."
    assert not known - set(lines()), "Lines of addresses that are no more."
    assert {line.route for line in known} == set(routes())


@pytest.mark.django_db
def test_every_role_is_answered_as_the_table_says(
    person: Callable[..., User], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "EVIDENCE_URL", tmp_path.as_uri())
    people = {who: person(who, *([] if who == "no_role" else [who])) for who in WHO[1:]}
    objects = Objects(
        first=person("first", "reviewer"), second=person("second", "reviewer"),
        somebody=person("somebody", "reviewer"),
    )  # fmt: skip
    clients = {who: client_of(people.get(who)) for who in WHO}
    answers: dict[Line, list[str]] = {}
    for line in lines():
        address = objects.address(line)
        for who in WHO:
            answers.setdefault(line, []).append(asked(clients[who], line, address))
    if os.environ.get("ACCESS_TABLE") == "write":
        TABLE.write_text(as_text(answers), encoding="utf-8")
    known = read()
    wrong = [
        f"{line.method} /{line.route} ({line.object}), {who}: {said} and not {expected}"
        for line in answers
        for who, said, expected in zip(WHO, answers[line], known[line], strict=True)
        if said != expected
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_is_let_in_without_a_login() -> None:
    """Of the whole table: whoever is not logged in reaches the pages that are for that, alone."""
    refused = ("login", "401", "403", "404", "405")
    reached = {line.route for line, said in read().items() if said[0] not in refused}
    assert reached == {"login/", "password/<uidb64>/<token>/"}


def test_no_answer_is_an_error_of_ours() -> None:
    assert not [
        line for line, said in read().items() if any(each >= "5" for each in said if each.isdigit())
    ]


def test_what_is_not_there_answers_no_role_with_a_page() -> None:
    for line, said in read().items():
        if line.object == "nowhere" and line.route != "password/<uidb64>/<token>/":
            assert set(said) <= {"login", "403", "404", "405"}, line


@pytest.mark.django_db
def test_what_belongs_to_another_object_is_not_there(
    reviewer: User, second_reviewer: User, lead: User, reporter: User,
    login: Callable[[User], Client],
) -> None:  # fmt: skip
    """An address names an object and a part of it: a part of another one is no part."""
    mine, other = make_case(), make_case()
    entry = Entry.objects.get(flag__case=other).pk
    review = answer(other, second_reviewer, "ESCALATE").pk
    reports = [draft_of(confirmed_case(reviewer, second_reviewer)) for _ in range(2)]
    item = reports[1].items.get().pk
    asked = [
        (lead, f"/cases/{mine.pk}/url/", {"entry": entry}),
        (lead, f"/cases/{mine.pk}/caption/", {"entry": entry}),
        (reviewer, f"/cases/{mine.pk}/reveal/", {"entry": entry, "level": 1}),
        (second_reviewer, f"/cases/{mine.pk}/undo/", {"review": review}),
        (reviewer, f"/cases/{other.pk}/undo/", {"review": review}),
        (reporter, f"/reports/{reports[0].pk}/items/{item}/url/", {}),
    ]
    for who, address, form in asked:
        assert login(who).post(address, form).status_code == 404, address
    assert login(lead).post(f"/cases/{other.pk}/url/", {"entry": entry}).status_code == 200
