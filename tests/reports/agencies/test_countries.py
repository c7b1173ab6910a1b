"""Countries by two letters: the code or nothing, never the first letters of a name."""

import pytest

from reports.agencies.countries import NAMES, NoCountry, code_of


def test_the_codes_are_those_officially_assigned() -> None:
    assert len(NAMES) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in NAMES)
    assert len(set(NAMES.values())) == 249


@pytest.mark.parametrize(("text", "code"), [("", ""), ("  ", ""), ("de", "DE"), (" GB ", "GB")])
def test_a_code_is_put_in_capitals(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Germany", "two letters: DE"),
        ("UK", "two letters: GB"),
        ("XX", "No such"),
        ("EU", "No such"),
        ("D", "No such"),
        ("DEU", "No such"),
        ("ＤＥ", "No such"),
    ],
)
def test_anything_else_is_refused(text: str, words: str) -> None:
    with pytest.raises(NoCountry, match=words):
        code_of(text)
