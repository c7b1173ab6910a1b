"""The text under Policy: refused at the start where it cannot be read; what breaks later costs the
text and no page."""

from pathlib import Path

import pytest
from django.conf import settings as configured

from moderation.checks import policy_can_be_shown
from moderation.review import policy
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db


def test_ours_can_be_shown():
    assert policy.read(Path(configured.POLICY_FILE))
    assert policy_can_be_shown(None) == []


def missing(path):
    assert not path.exists()


def a_folder(path):
    path.mkdir()


def not_utf8(path):
    path.write_bytes(b"# Policy\n\n\xff\xfe")


def empty(path):
    path.write_text(" \n\n", "utf-8")


@pytest.mark.parametrize("wrong", [missing, a_folder, not_utf8, empty])
def test_a_wrong_file_is_refused_at_the_start_and_breaks_no_page(
    settings, tmp_path, login, reviewer, caplog, wrong
):
    path = tmp_path / "policy.txt"
    wrong(path)
    settings.POLICY_FILE = str(path)
    (error,) = policy_can_be_shown(None)
    assert error.id == "breakwater.E009"
    page = login(reviewer).get(f"/cases/{make_case().pk}/")
    assert page.status_code == 200
    assert "The text of the policy cannot be read" in page.content.decode()
    [line] = [each for each in caplog.records if each.name == policy.logger.name]
    assert line.levelname == "ERROR"
    assert "POLICY_FILE" in line.getMessage()
    assert str(path) not in line.getMessage()


def test_it_is_shown_again_once_it_is_mended(settings, tmp_path, login, reviewer):
    settings.POLICY_FILE = str(tmp_path / "policy.txt")
    client, address = login(reviewer), f"/cases/{make_case().pk}/"
    client.get(address)
    (tmp_path / "policy.txt").write_text("# Harbour\n\nAsk first.", "utf-8")
    assert "Ask first." in client.get(address).content.decode()
