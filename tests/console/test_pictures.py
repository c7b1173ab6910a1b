"""What of a picture reaches a browser, a cache or a folder of static files: nothing finer than a
preview, and no byte of an original. Pictures are really scanned, and every address is asked."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from PIL import Image

from moderation.datasets.registering import register
from moderation.hash_lists.loading import ListOptions, load
from moderation.models import Case, Grant, Scan
from moderation.permissions import ROLES
from moderation.review import queue
from moderation.scanning import planning
from tests import pictures
from tests.access.addresses import Line, Objects, lines
from tests.console.measuring import SIDES, Traces, detail, pictures_in
from tests.moderation.review.making import settled
from tests.moderation.scanning.conftest import finish, md5_of, pdq_of

pytestmark = pytest.mark.django_db(transaction=True)

MARK = b"a-mark-of-the-test"  # kept in the cache, to be found there
LENGTH = 1024  # of an original's side
LARGEST = 128  # pixels of detail, for everybody without a granted L3
MOST = {("reviewer", 3): 256}  # whose grants of this test go up to L3, while it is held
CASE_PAGES = ("cases/", "previews/", "queue/", "my-cases/")
TICKET = re.compile(rb'"/previews/([^/"]+)/"')
POLICY = {  # whole directives: what else one allows would stand behind it
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
    *("connect-src 'self'", "frame-ancestors 'none'"),
}


@dataclass(frozen=True)
class Answer:
    """What one person got at one address, and at which level a preview was asked for."""

    role: str
    address: str
    status: int
    headers: dict[str, str]
    body: bytes
    level: int = 0


@dataclass(frozen=True)
class Crawl:
    """All answers, the originals that were scanned, and what Valkey held after each look."""

    answers: list[Answer]
    originals: list[bytes]
    held: list[bytes]
    looks: list[Answer]


_crawled: list[Crawl] = []  # made once: no test here changes anything


def drawn(seed: int) -> bytes:
    """A picture with as much to see at every size, down to single pixels."""
    rng, fields = np.random.default_rng(seed), np.zeros((LENGTH, LENGTH, 3))
    for cells in (16, 32, 64, 128, 256, 512, LENGTH):
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        fields += np.asarray(small.resize((LENGTH, LENGTH), Image.Resampling.BICUBIC), dtype=float)
    grey = 128 + (fields - fields.mean()) / 3
    return pictures.encoded(Image.fromarray(grey.clip(0, 255).astype("uint8")), quality=95)


@pytest.fixture
def crawl(
    settings: Any, tmp_path: Path, person: Callable[..., User], transactional_db: None
) -> Crawl:
    if not _crawled:
        settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
        settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
        settings.IDLE_MINUTES = 600
        _crawled.append(everywhere(tmp_path, person))
    return _crawled[0]


def everywhere(folder: Path, person: Callable[..., User]) -> Crawl:
    """Scan, open cases in every way, and ask for every address as every role."""
    people = {role: person(role, role) for role in ROLES}
    first, second = person("first", "reviewer"), person("second", "reviewer")
    originals = [drawn(seed) for seed in range(4)]
    near, exact, standard, closed = scanned(folder, originals)
    for each in (first, second):
        closed = settled(closed, each, "REMOVE_KNOWN")
    objects = Objects(first=first, second=second, somebody=person("somebody", "reviewer"))
    clients = {role: Client() for role in ROLES}
    for role, client in clients.items():
        client.force_login(people[role])
    Grant.objects.filter(person=people["lead"]).update(level=2)
    cache.set(MARK.decode(), True)
    answers: list[Answer] = []
    held: list[bytes] = []
    looks: list[Answer] = []
    for case, role in ((near, "reviewer"), (standard, "reviewer"), (exact, "lead"), (near, "lead")):
        if role == "lead":
            Case.objects.filter(pk=case.pk).update(leased_by=None, lease_kind="", lease_token="")
        queue.claim(case, by=people[role])
        for answer in look(clients[role], role, case):
            (looks if answer.level else answers).append(answer)
            held += in_valkey()
    for case in (near, closed):
        objects.values["cases"] = {"pk": case.pk}
        for line in lines():
            of_the_case = line.route.startswith("cases/")
            if line.object == "nowhere" or (case == closed and not of_the_case):
                continue
            methods = ("GET", "POST") if of_the_case and line.method == "GET" else ("GET",)
            if line.method == "GET":
                answers += ask(clients, objects, line, methods)
    held += in_valkey()
    return Crawl(answers, originals, held, looks)


def scanned(folder: Path, originals: list[bytes]) -> list[Case]:
    """Cases of the originals: near, exact on a trusted list, on a standard one, and one more."""
    listed = {
        "near": ("standard", pdq_of(originals[0])),
        "exact": ("trusted", md5_of(originals[1])),
        "standard": ("standard", md5_of(originals[2])),
        "closed": ("trusted", md5_of(originals[3])),
    }
    for slug, (trust, value) in listed.items():
        options = ListOptions(trust=trust, harm_class="csam", synthetic=True)
        load(io.BytesIO(value.encode()), slug=slug, label="1", format="plain", options=options)
    path = pictures.embedded(folder / "train-00000-of-00001.parquet", originals)
    found = register([str(path)], dataset="quay", revision="v1", synthetic=True, by=None)
    assert finish(planning.start(found.revision, by=None)).state == Scan.State.FINISHED
    return [Case.objects.get(flags__entry__row=row) for row in range(len(originals))]


def ask(
    clients: dict[str, Client], objects: Objects, line: Line, methods: tuple[str, ...]
) -> Iterator[Answer]:
    """Ask for one address as everybody; of the back room, as those who have one."""
    address = objects.address(line)
    for role, client in clients.items():
        if line.route.startswith("admin/") and role != "operator":
            continue
        for method in methods:
            yield told(role, address, getattr(client, method.lower())(address))


def look(client: Client, role: str, case: Case) -> Iterator[Answer]:
    """Ask for every level there might be, a drawing and L3 as a hand holds it, and open each ticket
    that comes of it."""
    entry = {"entry": case.flags.get().entry_id}
    asked = [("reveal", {"level": level}) for level in range(1, 6)]
    for way, more in [*asked, ("reveal", {"level": 2, "drawing": "on"}), ("look", {})]:
        address, level = f"/cases/{case.pk}/{way}/", more.get("level", 3)
        page = client.post(address, entry | more)
        yield told(role, address, page)
        for ticket in TICKET.findall(page.content):
            shown = f"/previews/{ticket.decode()}/"
            yield told(role, shown, client.get(shown), level=level)


def told(role: str, address: str, answer: HttpResponse, *, level: int = 0) -> Answer:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return Answer(role, address, answer.status_code, dict(answer.items()), body, level)


def in_valkey() -> list[bytes]:
    """Every value of every key of the queue and of the cache, as it lies there."""
    found: list[bytes] = []
    for address in (django_settings.REDIS_URL, django_settings.CACHES["default"]["LOCATION"]):
        with redis.Redis.from_url(address) as client:
            read: dict[bytes, Callable[[bytes], Any]] = {
                b"string": client.get,
                b"list": lambda key, of=client: b"".join(of.lrange(key, 0, -1)),
                b"hash": lambda key, of=client: b"".join(
                    part for pair in of.hgetall(key).items() for part in pair
                ),
                b"set": lambda key, of=client: b"".join(of.smembers(key)),
                b"zset": lambda key, of=client: b"".join(of.zrange(key, 0, -1)),
            }
            found += [key + (read[client.type(key)](key) or b"") for key in client.keys("*")]
    return found


def test_the_measure_tells_an_original_from_a_preview(crawl: Crawl) -> None:
    for data in crawl.originals:
        whole = Image.open(io.BytesIO(data))
        assert detail(whole) > 512
        for side in SIDES[:-1]:
            small = whole.convert("L").resize((side, side), Image.Resampling.BOX)
            assert detail(small.resize((700, 700), Image.Resampling.BICUBIC)) == side
    traces = Traces(crawl.originals)
    middle = crawl.originals[0][len(crawl.originals[0]) // 2 :]
    assert traces.in_(middle)
    assert traces.in_(middle.hex().encode())
    assert not traces.in_(np.random.default_rng(1).bytes(100_000))


def test_every_look_was_answered_with_a_picture(crawl: Crawl) -> None:
    """Else the tests below would look at nothing."""
    assert {(look.role, look.level) for look in crawl.looks if look.status == 200} >= {
        *(("reviewer", 1), ("reviewer", 2), ("reviewer", 3), ("lead", 1), ("lead", 2)),
    }
    assert not [look for look in crawl.looks if look.role == "lead" and look.level == 3]
    for each in crawl.looks:
        assert [picture.mode for picture in pictures_in(each.body)] == ["L"], each.address


def test_no_picture_holds_more_than_its_level_and_grant_allow(crawl: Crawl) -> None:
    measured = [
        (answer.role, answer.address, answer.level, detail(picture))
        for answer in [*crawl.answers, *crawl.looks]
        for picture in pictures_in(answer.body)
    ]
    assert measured
    for role, address, level, found in measured:
        most = 24 if level == 1 else MOST.get((role, level), LARGEST)
        assert found <= most, (role, address, level, found)
    assert any(level == 3 for _, _, level, _ in measured)


def test_pictures_come_from_tickets_alone(crawl: Crawl) -> None:
    for answer in crawl.answers:
        kind = answer.headers.get("Content-Type", "")
        assert not kind.startswith(("image/", "video/", "application/octet")), answer.address
        assert not list(pictures_in(answer.body)), answer.address


def test_no_byte_of_an_original_is_in_any_answer(crawl: Crawl) -> None:
    traces = Traces(crawl.originals)
    bodies = {answer.body: answer.address for answer in [*crawl.answers, *crawl.looks]}
    assert not [address for body, address in bodies.items() if traces.in_(body)]


def test_nothing_of_a_picture_is_in_valkey(crawl: Crawl) -> None:
    """Neither originals nor previews, also right after they were shown."""
    assert any(MARK in value for value in crawl.held)  # else nothing was read
    traces = Traces(crawl.originals)
    shown = [each.body[40:100] for each in crawl.looks if each.status == 200]
    for value in set(crawl.held):
        assert not traces.in_(value)
        assert not any(part in value for part in shown)
        assert not list(pictures_in(value))


def test_no_byte_of_an_original_is_in_a_static_folder(crawl: Crawl) -> None:
    traces = Traces(crawl.originals)
    folders = [*django_settings.STATICFILES_DIRS, django_settings.STATIC_ROOT]
    files = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if traces.in_(path.read_bytes())]


def test_case_pages_are_strict_with_browsers(crawl: Crawl) -> None:
    seen = set()
    for answer in [*crawl.answers, *crawl.looks]:
        if not answer.address.lstrip("/").startswith(CASE_PAGES):
            continue
        seen.add(answer.status)
        headers = answer.headers
        where = (answer.role, answer.address, answer.status)
        assert "no-store" in headers["Cache-Control"], where
        policy = headers["Content-Security-Policy"]
        assert {each.strip() for each in policy.split(";")} >= POLICY, where
        assert "unsafe" not in policy, where
        assert headers["X-Frame-Options"] == "DENY", where
        assert headers["X-Content-Type-Options"] == "nosniff", where
        # Our own forms need to say where they come from: see decision 5.
        assert headers["Referrer-Policy"] in ("same-origin", "no-referrer"), where
    assert seen >= {200, 302, 400, 403, 404, 409}
