"""``python -m benchmarks.reviewers [--minutes N]``: many reviewers at once in a long queue.

A real gunicorn and worker as in the Procfile, on loopback, and simulated people with real sessions:
each takes the next case, reads its page, renews the lease, keeps a draft, answers, and now and then
sends the answer twice, takes it back, or gives the case back. Afterwards the database must prove
that no case was ever leased twice at a time, that no answer was lost and none counted twice, that
every count is right and the chain intact, and no page may have failed. Then the next case, the
queue and the case page are timed alone, in this queue and in one of a thousand cases
(``benchmarks.queue``): the same queries, and hardly more time. One table at the end; exit code 1
where something does not hold.
"""

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks import cases, machine, page
from benchmarks.database import own_database
from benchmarks.table import Extra, Results, took

SECONDS_TO_START = 120
GRACE = 20  # seconds in which an answer can be taken back
HIDDEN = re.compile(r'name="(token|edit_no|idempotency_key)" value="([^"]*)"')
REVIEW = re.compile(r'name="review" value="(\d+)"')
ANSWERS = ("REMOVE_SUSPECT", "REMOVE_SUSPECT", "KEEP", "ESCALATE")
KEEPS = ("KEEP_FALSE_MATCH", "KEEP_LIST_ERROR")  # of equal files the second
LOCKED = re.compile(
    r'value="([A-Z_]+)"[^>]* disabled'
)  # on the page of a case: answers not offered


@dataclass
class Seen:
    """What one person met."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)  # idempotency key: case
    undone: set[str] = field(default_factory=set)


class Person(threading.Thread):
    """A reviewer at work, until told to stop."""

    def __init__(self, name: str, address: str, *, pause: float, stop: threading.Event) -> None:
        super().__init__(name=name)
        self.address, self.pause, self.stop = address, pause, stop
        self.seen, self.session, self.ready = Seen(), requests.Session(), threading.Event()
        # The server closes a connection that rests for two seconds, perhaps as we speak on it; a
        # browser then asks once more, and here there is nothing that rests.
        self.session.headers["Connection"] = "close"
        self.random = random.Random(name)

    def run(self) -> None:
        """Log in and work, until told to stop; a connection that breaks is a failure of the run."""
        try:
            self.work()
        except requests.RequestException as error:
            self.seen.failed.append(f"no answer: {type(error).__name__}")
        finally:
            self.ready.set()

    def work(self) -> None:
        """Log in, then one case after the other."""
        self.ask("log in: page", "GET", "/login/")
        login = {"username": self.name, "password": cases.PASSWORD}
        accepted = self.ask("log in", "POST", "/login/", login).status_code == 302
        self.ready.set()
        if not accepted:
            self.seen.failed.append("the log-in was refused")
            return
        while not self.stop.is_set():
            self.one_case()

    def one_case(self) -> None:
        """Take the next case and do something with it."""
        if self.random.random() < 0.2:
            self.ask("queue page", "GET", "/queue/")
        place = self.ask("next", "POST", "/queue/next/").headers.get("Location", "")
        if not place.startswith("/cases/"):
            self.seen.failed.append("no next case in a long queue")
            return
        page = self.ask("case page", "GET", place)
        self.wait()
        token = dict(HIDDEN.findall(page.text)).get("token", "")
        self.ask("renew", "POST", f"{place}renew/", {"token": token}, json=True)
        if self.random.random() < 0.1:
            self.ask("release", "POST", f"{place}release/", {"token": token})
            return
        answer = {"answer": self.random.choice(ANSWERS), "reason": "another boat"}
        page = self.ask("draft", "POST", f"{place}claim/", answer)
        self.wait()
        key, answered = self.answer(place, page.text, answer), time.monotonic()
        if key and self.random.random() < 0.15:
            page = self.ask("case page", "GET", place)
            review = REVIEW.search(page.text)
            if review is None:
                if time.monotonic() - answered < GRACE / 2:
                    self.seen.failed.append("the answer cannot be undone")
                return
            done = self.ask("undo", "POST", f"{place}undo/", {"review": review[1]})
            page = self.ask("case page", "GET", place)
            if done.status_code == 302 and HIDDEN.search(page.text):  # else it came too late
                self.seen.undone.add(key)
                self.answer(place, page.text, answer | {"answer": "KEEP"})

    def answer(self, place: str, page: str, answer: dict[str, str]) -> str:
        """Give an answer, sometimes twice; return its key, empty where it was refused."""
        form = dict(HIDDEN.findall(page)) | answer | {"harm_class": "csam", "then": "stay"}
        wanted = KEEPS if form["answer"] == "KEEP" else (form["answer"],)
        open_ones = [each for each in (*wanted, *ANSWERS) if each not in LOCKED.findall(page)]
        form["answer"] = open_ones[0]
        times = 2 if self.random.random() < 0.1 else 1
        said = [self.ask("answer", "POST", f"{place}answer/", form) for _ in range(times)]
        if any(each.status_code != 302 for each in said):
            self.seen.failed.append(f"an answer was refused: {said[-1].status_code}")
            return ""
        self.seen.given[form["idempotency_key"]] = int(place.split("/")[2])
        return form["idempotency_key"]

    def ask(
        self, what: str, method: str, path: str, data: dict[str, str] | None = None,
        *, json: bool = False,
    ) -> requests.Response:  # fmt: skip
        """Ask as a browser does, and note what came of it and how long it took."""
        token = {"csrfmiddlewaretoken": self.session.cookies.get("csrftoken", "")}
        begin = time.perf_counter()
        answer = self.session.request(
            method,
            self.address + path,
            data=(data or {}) | token if method == "POST" else None,
            headers={"Accept": "application/json" if json else "text/html"},
            allow_redirects=False,
            timeout=120,
        )
        self.seen.times[what].append(time.perf_counter() - begin)
        self.seen.statuses[answer.status_code] += 1
        if answer.status_code >= 400:
            self.seen.failed.append(f"{what}: {answer.status_code}")
        return answer

    def wait(self) -> None:
        """Read, or think."""
        self.stop.wait(self.random.uniform(0.5, 1.5) * self.pause)


def main() -> int:
    """Run it and print what was measured and what the database proves."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reviewers", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="default: %(default)s")
    parser.add_argument("--cases", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--reviewers", type=int, default=cases.PEOPLE, help="default: %(default)s")
    parser.add_argument("--pause", type=float, default=4, help="seconds of thought, about")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.minutes, options.cases, options.reviewers = 0.5, 5_000, 10
    os.environ["ANSWER_GRACE_SECONDS"] = str(GRACE)
    os.environ["LOG_LEVEL"] = "WARNING"
    about = machine.described()
    results, wrong = load(options)
    results.add(alone(quick=options.quick))
    results.about = about
    if not options.quick:
        results.save(page.MEASURED / "reviewers.json")
        page.write()
    wrong += [f"{row.what}: too slow" for row in results.rows if row.goal.met(row.value) == "NO"]
    print(f"\n{results.terminal()}\n")
    print("\n".join(wrong) or "No failed page, no case leased twice, no answer lost, counts right.")
    return 1 if wrong else 0


def load(options: argparse.Namespace) -> tuple[Results, list[str]]:
    """Let them work; return what they met, and what speaks against it."""
    with own_database(settings="config.settings.development"):
        print(f"Making {options.cases:,} cases ...", file=sys.stderr)
        people = cases.people()[: options.reviewers]
        cases.fill(options.cases, at_work=False)
        stop = threading.Event()
        with served() as address:
            print(f"{len(people)} reviewers for {options.minutes:g} minutes", file=sys.stderr)
            threads = [
                Person(each.username, address, pause=options.pause, stop=stop) for each in people
            ]
            for each in threads:
                each.start()
            for each in threads:
                each.ready.wait()
            begin = time.monotonic()
            time.sleep(options.minutes * 60)
            stop.set()
            for each in threads:
                each.join()
            spent = time.monotonic() - begin
            time.sleep(GRACE + 5)  # the worker settles what was answered last
        seen = [each.seen for each in threads]
        wrong = [*dict.fromkeys(text for each in seen for text in each.failed), *proven(seen)]
    where = f"{os.cpu_count()} cores for all of it"
    title = f"{options.cases:,} cases, {len(people)} reviewers, {spent:.0f} s, {where}"
    return Results(extras=[table(seen, title)]), wrong


def alone(*, quick: bool) -> Results:
    """Time the pages in a long and in a short queue, in a process of its own: it has a database of
    its own. Raises CalledProcessError where a page takes more queries in the long one."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "pages.json"
        words = [sys.executable, "-m", "benchmarks.queue", "--save", str(saved)]
        words += ["--quick"] if quick else []
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        return Results.read(saved)


def table(seen: list[Seen], title: str) -> Extra:
    """Return a line for each kind of request, and how many had which status."""
    times: dict[str, list[float]] = defaultdict(list)
    for each in seen:
        for what, seconds in each.times.items():
            times[what] += seconds
    rows = [
        [
            what,
            f"{len(all_of):,}",
            *(took(sorted(all_of)[int(len(all_of) * p)]) for p in (0.5, 0.95)),
        ]
        for what, all_of in times.items()
    ]
    statuses = sum((each.statuses for each in seen), Counter[int]())
    rows += [
        [f"status {status}", f"{count:,}", "", ""] for status, count in sorted(statuses.items())
    ]
    return Extra(title, ["request", "times", "p50", "p95"], rows)


def proven(seen: list[Seen]) -> list[str]:
    """Return what the database says against the run; nothing where all is well."""
    from django.db.models import Count, Sum

    from moderation.models import Case, CaseTally, CustodyEvent, Review
    from moderation.review import answers

    answers.settle_due()  # what the worker left
    wrong = list(leased_twice())
    given = {key: case for each in seen for key, case in each.given.items()}
    undone = {key for each in seen for key in each.undone}
    rows = Review.objects.exclude(idempotency_key=None)
    kept = {row.idempotency_key: row for row in rows}
    for key, case in given.items():
        row = kept.get(key)
        if row is None or row.case_id != case or not row.answer:
            wrong.append(f"an answer to case {case} was lost")
        elif (row.ended == Review.Ended.UNDONE) != (key in undone):
            wrong.append(f"review {row.pk}: undone for one side only")
        elif key not in undone and row.settled_at is None:
            wrong.append(f"review {row.pk} never took effect")
    if len(kept) != len(given):
        wrong.append(f"{len(given)} answers were given, {len(kept)} are there")
    twice = Review.objects.standing().values("case", "reviewer").annotate(n=Count("pk"))
    if twice.filter(n__gt=1).exists():
        wrong.append("a person's answer counts twice")
    counted = Case.objects.values_list("state", "triage").annotate(n=Count("pk"))
    told = CaseTally.objects.values_list("state", "triage").annotate(n=Sum("cases"))
    if {each for each in counted if each[2]} != {each for each in told if each[2]}:
        wrong.append("the tally is not the count")
    chain = CustodyEvent.objects.check_chain()
    if not chain.intact:
        wrong.append(f"the chain is broken at event {chain.broken_at}")
    told = f"{len(given):,} answers, {len(undone):,} undone, {chain.events:,} custody events"
    print(told, file=sys.stderr)
    return wrong


def leased_twice() -> Iterator[str]:
    """Follow every case through the chain of custody: who held it from when until when."""
    from moderation.models import CustodyEvent

    holders: dict[str, str] = {}
    for event in CustodyEvent.objects.filter(object_type="case").order_by("seq").iterator():
        case, holder = event.object_id, holders.get(event.object_id)
        if event.action in ("case_claimed", "answer_undone"):
            if holder is not None:
                yield f"event {event.seq}: case {case} was leased twice at a time"
            if event.actor in holders.values():
                yield f"event {event.seq}: one person holds two cases"
            holders[case] = event.actor
        elif event.action in ("case_released", "answer_given"):
            if holder != event.actor:
                yield f"event {event.seq}: {event.action} by somebody who does not hold the case"
            holders.pop(case, None)
        elif event.action == "lease_expired":
            holders.pop(case, None)


@contextmanager
def served() -> Iterator[str]:
    """Run the web server and a worker as the Procfile has them, and yield the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    web = ["gunicorn", "config.wsgi", "--config", "python:config.web", "--workers", "2"]
    worker = ["celery", "-A", "config", "worker", "--concurrency", "1", "--queues", "default"]
    commands = [
        [*web, "--threads", "4", "--bind", f"127.0.0.1:{port}", "--no-control-socket"],
        [*worker, "--loglevel", "WARNING"],
    ]
    running = [subprocess.Popen([sys.executable, "-m", *command]) for command in commands]
    address = f"http://127.0.0.1:{port}"
    try:
        begin = time.monotonic()
        while not _answers(address):
            if time.monotonic() - begin > SECONDS_TO_START or running[0].poll() is not None:
                raise SystemExit("the web server did not start")
            time.sleep(0.2)
        yield address
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/login/", timeout=60).ok
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
