"""What is read from the environment, and the one line said about what cannot be."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("TRUE", True), (" on ", True), ("no", False), ("0", False), ("", False)],
)
def test_a_flag_is_read(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SOME_FLAG", value)
    assert env.flag("SOME_FLAG", not expected) is expected


def test_what_is_unset_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_VALUE", raising=False)
    assert env.flag("SOME_VALUE", True) is True
    assert env.number("SOME_VALUE", 7) == 7
    assert env.text("SOME_VALUE", "x") == "x"
    assert env.listing("SOME_VALUE", ("a",)) == ["a"]
    assert env.secret("SOME_VALUE", "s") == "s"


def test_a_number_keeps_the_type_of_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NUMBER", "30")
    whole, real = env.number("SOME_NUMBER", 1), env.number("SOME_NUMBER", 1.0)
    assert (whole, type(whole)) == (30, int)
    assert (real, type(real)) == (30.0, float)


def test_a_listing_has_no_empty_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_LIST", " a, b ,,c,")
    assert env.listing("SOME_LIST") == ["a", "b", "c"]


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" with space \n")
    monkeypatch.delenv("SOME_KEY", raising=False)
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "key"))
    assert env.secret("SOME_KEY") == " with space "


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SOME_KEY": "a", "SOME_KEY_FILE": "b"}, "not both"),
        ({"SOME_KEY_FILE": "nowhere/at/all"}, "cannot be read: No such file"),
        ({}, "Set SOME_KEY, or SOME_KEY_FILE"),
    ],
)
def test_a_secret_that_cannot_be_had_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name in ("SOME_KEY", "SOME_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=words) as raised:
        env.secret("SOME_KEY")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("value", "kind"), [("maybe", "flag"), ("1.5", "number")])
def test_what_cannot_be_read_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, kind: str
) -> None:
    monkeypatch.setenv("SOME_VALUE", value)
    read = {"flag": lambda: env.flag("SOME_VALUE"), "number": lambda: env.number("SOME_VALUE", 1)}
    with pytest.raises(ImproperlyConfigured, match="SOME_VALUE must be"):
        read[kind]()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:p%40ss@db.example:6432/water?sslmode=require",
            {
                "NAME": "water",
                "USER": "ann",
                "PASSWORD": "p@ss",
                "HOST": "db.example",
                "PORT": "6432",
                "OPTIONS": {"sslmode": "require"},
            },
        ),
        ("postgres://u@%2FRun%2FSockets/n", {"HOST": "/Run/Sockets", "NAME": "n", "OPTIONS": {}}),
        ("postgresql://u@/n?host=/Run/S", {"HOST": "/Run/S", "PORT": "", "OPTIONS": {}}),
        ("postgresql://[::1]:5/n", {"HOST": "::1", "PORT": "5", "USER": ""}),
    ],
)
def test_a_database_url(url: str, expected: dict[str, object]) -> None:
    assert expected.items() <= env.database(url).items()


@pytest.mark.parametrize("url", ["sqlite:///x", "postgresql://h/", "postgresql://h:port/n", ""])
def test_a_bad_database_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL") as raised:
        env.database(url)
    assert not url or url not in str(raised.value)
