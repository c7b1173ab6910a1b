"""Hash lists: cards, one list, the switch, loading in two steps: look first, then exactly that."""

import secrets
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from moderation.hash_lists import changing, uploads
from moderation.models import (
    CustodyEvent,
    HashList,
    HashListVersion,
    KnownBlock,
    KnownHash,
    ListPrecision,
)
from tests.known import known_row
from tests.moderation.hash_lists.rows import flagged_case
from tests.moderation.review.making import add_entry, make_case

from . import rows

pytestmark = pytest.mark.django_db
LOAD = "/hash-lists/load/file/"
CONFIRM = "/hash-lists/load/confirm/"


def text(answer):
    return " ".join(answer.content.decode().split())


def notes(answer):
    return [(note.level_tag, str(note)) for note in answer.context["messages"]]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Uploads of this test alone."""
    monkeypatch.setattr(uploads.env, "data", lambda: tmp_path)
    return tmp_path / "uploads"


def md5s(count):
    return [secrets.token_bytes(16) for _ in range(count)]


def plain(values):
    return SimpleUploadedFile("list.txt", "\n".join(value.hex() for value in values).encode())


def sent(file, **changes):
    values = {
        "file": file,
        "slug": "+new",
        "new_slug": "harbour",
        "label": "2026-11",
        "format": "plain",
        "algorithm": "md5",
        "trust": "trusted",
        "owner": "Example Hotline",
        "harm_class": "csam",
        "synthetic": "on",
    }
    return values | changes


def token(answer):
    return answer.context["token"]


# --- looking -------------------------------------------------------------------------------------
def test_no_list_yet(login, list_manager, reviewer):
    assert f'href="{LOAD}"' in text(login(list_manager).get("/hash-lists/"))
    assert "A list manager loads the first one" in text(login(reviewer).get("/hash-lists/"))


def test_cards(login, reviewer):
    yesterday = timezone.now() - timedelta(days=1)
    rows.hash_list("quay", values=3, trust="trusted", harm_class="csam")
    rows.hash_list("off", enabled=False)
    rows.hash_list("ended", expires_at=yesterday)
    HashList.objects.create(slug="empty")
    page = text(login(reviewer).get("/hash-lists/"))
    for words in ("In force", "Off", "Agreement has ended", "No version yet", "Example Hotline"):
        assert words in page
    assert "Child sexual abuse material" in page
    assert "Load a version" not in page


def test_the_size_is_what_stands(login, reviewer):
    known = rows.hash_list("quay", values=5)
    rows.version(known, new=4, same=3, removed=2)
    (row,) = login(reviewer).get("/hash-lists/").context["lists"]
    assert row.size == 7


def test_one_list_with_its_versions(login, reviewer, list_manager):
    known = rows.hash_list("quay", values=2)
    rows.version(known, new=1, removed=1, rejected={"wrong_length": 4}, loaded_by=list_manager)
    page = login(reviewer).get("/hash-lists/quay/")
    assert [each["version"].number for each in page.context["versions"]] == [2, 1]
    assert page.context["versions"][0]["rejected"] == 4
    assert "not the length of its algorithm: 4" in text(page)
    assert "withdrew 1 value; no closed case went back" in text(page)
    assert list(page.context["algorithms"]) == [{"algorithm": "md5", "count": 2}]


def test_a_list_is_as_good_as_what_was_decided(login, reviewer):
    known = rows.hash_list("quay")
    rows.hash_list("shoals", negative=True)
    client = login(reviewer)
    assert text(client.get("/hash-lists/")).count("no decided case yet") == 1
    assert "Precision: no decided case yet" in text(client.get("/hash-lists/quay/"))
    assert "Precision" not in text(client.get("/hash-lists/shoals/"))
    kept = ListPrecision.objects.create(hash_list=known, near_reviewed=3, near_confirmed=1)
    assert "too few to say: 3 decided cases" in text(client.get("/hash-lists/"))
    kept.exact_reviewed, kept.exact_confirmed = 31, 31
    kept.save()
    assert "94 % of 34 decided cases; near 3, too few to say" in text(client.get("/hash-lists/"))
    kept.near_reviewed, kept.near_confirmed, kept.near_weight = 10, 7, 0.85
    kept.save()
    assert "92 % of 41 decided cases; near 70 % of 10" in text(client.get("/hash-lists/"))
    page = text(client.get("/hash-lists/quay/"))
    for words in (
        "Precision: 92 % of 41 decided cases; near 70 % of 10",
        "<span>exact: removed</span> <span>31 of 31</span>",
        "<span>near: removed</span> <span>7 of 10</span>",
        "counts × 1, a near one × 0.85.",
    ):
        assert words in page


def test_no_value_stands_on_any_page(login, list_manager):
    rows.hash_list("quay")
    value = bytes(KnownHash.objects.first().value).hex()
    for path in ("/hash-lists/", "/hash-lists/quay/", LOAD):
        assert value not in text(login(list_manager).get(path))


def test_the_switch_says_what_it_does_and_twice_is_once(login, list_manager):
    rows.hash_list("quay")
    client = login(list_manager)
    for _ in range(2):
        answer = client.post(
            reverse("moderation:switch_hash_list", args=["quay"]), {"enabled": "off"}, follow=True
        )
        assert notes(answer) == [("success", "quay is switched off.")]
    assert not HashList.objects.get().enabled
    event = CustodyEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "hash_list_changed",
        {"enabled": True},
        {"enabled": False},
    )
    client.post(reverse("moderation:switch_hash_list", args=["quay"]), {"enabled": "on"})
    assert HashList.objects.get().enabled


# --- loading -------------------------------------------------------------------------------------
def test_the_first_step_shows_and_changes_nothing(login, list_manager, folder):
    values = md5s(4)
    answer = login(list_manager).post(LOAD, sent(plain([*values, b"\x01", values[0]])))
    assert answer.status_code == 200, answer.context["form"].errors
    assert answer.context["would"].new == 4
    assert answer.context["reading"]["is_new"]
    assert ("Values", "made up, for demos and training") in answer.context["facts"]
    assert not HashList.objects.exists()
    assert not CustodyEvent.objects.exists()
    (kept,) = folder.iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_the_second_step_loads_what_was_shown(login, list_manager, folder):
    values = md5s(4)
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(values)))
    answer = client.post(CONFIRM, {"token": token(first)}, follow=True)
    assert "harbour 2026-11 is in force: 4 new" in notes(answer)[0][1]
    known = HashList.objects.get()
    assert (known.trust, known.owner, known.harm_class, known.synthetic) == (
        "trusted",
        "Example Hotline",
        "csam",
        True,
    )
    assert known.current.checksum == first.context["checksum"]
    assert known.current.loaded_by == list_manager
    (block,) = KnownBlock.objects.all()
    assert bytes(block.keys) == b"".join(sorted(values))
    assert list(folder.iterdir()) == []


def test_a_list_that_exists_keeps_its_trust(login, list_manager):
    rows.hash_list("harbour", values=0, trust="trial")
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2)), slug="harbour", trust="trusted"))
    client.post(CONFIRM, {"token": token(first)})
    assert HashList.objects.get().trust == "trial"
    assert HashList.objects.get().current.number == 2


def test_a_negative_list_is_made_by_the_form(login, list_manager):
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2)), negative="on"))
    assert "negative list: suppresses" in text(first)
    client.post(CONFIRM, {"token": token(first)})
    assert HashList.objects.get().negative


def test_withdrawals_are_shown_before_they_happen(login, list_manager):
    values = md5s(3)
    client = login(list_manager)
    client.post(CONFIRM, {"token": token(client.post(LOAD, sent(plain(values))))})
    answer = client.post(LOAD, sent(plain(values[:2]), slug="harbour", label="2026-12"))
    assert (answer.context["would"].same, answer.context["would"].removed) == (2, 1)
    assert "1 of 3 values that stood would be withdrawn" in text(answer)
    assert HashListVersion.objects.count() == 1


def test_figures_that_hold_no_longer_are_shown_anew(login, list_manager, person):
    values = md5s(3)
    client, other = login(list_manager), login(person("olaf", "list_manager"))
    client.post(CONFIRM, {"token": token(client.post(LOAD, sent(plain(values))))})
    shown = client.post(LOAD, sent(plain(values[:1]), slug="harbour", label="2026-12"))
    between = other.post(LOAD, sent(plain(md5s(40)), slug="harbour", label="2026-11b"))
    other.post(CONFIRM, {"token": token(between)})
    answer = client.post(CONFIRM, {"token": token(shown)})
    assert answer.status_code == 409
    assert "Another version of the list was loaded since. Nothing was changed" in text(answer)
    would = answer.context["would"]
    assert (would.new, would.removed) == (1, 40)
    assert "40 of 40 values that stood would be withdrawn" in text(answer)
    assert HashListVersion.objects.count() == 2
    client.post(CONFIRM, {"token": token(answer)})
    assert HashList.objects.get().current.label == "2026-12"


def test_discarding_deletes_the_file(login, list_manager, folder):
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2))))
    answer = client.post(CONFIRM, {"token": token(first), "discard": "yes"}, follow=True)
    assert "nothing was changed" in notes(answer)[0][1]
    assert list(folder.iterdir()) == []
    assert not HashList.objects.exists()


def test_discarding_what_was_loaded_meanwhile_says_so(login, list_manager):
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2))))
    client.post(CONFIRM, {"token": token(first)})
    answer = client.post(CONFIRM, {"token": token(first), "discard": "yes"}, follow=True)
    assert "was loaded already" in notes(answer)[-1][1]
    assert HashList.objects.get().current.label == "2026-11"


def test_other_bytes_are_never_loaded(login, list_manager, folder):
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2))))
    (kept,) = folder.iterdir()
    kept.write_bytes(md5s(1)[0].hex().encode())
    answer = client.post(CONFIRM, {"token": token(first)}, follow=True)
    assert "was changed on the disk: upload it again" in notes(answer)[0][1]
    assert not HashList.objects.exists()


@pytest.mark.parametrize("uploaded_again", [False, True])
def test_a_second_confirmation_says_when_it_was_loaded(login, list_manager, folder, uploaded_again):
    client = login(list_manager)
    values = md5s(2)
    first = client.post(LOAD, sent(plain(values)))
    client.post(CONFIRM, {"token": token(first)})
    if uploaded_again:
        first = client.post(LOAD, sent(plain(values), slug="harbour"))
    answer = client.post(CONFIRM, {"token": token(first)}, follow=True)
    at = HashListVersion.objects.get().loaded_at
    said = f"harbour 2026-11 was loaded already, on {at:%d %b %Y at %H:%M} UTC."
    assert notes(answer)[-1] == ("info", f"{said} Nothing was changed now.")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("other", [{"trust": "standard"}, {"harm_class": "other"}])
def test_the_same_bytes_as_another_new_list_are_not_what_was_loaded(login, list_manager, other):
    client = login(list_manager)
    values = md5s(2)
    first, second = (client.post(LOAD, sent(plain(values), **said)) for said in ({}, other))
    client.post(CONFIRM, {"token": token(first)})
    answer = client.post(CONFIRM, {"token": token(second)}, follow=True)
    said = [told for _, told in notes(answer)]
    assert not any("loaded already" in each for each in said)
    assert "made meanwhile" in said[-1] or "no longer here" in said[-1]
    assert HashList.objects.get().trust == "trusted"


def test_a_file_that_is_gone_is_said_to_be(login, list_manager, folder):
    client = login(list_manager)
    first = client.post(LOAD, sent(plain(md5s(2))))
    (kept,) = folder.iterdir()
    kept.unlink()
    answer = client.post(CONFIRM, {"token": token(first)}, follow=True)
    assert "no longer here" in notes(answer)[-1][1]


def test_two_new_lists_of_one_name_are_not_one(login, list_manager):
    client = login(list_manager)
    first, second = (client.post(LOAD, sent(plain(md5s(2)))) for _ in range(2))
    client.post(CONFIRM, {"token": token(first)})
    answer = client.post(CONFIRM, {"token": token(second)}, follow=True)
    assert "was made meanwhile" in notes(answer)[-1][1]
    assert HashListVersion.objects.count() == 1


@pytest.mark.parametrize("spoilt", ["", "x", "cut", "other"])
def test_a_token_that_is_not_this_persons_loads_nothing(login, list_manager, person, spoilt):
    client = login(list_manager)
    good = token(client.post(LOAD, sent(plain(md5s(2)))))
    bad = {"": "", "x": "x:y:z", "cut": good[:-2], "other": good}[spoilt]
    if spoilt == "other":
        client = login(person("leo", "list_manager"))
    answer = client.post(CONFIRM, {"token": bad}, follow=True)
    assert "upload the file again" in notes(answer)[0][1]
    assert not HashList.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "vics", "algorithm": "md5"}, "This format names its algorithms itself"),
        ({"profile": "generic"}, "This format takes no profile"),
        ({"delta": "on"}, "always the whole list"),
        ({"format": "csv", "algorithm": "", "profile_text": "{"}, "This is not JSON"),
        ({"slug": "harbor"}, "harbor is not one of the available choices"),
        ({"slug": ""}, "Choose a list, or"),
        ({"new_slug": "not a slug"}, "Letters, digits, hyphens and underscores only"),
        ({"new_slug": ""}, "This field is required"),
        ({"new_slug": "quay"}, "There is a list of this name"),
        ({"algorithm": ""}, "Plain lines do not say what their values are"),
        ({"format": "tea"}, "tea is not one of the available choices"),
        ({"label": ""}, "This field is required"),
    ],
)
def test_answers_that_do_not_fit(login, list_manager, folder, changes, words):
    rows.hash_list("quay")
    client, values = login(list_manager), md5s(3)
    answer = client.post(LOAD, sent(plain(values), **changes))
    assert answer.status_code == 400
    assert words in text(answer)
    # The file need not be chosen again.
    assert "“list.txt” is here" in text(answer)
    right = {name: value for name, value in sent(None).items() if name != "file"}
    again = client.post(LOAD, right | {"kept": answer.context["kept"]})
    assert again.status_code == 200, again.context["form"].errors
    assert again.context["would"].new == 3
    assert [each.name[:64] for each in folder.iterdir()] == [again.context["checksum"]]


def test_a_kept_file_is_its_owners_and_gives_way_to_another(login, list_manager, person):
    client = login(list_manager)
    kept = client.post(LOAD, sent(plain(md5s(1)), label="")).context["kept"]
    without = {name: value for name, value in sent(None).items() if name != "file"}
    other = login(person("leo", "list_manager")).post(LOAD, without | {"kept": kept})
    assert other.context["form"].errors["file"] == ["This field is required."]
    answer = login(list_manager).post(LOAD, sent(plain(md5s(2)), kept=kept))
    assert answer.context["would"].new == 2
    for broken in ("", "x", kept[:-1]):
        answer = client.post(LOAD, without | {"kept": broken})
        assert answer.context["form"].errors["file"] == ["This field is required."]


def test_a_kept_file_that_is_gone_is_asked_for(login, list_manager, folder):
    client = login(list_manager)
    kept = client.post(LOAD, sent(plain(md5s(1)), label="")).context["kept"]
    for each in folder.iterdir():
        each.unlink()
    without = {name: value for name, value in sent(None).items() if name != "file"}
    answer = client.post(LOAD, without | {"kept": kept})
    assert "upload it again" in text(answer)
    assert "kept" not in answer.context


def test_lines_that_name_their_algorithm_are_said_to(login, list_manager):
    file = SimpleUploadedFile("list.txt", f"md5 {md5s(1)[0].hex()}\n".encode())
    answer = login(list_manager).post(LOAD, sent(file, algorithm="+file"))
    assert answer.context["would"].new == 1


def test_lines_that_do_not_are_refused_in_words(login, list_manager):
    answer = login(list_manager).post(LOAD, sent(plain(md5s(49)), algorithm="+file"))
    (error,) = answer.context["form"].non_field_errors()
    assert "the line does not name its algorithm: 49" in error
    assert "choose under “Algorithm” what they are" in error


def test_nothing_is_made_up_unless_someone_says_so(login, list_manager):
    client = login(list_manager)
    assert not client.get(LOAD).context["form"]["synthetic"].value()
    first = client.post(LOAD, {k: v for k, v in sent(plain(md5s(1))).items() if k != "synthetic"})
    client.post(CONFIRM, {"token": token(first)})
    assert HashList.objects.get().synthetic is False


def test_a_real_installation_does_not_offer_made_up_lists(login, list_manager, settings):
    settings.SYNTHETIC = False
    client = login(list_manager)
    assert "synthetic" not in client.get(LOAD).context["form"].fields
    first = client.post(LOAD, sent(plain(md5s(1))))
    client.post(CONFIRM, {"token": token(first)})
    assert HashList.objects.get().synthetic is False


@pytest.mark.parametrize(("more", "algorithm"), [([], "md5"), ([("sha1", b"\x01" * 20)], "+file")])
def test_the_form_starts_as_the_list_was_loaded_last(login, list_manager, more, algorithm):
    known = rows.hash_list("quay", values=3)
    for name, value in more:
        known_row(known.current, name, value)
    form = login(list_manager).get(LOAD, {"list": "quay"}).context["form"]
    assert (form["slug"].value(), form["format"].value()) == ("quay", "plain")
    assert form["algorithm"].value() == algorithm


@pytest.mark.parametrize("slug", ["nowhere", "", "a b", "empty"])
def test_a_list_that_was_never_loaded_starts_empty(login, list_manager, slug):
    HashList.objects.create(slug="empty")
    assert login(list_manager).get(LOAD, {"list": slug}).status_code == 200


def test_past_versions_say_which_cases_went_back(login, list_manager, reviewer):
    known = rows.hash_list("quay", values=2)
    cases = [
        flagged_case(each, number=number, state="closed")
        for number, each in enumerate(KnownHash.objects.all())
    ]
    gone = rows.version(known, removed=2)
    KnownHash.objects.update(removed_in=gone)
    with transaction.atomic():
        for case, version in ((cases[0], gone.pk), (cases[1], gone.pk + 1)):
            CustodyEvent.objects.append(
                "case_reopened",
                case,
                by=None,
                reason=f"known_hash_withdrawn version {version}",
            )
    link = reverse("moderation:case", args=[cases[0].pk])
    page = login(reviewer).get("/hash-lists/quay/")
    assert page.context["versions"][0]["sent_back"] == [cases[0].pk]
    assert "withdrew 2 values; 1 closed case went back:" in text(page)
    assert f'href="{link}"' in text(page)
    assert "would" not in text(page)
    page = login(list_manager).get("/hash-lists/quay/")  # may not open cases
    assert f"case {cases[0].pk}" in text(page)
    assert f'href="{link}"' not in text(page)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"{", b"<html>", b"zzzz\n" * 3, b"a" * 2_000_000]
)
def test_a_file_that_is_none_is_refused(login, list_manager, body):
    answer = login(list_manager).post(LOAD, sent(SimpleUploadedFile("x.txt", body)))
    assert answer.status_code == 400
    assert "--" not in "".join(answer.context["form"].non_field_errors())
    assert not HashList.objects.exists()


def test_a_label_used_before_is_refused_in_the_words_of_the_form(login, list_manager):
    client = login(list_manager)
    client.post(CONFIRM, {"token": token(client.post(LOAD, sent(plain(md5s(2)))))})
    answer = client.post(LOAD, sent(plain(md5s(2)), slug="harbour"))
    (error,) = answer.context["form"].non_field_errors()
    assert error.startswith("This label was given to another file")
    assert "“Version”" in error


def test_a_csv_with_a_profile_of_its_own(login, list_manager):
    value = md5s(1)[0].hex()
    file = SimpleUploadedFile("list.csv", f"Wert;Art\n{value};md5\n".encode())
    profile = '{"name": "own", "delimiter": ";", "columns": {"Wert": "value", "Art": "algorithm"}}'
    answer = login(list_manager).post(
        LOAD, sent(file, format="csv", algorithm="", profile_text=profile)
    )
    assert answer.context["would"].new == 1


def test_a_list_may_be_called_load(login, reviewer):
    rows.hash_list("load")
    answer = login(reviewer).get(reverse("moderation:hash_list", args=["load"]))
    assert answer.status_code == 200


def own_list(**fields):
    case = make_case()
    add_entry(case, slug="decided-here", trust="standard")
    HashList.objects.filter(slug="decided-here").update(own=True, owner="This site", **fields)
    return HashList.objects.get(slug="decided-here"), case


def test_our_own_list_says_what_it_is_and_is_not_loaded_by_hand(login, list_manager):
    row, _ = own_list()
    client = login(list_manager)
    body = text(client.get("/hash-lists/"))
    assert "Kept by this site" in body
    body = text(client.get(f"/hash-lists/{row.slug}/"))
    assert "what two people decided here to remove" in body
    for foreign in ("Load a version", "Disputes with the owner", "Precision", "Agreement"):
        assert foreign not in body
    assert f'value="{row.slug}"' not in text(client.get(LOAD))
    assert "Change the rules" in body
    client.post(f"/hash-lists/{row.slug}/switch/", {"enabled": "off"})
    row.refresh_from_db()
    assert not row.enabled


def test_our_own_list_is_never_trusted(operator):
    row, _ = own_list()
    with pytest.raises(ValueError, match="trust"):
        changing.change(row, by=operator, trust="trusted")
    with pytest.raises(IntegrityError):
        HashList.objects.filter(pk=row.pk).update(trust="trusted")


def test_the_back_room_changes_no_more_of_our_own_list(login, operator):
    row, _ = own_list()
    body = text(login(operator).get(f"/admin/moderation/hashlist/{row.pk}/change/"))
    assert 'name="threshold"' in body
    assert 'name="trust"' not in body
