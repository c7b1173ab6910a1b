"""``python -m benchmarks.queue``: the next case and the pages of the queue, by the queue's length.

Two databases on one server, a short queue and a long one; each page is asked for in both by
turns, through Django and all of its middleware. Clock time, as the database's work is the subject.
A page that takes more queries with the long queue than with the short one ends the run.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import cases
from benchmarks.database import own_database
from benchmarks.table import Goal, Results, Row, subject, took

SHORT = 1_000
GOAL = Goal(1.5, 1.1, fewer=True)
Page = Callable[[Any, int], object]  # a client, and the number of a case that is open


def measure(quick: bool) -> Results:
    """Return the figures; ``quick``: 20 k cases instead of 1 M."""
    long, repeats = (20_000, 30) if quick else (1_000_000, 200)
    results = Results()
    with own_database():
        from django.db import connections

        with two(connections["default"], SHORT, long) as (short_one, long_one):
            for what, page, goal in pages():
                times = _in_turns(page, short_one, long_one, repeats=repeats)
                (short, few), (lots, many) = times
                if few != many:
                    raise SystemExit(
                        f"{what}: {few} queries at {SHORT:,} cases, {many} at {long:,}"
                    )
                results.rows.append(
                    Row(
                        f"{what}, p95, {many} queries",
                        f"{long:,} cases in work against {SHORT:,}",
                        took(lots),
                        took(short),
                        lots / short,
                        goal,
                    )
                )
    results.notes.append(
        "Queue: the peer is the same page with 1,000 cases in work; clock time, database included."
    )
    return results


def pages() -> list[tuple[str, Page, Goal]]:
    """What is asked for, in the words of the table."""
    queue = "/queue/"
    return [
        ("next case: claim, then release", _next, GOAL),
        ("queue page", _get(queue), GOAL),
        ("queue page, anywhere in it", _get(f"{queue}?after={{pk}}"), GOAL),
        ("case page", _get("/cases/{pk}/"), GOAL),
        ("overview", _get("/"), GOAL),
        ("queue page, one triage", _get(f"{queue}?triage=standard"), Goal()),
        ("queue page, with leads", _get(f"{queue}?state=disputed"), Goal()),
        ("queue page, near only", _get(f"{queue}?match=near"), Goal()),
        ("queue page, one list", _get(f"{queue}?list=3"), Goal()),
        ("queue page, one revision", _get(f"{queue}?revision=5"), Goal()),
    ]


@contextmanager
def two(connection: Any, short: int, long: int) -> Iterator[list[tuple[Any, Any, int]]]:
    """Make both databases and yield of each: its connection, a logged-in client, its cases."""
    from django.db import connections
    from django.test import Client

    name = connection.settings_dict["NAME"]
    made = cases.people()[0]
    connection.close()  # a template has no visitors
    both = []
    for count in (short, long):
        one = connection.copy()
        one.settings_dict["NAME"] = f"{name}_{count}"
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}_{count}" TEMPLATE "{name}"')
        connections["default"] = one
        cases.fill(count)
        client = Client(SERVER_NAME="localhost")
        client.force_login(made)
        both.append((one, client, count))
    try:
        yield both
    finally:
        for one, _, _ in both:
            one.close()
        connections["default"] = connection


def _in_turns(page: Page, *both: Any, repeats: int) -> list[tuple[float, int]]:
    """Return of each database the 95th percentile in seconds and the number of queries."""
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    spent: list[list[float]] = [[] for _ in both]
    queries = [0] * len(both)
    for turn in range(-3, repeats):
        for number, (one, client, count) in enumerate(both):
            connections["default"] = one
            pk = (550 + max(turn, 0) * 700) % count  # another case each time, of the same kind
            if turn == -1:
                with CaptureQueriesContext(one) as captured:
                    page(client, pk)
                queries[number] = len(captured)
                continue
            begin = time.perf_counter()
            page(client, pk)
            if turn >= 0:
                spent[number].append(time.perf_counter() - begin)
    return [
        (sorted(seconds)[int(repeats * 0.95) - 1], asked)
        for seconds, asked in zip(spent, queries, strict=True)
    ]


def _get(address: str) -> Page:
    def page(client: Any, pk: int) -> None:
        answer = client.get(address.format(pk=pk))
        if answer.status_code != 200:
            raise SystemExit(f"{address} answers {answer.status_code}")

    return page


def _next(client: Any, pk: int) -> None:
    from moderation.models import Case

    answer = client.post("/queue/next/")
    number = int(answer.url.split("/")[2])
    token = Case.objects.values_list("lease_token", flat=True).get(pk=number)
    if client.post(f"/cases/{number}/release/", {"token": token}).url != "/queue/":
        raise SystemExit("the case was not released")


if __name__ == "__main__":
    subject(measure, __doc__)
