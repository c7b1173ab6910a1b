"""No URL, hash or caption in logs, task messages, error pages or custody events (H16), whatever
goes wrong meanwhile."""

import base64
import hashlib
import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from config.logs import WITHHELD, IdsOnly
from moderation import tasks
from moderation.datasets.registering import register
from moderation.models import CustodyEvent, HashListVersion, Revision, Scan, ShardScan
from moderation.review import queue
from moderation.scanning import fetching, ledgers, planning
from tests.moderation.scanning.conftest import finish

from .conftest import Run, StartWorker
from .test_interruptions import until

pytestmark = pytest.mark.django_db(transaction=True)

LINK = re.compile(r"(https?|ftp)://", re.IGNORECASE)
HASH = re.compile(r"[0-9a-fA-F]{32,}")
Lists = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def captions(sample_folder: Path, truth: dict[str, Any]) -> frozenset[str]:
    """What the sample says of its pictures."""
    found: set[str] = set()
    for path in truth["datasets"]["laion5b"]["paths"]:
        found |= set(pq.read_table(sample_folder / path).column("TEXT").to_pylist())
    return frozenset(caption for caption in found if caption and len(caption.split()) > 3)


@pytest.fixture
def leaks(captions: frozenset[str]) -> Callable[[str], list[str]]:
    """The lines of a text that hold a link, a hash or a caption."""

    def find(text: str) -> list[str]:
        return [
            line
            for line in text.splitlines()
            if LINK.search(line) or HASH.search(line) or any(each in line for each in captions)
        ]

    return find


class Watch:
    """Everything that is sent to Valkey, as MONITOR shows it, message bodies unpacked."""

    def __init__(self) -> None:
        self.client = redis.Redis.from_url(django_settings.REDIS_URL, socket_timeout=None)
        self.commands: list[str] = []
        self.monitor = self.client.monitor()
        self.monitor.__enter__()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        for command in self.monitor.listen():
            text = str(command["command"])
            if text == "ECHO end-of-watch":
                return
            self.commands.append(text)

    def stop(self) -> list[str]:
        self.client.execute_command("ECHO", "end-of-watch")
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.client.close()
        return self.commands


@pytest.fixture
def watch() -> Watch:
    return Watch()


def messages(commands: list[str]) -> list[dict[str, Any]]:
    """The tasks among what was sent to the queues."""
    found = []
    for command in commands:
        if not command.upper().startswith("LPUSH ") or '"body"' not in command:
            continue
        message = json.loads(command.split(" ", 2)[2])
        if "task" in message["headers"]:
            args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
            found.append({**message["headers"], "args": args, "kwargs": kwargs})
    return found


def test_a_scan_with_everything_that_can_fail(
    run: Run,
    load_lists: Lists,
    worker: StartWorker,
    watch: Watch,
    moved: Path,
    sample_folder: Path,
    truth: dict[str, Any],
    surroundings: dict[str, str],
    tmp_path: Path,
    leaks: Callable[[str], list[str]],
) -> None:
    surroundings["LOG_LEVEL"] = "DEBUG"
    load_lists("1")
    worker()
    until_tomorrow = timezone.now() + timedelta(days=1)
    fetching.switch_on(basis="test", officer="T. Ester", until=until_tomorrow, by=None)
    paths = [str(moved / path) for path in truth["datasets"]["laion5b"]["paths"]]
    run("import_dataset", *paths, "--dataset", "laion5b", "--revision", "v1")

    # Every failing kind of link.
    assert run("scan", "laion5b@v1", "--fetch", "--wait")["state"] == "finished"
    failing = {each["kind"] for each in truth["failing"] if each["dataset"] == "laion5b"}
    assert len(failing) > 30

    # A shard that fails: its file has a broken row since it was registered, links and all.
    links = moved / "csv" / "links-01.csv"
    run("import_dataset", str(links.parent), "--dataset", "csv", "--revision", "v1", here=True)
    links.write_bytes(links.read_bytes() + b'"' + links.read_bytes().replace(b'"', b""))
    Revision.objects.get(dataset__name="csv").shards.filter(number=1).update(
        checksum=hashlib.sha256(links.read_bytes()).hexdigest()
    )
    assert "a quote is left open" in run("scan", "csv@v1", "--wait", fails=1)

    # A task that no one foresaw: its row is gone.
    tasks.scan_shard.delay(10**9)
    # A list that is broken in the middle, with its values.
    broken = tmp_path / "broken.txt"
    broken.write_bytes(
        (sample_folder / "lists" / "sample-plain-1.txt").read_bytes() + b"\xff\xfe\0"
    )
    words = ["load_hash_list", str(broken), "--list", "broken", "--version", "1"]
    for form in ("plain", "csv", "vics", "ncmec", "stopncii"):
        assert "Nothing was loaded" in run(*words, "--format", form, fails=1)
    # A picture and hashes against the lists.
    screened = run("screen", str(next((sample_folder / "pictures").iterdir())), lines=True)
    assert screened
    load_lists("2")
    assert {each["state"] for each in run("rescan", "--wait")["scans"]} <= {"finished"}
    until(lambda: not Scan.objects.live().exists())  # what loading has started by itself

    log = tmp_path / "worker.log"
    until(lambda: "DoesNotExist" in log.read_text())
    said = log.read_text() + (tmp_path / "commands.log").read_text()
    assert leaks(said) == []
    assert WITHHELD not in said, "the net was needed"
    sent = watch.stop()
    # Celery's own: a lock set to something random, and scripts by their digest.
    own = ("unacked_mutex", "EVALSHA ", "SCRIPT ")
    assert leaks("\n".join(each for each in sent if not any(word in each for word in own))) == []
    names = {message["task"].rpartition(".")[2] for message in messages(sent)}
    assert names == {"enqueue_scan", "scan_shard", "scan_shard_fetching", "rescan_due"}
    for message in messages(sent):
        assert message["kwargs"] == {}
        assert all(type(argument) is int for argument in message["args"])
        assert leaks(json.dumps(message)) == []
    check_records(leaks)


def check_records(leaks: Callable[[str], list[str]]) -> None:
    """Custody events and what the rows say of failures."""
    files = set(HashListVersion.objects.values_list("checksum", flat=True))
    for event in CustodyEvent.objects.all():
        told = [event.before, event.after, event.reason, event.object_id, event.actor]
        assert leaks(json.dumps(told)) == [], event.action
        assert event.file_sha256 in {"", *files}
    assert Scan.objects.exclude(error="").exists()
    for error in [
        *Scan.objects.values_list("error", flat=True),
        *ShardScan.objects.values_list("error", flat=True),
    ]:
        assert leaks(error) == []


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process logs, as the console shows it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    handler.addFilter(IdsOnly())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def test_an_error_that_quotes_what_it_read(
    load_lists: Lists,
    moved: Path,
    surroundings: dict[str, str],
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    leaks: Callable[[str], list[str]],
) -> None:
    """An unforeseen error in the middle of a shard holds its rows: the log says where, the row of
    the database which kind, and neither says what."""
    load_lists("1")
    revision = register([str(moved / "csv")], dataset="csv", revision="v1", by=None).revision
    text = (moved / "csv" / "links-00.csv").read_text()
    assert leaks(text)

    def quoting(part: ledgers.Part) -> dict[str, Any]:
        raise ValueError(f"cannot convert {text!r}")

    monkeypatch.setattr(ledgers.Part, "as_columns", quoting)
    scan = finish(planning.start(revision, by=None))

    assert scan.state == Scan.State.FAILED
    assert scan.error == "Unexpected: ValueError. See the log."
    said = log.getvalue()
    assert "builtins.ValueError" in said
    assert "pipeline.py" in said
    assert leaks(said) == []
    assert "picture of" not in said
    check_records(leaks)


def test_pages_of_errors(
    login: Callable[[User], Client],
    reviewer: User,
    outsider: User,
    settings: Settings,
    log: io.StringIO,
    captions: frozenset[str],
    monkeypatch: pytest.MonkeyPatch,
    leaks: Callable[[str], list[str]],
) -> None:
    """404, 403 and 500, asked for with a query that holds all of it."""
    caption, digest = min(captions), "5ac47d40" * 8
    hostile = {"q": f"https://p.invalid/{digest}.jpg", "text": caption, digest: digest}

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{hostile} {caption}")

    monkeypatch.setattr(queue, "visible_to", broken)
    asked = [
        (login(reviewer), "/cases/999999/", 404),
        (login(reviewer), f"/nowhere/{digest}/", 404),
        (login(outsider), "/queue/", 403),
        (login(reviewer), "/queue/", 500),
        (Client(), "/api/v1/screen/", 401),
    ]
    for client, path, status in asked:
        client.raise_request_exception = False
        answer = client.get(path, hostile)
        assert answer.status_code == status, path
        page = answer.content.decode()
        assert caption not in page
        assert digest not in page
        assert "p.invalid" not in page
        assert "Traceback" not in page
    client = Client(enforce_csrf_checks=True)
    client.force_login(reviewer)
    answer = client.post("/queue/next/", hostile)
    assert answer.status_code == 403
    assert digest not in answer.content.decode()
    assert "RuntimeError" in log.getvalue()
    assert leaks(log.getvalue()) == []
    assert caption not in log.getvalue()
