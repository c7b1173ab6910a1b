"""``python -m benchmarks.queue``: the next case and the pages of the queue, by the queue's length.

Two databases on one server, a short queue and a long one; each page is asked for in both by
turns, through Django and all of its middleware. Clock time, as the database's work is the subject.
A page that takes more queries with the long queue than with the short one ends the run, but for
those of the second way to a filtered page, which only a long queue needs (``review.filtering``).
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import cases
from benchmarks.database import own_database
from benchmarks.table import Goal, Results, Row, subject, took

SHORT = 1_000
GOAL = Goal(1.5, 1.1, fewer=True)
SECOND_WAY = 5  # its statements, however long the queue
ALIKE = 50  # a case with the same matches in every database
Both = tuple[Any, Any, int]  # a connection, a logged-in client, the number of cases
Page = Callable[[Any, int], object]  # a client, and the number of a case that is open


def measure(quick: bool) -> Results:
    """Return the figures; ``quick``: 20 k cases instead of 1 M."""
    long, repeats = (20_000, 20) if quick else (1_000_000, 100)
    results = Results()
    with own_database():
        from django.db import connections

        with two(connections["default"], SHORT, long) as both:
            queries = {
                what: _queries(what, page, both, filtered=goal.least is None)
                for what, page, goal in pages()
            }
            for what, page, goal in pages():
                times = repeats if goal.least else repeats // 4
                short, lots = _in_turns(page, both, repeats=times)
                results.rows.append(
                    Row(
                        f"{what}, p95, {queries[what]} queries",
                        f"{long:,} cases in work against {SHORT:,}",
                        took(lots),
                        took(short),
                        lots / short,
                        goal,
                    )
                )
                print(results.rows[-1].cells(), file=sys.stderr, flush=True)
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
        ("queue page, a distance of one list", _get(f"{queue}?list=3&distance=21"), Goal()),
        ("queue page, late in the order", _get(f"{queue}?triage=harm_other&link=unknown"), Goal()),
        ("queue page, what no case fits", _get(f"{queue}?list=3&link=gone"), Goal()),
        ("queue page, two that exclude", _get(f"{queue}?list=1&trust=trial"), Goal()),
        ("queue page, held and old", _get(f"{queue}?who=held&age=oldest"), Goal()),
        ("queue page, overdue of a size", _get(f"{queue}?due=over&entries=2"), Goal()),
    ]


@contextmanager
def two(connection: Any, short: int, long: int) -> Iterator[list[Both]]:
    """Make both databases and yield of each: its connection, a logged-in client, its cases."""
    from django.db import connections
    from django.test import Client

    name = connection.settings_dict["NAME"]
    made = cases.people()[0]
    connection.close()  # a template has no visitors
    both: list[Both] = []
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


def _queries(what: str, page: Page, both: list[Both], *, filtered: bool) -> int:
    """Return how many queries a page takes, once warm; of a case that is alike in both.

    Raises SystemExit where a long queue takes more.
    """
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    counts = []
    for one, client, _ in both:
        connections["default"] = one
        page(client, ALIKE)
        with CaptureQueriesContext(one) as captured:
            page(client, ALIKE)
        counts.append(len(captured))
    more = counts[1] - counts[0]
    if more and not (filtered and more == SECOND_WAY):
        raise SystemExit(f"{what}: {counts} queries, by the length of the queue")
    return max(counts)


def _in_turns(page: Page, both: list[Both], *, repeats: int) -> list[float]:
    """Return of each database the 95th percentile in seconds."""
    from django.db import connections

    spent: list[list[float]] = [[] for _ in both]
    for turn in range(repeats):
        for seconds, (one, client, count) in zip(spent, both, strict=True):
            connections["default"] = one
            begin = time.perf_counter()
            page(client, (ALIKE + turn * 700) % count)  # another case each time, of the same kind
            seconds.append(time.perf_counter() - begin)
    return [sorted(seconds)[int(repeats * 0.95)] for seconds in spent]


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
