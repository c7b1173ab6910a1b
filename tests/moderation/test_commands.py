"""Commands that need no server, or whose edges no journey reaches."""

import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import imagehash
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, load_command_class
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from config import env
from moderation.hash_lists.loading import ListOptions, load
from moderation.models import CustodyEvent, LegalBasis
from moderation.scanning import fetching
from tests import pictures

LAST_DAY = f"{timezone.now().year + 1}-12-31"


def lines(*words: str, stdout: io.StringIO | None = None) -> list[dict[str, object]]:
    out = stdout or io.StringIO()
    call_command(*words, stdout=out, stderr=io.StringIO())
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_hash_prints_one_line_a_file(tmp_path: Path) -> None:
    data = pictures.encoded(pictures.picture(3))
    (tmp_path / "a.jpg").write_bytes(data)

    [line] = lines("hash", str(tmp_path / "a.jpg"))

    assert set(line) == {"file", "md5", "sha1", "sha256", "pdq", "pdq_quality", "phash"}
    assert line["sha256"] == hashlib.sha256(data).hexdigest()
    assert line["phash"] == str(imagehash.phash(Image.open(io.BytesIO(data)).convert("L")))


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "not_a_picture"), (b"hello", "not_a_picture"), (b"\xff\xd8\xff\xe0\0", "truncated")],
)
def test_hash_says_why_a_file_has_none_and_goes_on(
    tmp_path: Path, content: bytes, error: str
) -> None:
    (tmp_path / "bad\nname").write_bytes(content)
    (tmp_path / "good.png").write_bytes(pictures.encoded(pictures.picture(3), "PNG"))
    out = io.StringIO()

    with pytest.raises(CommandError, match="2 of 3 files"):
        lines(
            "hash",
            *(str(tmp_path / name) for name in ("bad\nname", "missing", "good.png")),
            stdout=out,
        )

    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line.get("error") for line in said] == [error, "No such file or directory", None]


def test_hash_starts_no_server(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pictures.encoded(pictures.picture(3), "PNG"))

    done = subprocess.run(
        [sys.executable, "manage.py", "hash", str(tmp_path / "a.png")],
        cwd=env.PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "BREAKWATER_DATA": str(tmp_path / "data"),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "data").exists()


COMMANDS = sorted(
    each.stem for each in (env.PROJECT / "moderation/management/commands").glob("[a-z]*.py")
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_argument(name: str) -> None:
    parser = load_command_class("moderation", name).create_parser("manage.py", name)
    unsaid = [each.dest for each in parser._actions if not each.help and not each.choices]
    assert unsaid == []


@pytest.mark.django_db
class TestScreen:
    @pytest.fixture(autouse=True)
    def lists(self, settings: Settings, tmp_path: Path) -> None:
        settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
        digest = hashlib.md5(pictures.encoded(pictures.picture(3))).hexdigest()
        load(
            io.BytesIO(f"md5 {digest}".encode()),
            slug="demo",
            label="1",
            format="plain",
            options=ListOptions(synthetic=True),
        )

    def test_files_and_hashes(self, tmp_path: Path) -> None:
        (tmp_path / "known.jpg").write_bytes(pictures.encoded(pictures.picture(3)))
        (tmp_path / "other.jpg").write_bytes(pictures.encoded(pictures.picture(4)))
        (tmp_path / "none.txt").write_text("no picture")
        names = [str(tmp_path / name) for name in ("known.jpg", "other.jpg", "none.txt")]

        said = lines("screen", *names, "--hash", "md5:" + "ab" * 16)

        assert {line["item"]: line["verdict"] for line in said} == {
            "md5:1": "none",
            names[0]: "exact",
            names[1]: "none",
            names[2]: "not_hashable",
        }
        [match] = next(line["matches"] for line in said if line["item"] == names[0])
        assert match == {"list": "demo", "algorithm": "md5", "distance": 0, "variant": "plain"}

    def test_a_value_never_appears_in_what_is_printed(self) -> None:
        out = io.StringIO()
        lines("screen", "--hash", "sha1:" + "cd" * 20, stdout=out)

        assert "cdcd" not in out.getvalue()

    @pytest.mark.parametrize("words", [(), ("--hash", "abc")])
    def test_wrong_usage_is_2(self, words: tuple[str, ...]) -> None:
        with pytest.raises(CommandError) as caught:
            lines("screen", *words)

        assert caught.value.returncode == 2

    def test_a_missing_file_is_1(self) -> None:
        with pytest.raises(CommandError, match="could not be read"):
            lines("screen", "/nowhere/x.jpg")


@pytest.mark.django_db
class TestFetching:
    WORDS = ("--basis", "duty", "--officer", "T. Ester")

    def test_on_and_off(self) -> None:
        [on] = lines("fetching", "on", *self.WORDS, "--until", LAST_DAY, "--json")
        assert on == {"fetching": True, "until": f"{LAST_DAY}T23:59:59.999999+00:00"}
        assert LegalBasis.objects.current().count() == 1

        [off] = lines("fetching", "off", "--json")
        assert off == {"fetching": False, "until": None}
        assert not LegalBasis.objects.current().exists()
        actions = CustodyEvent.objects.filter(action__startswith="fetching_")
        assert [event.action for event in actions] == ["fetching_on", "fetching_off"]

    def test_with_a_jurisdiction_previews_open_too(self) -> None:
        words = ("--jurisdiction", "Ireland", "--until", LAST_DAY, "--json")
        lines("fetching", "on", *self.WORDS, *words)
        assert LegalBasis.objects.for_previews().get().jurisdiction == "Ireland"

    @pytest.mark.parametrize(
        "words",
        [
            ("on",),
            ("on", *WORDS, "--until", "tomorrow"),
            ("on", *WORDS, "--until", "2001-01-01"),
            ("on", *WORDS, "--until", "9999-12-31"),
            ("on", *WORDS, "--until", "2099-02-31"),
            ("on", "--basis", " ", "--officer", "x", "--until", LAST_DAY),
        ],
    )
    def test_on_needs_a_basis_an_officer_and_a_date_to_come(self, words: tuple[str, ...]) -> None:
        with pytest.raises(CommandError):
            lines("fetching", *words)

        assert not LegalBasis.objects.exists()


@pytest.mark.django_db
class TestBy:
    WORDS = ("fetching", "on", *TestFetching.WORDS, "--until", LAST_DAY)

    def test_a_step_is_recorded_under_the_person_named_and_as_made_by_command(
        self, operator: User, auditor: User, login: Callable[[User], Client]
    ) -> None:
        lines(*self.WORDS, "--by", "otto", "--json")

        event = CustodyEvent.objects.get(action="fetching_on")
        assert event.actor == operator.person.pseudonym
        assert event.role == "operator"
        assert event.after["via"] == "command"
        page = login(auditor).get("/audit/").content.decode()
        assert re.search(r"<dt>made by</dt>\s*<dd>command</dd>", page)

    def test_the_mark_is_covered_by_the_chain_and_ends_with_the_command(self) -> None:
        lines(*self.WORDS, "--json")
        [event] = CustodyEvent.objects.all()
        assert event.after["via"] == "command"
        del event.after["via"]
        assert event.computed_hash() != bytes(event.hash)

        fetching.switch_off(by=None)
        assert "via" not in CustodyEvent.objects.latest("seq").after

    @pytest.mark.parametrize(
        ("words", "login", "missing"),
        [
            (WORDS, "rhea", "Manage settings and schedules"),
            (("fetching", "off"), "rhea", "Manage settings and schedules"),
            (("build_manifest", "a@b"), "rhea", "Build removal manifests"),
            (("apply_manifest", "m", "p", "--out", "o"), "rhea", "Build removal manifests"),
            (("scan", "a@b"), "rhea", "Start, pause and cancel scans"),
            (("scan", "a@b", "--fetch"), "remo", "Start, pause and cancel scans"),
            (("rescan",), "rhea", "Start, pause and cancel scans"),
            (
                ("import_dataset", "p", "--dataset", "a", "--revision", "b"),
                "rhea",
                "Start, pause and cancel scans",
            ),
            (
                ("load_hash_list", "f", "--list", "l", "--version", "1", "--format", "plain"),
                "otto",
                "Load and change hash lists",
            ),
        ],
    )
    def test_who_may_not_do_it_on_the_page_is_not_named_for_it(
        self,
        words: tuple[str, ...],
        login: str,
        missing: str,
        reviewer: User,
        operator: User,
        reporter: User,
    ) -> None:
        with pytest.raises(CommandError, match=f"may not do this.*{missing}") as caught:
            lines(*words, "--by", login)

        assert caught.value.returncode == 1
        assert "\n" not in str(caught.value)
        assert not CustodyEvent.objects.exists()

    def test_nobody_of_that_name_is_refused(self) -> None:
        with pytest.raises(CommandError, match="no active login"):
            lines(*self.WORDS, "--by", "nobody")

        assert not LegalBasis.objects.exists()
