"""Ready sentences: a text file by answer, refused at the start where it is wrong."""

from pathlib import Path

import pytest
from django.conf import settings as configured

from moderation.checks import ready_reasons_can_be_used
from moderation.models import Review
from moderation.review import reasons


@pytest.fixture
def file(settings, tmp_path):
    path = tmp_path / "reasons.txt"
    settings.REASONS_FILE = str(path)
    return path


def test_ours_has_a_few_for_every_answer():
    found = reasons.read(Path(configured.REASONS_FILE))
    assert list(found) == Review.Answer.values
    assert all(2 <= len(sentences) <= 3 for sentences in found.values())
    assert ready_reasons_can_be_used(None) == []


def test_an_installation_has_its_own(file):
    file.write_text("# ESCALATE\n\n- one\n-  two\n# ESCALATE\n- three\n", "utf-8")
    assert reasons.ready() == {"ESCALATE": ("one", "two", "three")}
    assert ready_reasons_can_be_used(None) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# KEEP\n- one", "line 1 names no answer"),
        ("- one", "line 1 is no sentence of an answer"),
        ("# ESCALATE\n\none", "line 3 is no sentence of an answer"),
        (f"# ESCALATE\n- {'x' * 300}", "line 2 is no sentence of an answer"),
        ("# ESCALATE\n- \udcff", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_at_the_start_and_breaks_no_page(file, text, said):
    if text is not None:
        file.write_text(text, "utf-8", errors="surrogateescape")
    (error,) = ready_reasons_can_be_used(None)
    assert said in error.msg
    assert error.id == "breakwater.E006"
    assert reasons.ready() == {}
