"""A file becomes the current version of a list: what is new, same, changed, removed, rejected."""

import dataclasses
import io

import pytest
from django.db import connection

from moderation.algorithms import NAMED
from moderation.hash_lists import loading
from moderation.hash_lists.keys import is_open
from moderation.hash_lists.known import ListError, ListUnreadable
from moderation.hash_lists.labels import Kinds, unpack
from moderation.hash_lists.loading import ListOptions, Loaded, LoadRefused, load
from moderation.hash_lists.profiles import profile_from
from moderation.models import CustodyEvent, HashList, HashListVersion, KnownBlock, KnownHash

from .files import (
    hexed,
    ncmec,
    ncmec_deleted,
    ncmec_entry,
    plain,
    stopncii,
    table,
    value,
    vics,
    vics_media,
)
from .rows import in_version, row_of, standing, values, versions

pytestmark = pytest.mark.django_db


def loaded(text: str | bytes, label: str, format: str = "csv", **options) -> Loaded:
    raw = text.encode() if isinstance(text, str) else text
    return load(io.BytesIO(raw), slug="demo", label=label, format=format, **options)


def counts(result: Loaded) -> tuple[int, int, int, int]:
    return result.new, result.same, result.changed, result.removed


def test_a_first_version():
    result = loaded(table([(1, "A"), (2, "B")]), "1")
    assert counts(result) == (2, 0, 0, 0)
    assert result.rejected == {}
    assert standing("demo") == {
        hexed("md5", 1): ("md5", "iwf", "A"),
        hexed("md5", 2): ("md5", "iwf", "B"),
    }
    assert [(each.external_id, each.media) for each in values("demo")] in (
        [("ref-1", "image"), ("ref-2", "image")],
        [("ref-2", "image"), ("ref-1", "image")],
    )
    assert not KnownHash.objects.exists()  # nothing is said of one value yet
    demo = HashList.objects.get(slug="demo")
    assert demo.trust == HashList.Trust.STANDARD
    assert demo.current == HashListVersion.objects.get(pk=result.version_id)
    assert (demo.current.new, demo.current.format, len(demo.current.checksum)) == (2, "csv", 64)


def test_a_second_version_says_what_is_new_same_changed_and_removed():
    loaded(table([(1, "A"), (2, "B"), (3, "C")]), "1")
    result = loaded(table([(2, "B"), (3, "A"), (4, "A"), (5, "A")]), "2")
    assert counts(result) == (2, 1, 1, 1)
    assert set(standing("demo")) == {hexed("md5", seed) for seed in (2, 3, 4, 5)}
    assert standing("demo")[hexed("md5", 3)] == ("md5", "iwf", "A")
    first, second = HashListVersion.objects.order_by("number")
    assert (second.new, second.same, second.changed, second.removed) == counts(result)
    # Each version keeps saying what it said.
    earlier = {bytes(row.value): row.category for row in in_version(first)}
    assert earlier == {value("md5", 1): "A", value("md5", 2): "B", value("md5", 3): "C"}
    assert len(in_version(second)) == 4


def test_notes_of_people_survive_a_change_of_category():
    loaded(table([(1, "A"), (2, "A")]), "1")
    noted = row_of("md5", value("md5", 1))
    KnownHash.objects.filter(pk=noted.pk).update(note="checked")
    assert loaded(table([(1, "B"), (2, "B")]), "2").changed == 2
    noted.refresh_from_db()
    assert noted.removed_in.label == "2"
    now = KnownHash.objects.get(removed_in=None)
    assert (bytes(now.value), now.category, now.note) == (value("md5", 1), "B", "checked")


def test_a_new_reference_alone_changes_nothing_but_the_reference():
    loaded(table([(1, "A"), (2, "A")]), "1")
    row = row_of("md5", value("md5", 1))
    result = loaded(table([(1, "A"), (2, "A")]).replace("ref-1", r"other\x41"), "2")
    assert counts(result) == (0, 2, 0, 0)
    assert {each.external_id for each in values("demo")} == {r"other\x41", "ref-2"}
    row.refresh_from_db()
    assert row.external_id == r"other\x41"
    stored = unpack(bytes(KnownBlock.objects.get().labels), Kinds()).references
    assert set(stored.to_pylist()) == {r"other\x41", "ref-2"}


def test_a_value_comes_back_after_it_was_withdrawn():
    for label, seeds in (("1", [1, 2]), ("2", [2]), ("3", [1, 2])):
        result = loaded(plain(seeds), label, "plain", algorithm="md5")
    assert counts(result) == (1, 1, 0, 0)
    assert [each.added_in.label for each in values("demo") if each.value == value("md5", 1)] == [
        "1",
        "3",
    ]


def test_rejected_values_are_counted_by_reason():
    text = table([(1, "A"), (1, "B")]) + "0" * 32 + ",MD5,A,,image,x\n,MD5,A,,image,x\n"
    result = loaded(text, "1")
    assert result.new == 1
    assert result.rejected == {"duplicate": 1, "empty": 1, "flat_value": 1}
    assert HashListVersion.objects.get().rejected == result.rejected


def test_of_a_value_given_twice_the_most_severe_category_stands():
    loaded(table([(1, "C"), (1, "A"), (1, "B"), (2, "x"), (2, "C")]), "1")
    assert {row[2] for row in standing("demo").values()} == {"A", "x"}  # unknown before standard


def test_the_same_bytes_under_two_algorithms_are_two_values():
    text = f"md5 {hexed('md5', 1)}\nurl_md5 {hexed('md5', 1)}\n"
    assert loaded(text, "1", "plain").new == 2


def test_each_algorithm_keeps_its_values_whole():
    opaque = {name: f"text of {name}".encode() for name in NAMED if is_open(name)}
    whole = {name: value(name, 1)[:-1] + b"\0" for name in NAMED if not is_open(name)}
    lines = [f"{name} {text.decode()}" for name, text in opaque.items()]
    lines += [f"{name} {drawn.hex()}" for name, drawn in whole.items()]
    assert loaded("\n".join([*lines, ""]), "1", "plain").new == len(NAMED)
    assert {row.algorithm: bytes(row.value) for row in values("demo")} == opaque | whole
    assert KnownBlock.objects.count() == len(NAMED)
    demo = HashList.objects.get()
    assert set(KnownBlock.objects.standing_counts(demo).values()) == {1}
    assert loaded("\n".join(lines[1:]) + "\n", "2", "plain").removed == 1
    assert len(KnownBlock.objects.standing_counts(demo)) == len(NAMED) - 1


def test_the_same_file_and_label_again_change_nothing():
    text = table([(1, "A"), (2, "B")])
    first = loaded(text, "1")
    events = CustodyEvent.objects.count()
    again = loaded(text, "1")
    assert again.repeated
    assert (counts(again), again.version_id) == ((0, 2, 0, 0), first.version_id)
    assert versions("demo") == [(1, "1")]
    assert CustodyEvent.objects.count() == events


def test_the_same_file_under_another_label_is_a_version_without_changes():
    loaded(table([(1, "A")]), "1")
    assert counts(loaded(table([(1, "A")]), "2")) == (0, 1, 0, 0)
    assert versions("demo") == [(1, "1"), (2, "2")]


def test_a_label_is_not_reused_for_another_file():
    loaded(table([(1, "A")]), "1")
    with pytest.raises(LoadRefused, match="label was given to another file"):
        loaded(table([(2, "A")]), "1")
    assert set(standing("demo")) == {hexed("md5", 1)}


def test_a_dry_run_counts_and_keeps_nothing():
    result = loaded(table([(1, "A")]), "1", dry_run=True)
    assert (counts(result), result.version_id) == ((1, 0, 0, 0), None)
    assert not HashList.objects.exists()
    loaded(table([(1, "A"), (2, "A")]), "1")
    result = loaded(table([(2, "B"), (3, "A")]), "2", dry_run=True)
    assert counts(result) == (1, 0, 1, 1)
    assert set(standing("demo")) == {hexed("md5", 1), hexed("md5", 2)}
    assert CustodyEvent.objects.count() == 1
    assert counts(loaded(table([(2, "B"), (3, "A")]), "2")) == counts(result)


def test_a_broken_file_leaves_nothing_behind():
    loaded(plain(range(3)), "1", "plain", algorithm="md5")
    before = (standing("demo"), versions("demo"), CustodyEvent.objects.count())
    long = plain(range(20_000)) + "z" * 200_000  # breaks after much of it was copied
    for text in (long, plain(range(20_000))[:-9], "\0", ""):
        with pytest.raises(ListUnreadable):
            loaded(text, "2", "plain", algorithm="md5")
    assert (standing("demo"), versions("demo"), CustodyEvent.objects.count()) == before


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("# nothing\n", "plain", "names no values"),
        ("hello\nworld\n", "plain", r"can be used \(not the length of its algorithm: 2\)"),
        ("hash,type\n", "csv", "names no values"),
        ('{"value": []}', "vics", "names no values"),
        (ncmec(), "ncmec", "names no values"),
        (ncmec(ncmec_deleted(1)), "ncmec", "only takes values back; load it with --delta"),
        (stopncii([(1, "Deleted")]), "stopncii", "only takes values back"),
    ],
)
def test_a_file_that_would_empty_the_list_is_refused(text, format, message):
    loaded(table([(1, "A")]), "1")
    algorithm = "md5" if format == "plain" else None
    with pytest.raises(LoadRefused, match=message):
        loaded(text, "2", format, algorithm=algorithm)
    assert set(standing("demo")) == {hexed("md5", 1)}


def test_a_file_changed_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(plain(range(10_000)))

    def write_on(position: int) -> None:
        with path.open("a") as more:
            more.write("\n")

    with path.open("rb") as file, pytest.raises(ListUnreadable, match="changed while"):
        load(file, slug="demo", label="1", format="plain", algorithm="md5", progress=write_on)
    assert not HashList.objects.exists()


# --- NCMEC and StopNCII ---------------------------------------------------------------------------


def test_an_ncmec_file_is_a_full_list_by_default():
    loaded(ncmec(ncmec_entry(1), ncmec_entry(2), ncmec_entry(3)), "1", "ncmec")
    result = loaded(ncmec(ncmec_entry(1), ncmec_entry(4), ncmec_deleted(3)), "2", "ncmec")
    assert counts(result) == (1, 1, 0, 2)


def test_an_ncmec_delta_removes_only_what_it_takes_back():
    loaded(ncmec(*(ncmec_entry(seed) for seed in range(1, 5))), "1", "ncmec")
    replaced = ncmec_entry(4, fingerprints=f"<md5>{hexed('md5', 44)}</md5>")
    result = loaded(
        ncmec(
            ncmec_entry(1, grade="A1"),
            replaced,
            ncmec_deleted(2),
            ncmec_deleted(3, member=9),  # another member's entry of the same number
            ncmec_deleted(77),
        ),
        "2",
        "ncmec",
        delta=True,
    )
    assert counts(result) == (1, 0, 1, 2)
    assert standing("demo") == {
        hexed("md5", 3): ("md5", "ncmec", "A2"),
        hexed("md5", 1): ("md5", "ncmec", "A1"),
        hexed("md5", 44): ("md5", "ncmec", "A2"),
    }


def test_between_an_entry_and_its_deletion_the_later_counts():
    later = ncmec_entry(2).replace("03:00:00", "03:30:00")
    text = ncmec(ncmec_deleted(1), ncmec_entry(1), later, ncmec_deleted(2))
    assert counts(loaded(text, "1", "ncmec", delta=True)) == (1, 0, 0, 0)
    assert set(standing("demo")) == {hexed("md5", 2)}


def test_one_page_of_several_does_not_withdraw_what_it_lacks():
    page = ncmec(ncmec_entry(1), next_page="/v2/entries?start=1001")
    loaded(page, "1", "ncmec")
    other = ncmec(ncmec_entry(2), next_page="/v2/entries?start=2001")
    with pytest.raises(LoadRefused, match=r"lacks 1 values that stand; load it with --delta"):
        loaded(other, "2", "ncmec")
    assert counts(loaded(other, "2", "ncmec", delta=True)) == (1, 0, 0, 0)
    assert len(standing("demo")) == 2


def test_an_empty_delta_is_a_version():
    loaded(ncmec(ncmec_entry(1)), "1", "ncmec")
    assert counts(loaded(ncmec(), "2", "ncmec", delta=True)) == (0, 0, 0, 0)
    assert len(standing("demo")) == 1


def test_stopncii_statuses_in_full_and_in_delta():
    loaded(stopncii([(seed, "Active") for seed in range(4)]), "1", "stopncii")
    delta = loaded(stopncii([(0, "Withdrawn"), (9, "Active")]), "2", "stopncii", delta=True)
    assert counts(delta) == (1, 0, 0, 1)
    full = loaded(stopncii([(9, "Active"), (1, "Active"), (1, "Deleted")]), "3", "stopncii")
    assert counts(full) == (0, 1, 0, 3)
    assert set(standing("demo")) == {hexed("pdq", 9)}


def test_a_delta_of_a_full_format_is_refused():
    with pytest.raises(ListError, match="always a full list"):
        loaded(table([(1, "A")]), "1", delta=True)


def test_vics_with_and_without_the_meaning_of_its_numbers():
    text = vics([vics_media(1), vics_media(2, Category=0)])
    loaded(text, "1", "vics")
    profile = profile_from({"scheme": "vics", "classes": {"2": "csam-high"}})
    assert counts(loaded(text, "2", "vics", profile=profile)) == (0, 2, 2, 0)
    assert standing("demo")[hexed("md5", 1)] == ("md5", "vics:csam-high", "2")


# --- the list itself ------------------------------------------------------------------------------


def test_options_are_written_on_a_new_list_and_kept():
    options = ListOptions(trust="trusted", owner="Demo body", harm_class="csam", synthetic=True)
    loaded(table([(1, "A")]), "1", options=options)
    demo = HashList.objects.get()
    assert (demo.trust, demo.owner, demo.harm_class, demo.synthetic) == (
        "trusted",
        "Demo body",
        "csam",
        True,
    )
    loaded(table([(1, "B")]), "2", options=options)
    loaded(table([(1, "C")]), "3")
    for name, other in (("trust", "trial"), ("owner", "Other"), ("harm_class", "other")):
        with pytest.raises(LoadRefused, match=f"another {name.replace('_', ' ')}"):
            loaded(table([(1, "A")]), "4", options=dataclasses.replace(options, **{name: other}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"slug": "a b"}, "--list must be letters"),
        ({"slug": "x" * 61}, "--list must be 1 to 60"),
        ({"label": " "}, "--version must be 1 to 100"),
        ({"label": "a\nb"}, "--version must be 1 to 100"),
        ({"label": "\udcff"}, "--version must be 1 to 100"),
        ({"options": ListOptions(trust="full")}, "--trust must be one of"),
        ({"options": ListOptions(harm_class="bad")}, "--harm-class must be one of"),
        ({"options": ListOptions(owner="x" * 201)}, "--owner must be at most 200"),
    ],
)
def test_names_that_cannot_be_stored(names, message):
    arguments = {"slug": "demo", "label": "1", "format": "csv"} | names
    with pytest.raises(ListError, match=message):
        load(io.BytesIO(table([(1, "A")]).encode()), **arguments)
    assert not HashList.objects.exists()


def test_made_up_lists_stay_out_of_a_real_installation(settings):
    settings.SYNTHETIC = False
    with pytest.raises(LoadRefused, match="made-up"):
        loaded(table([(1, "A")]), "1", options=ListOptions(synthetic=True))


def test_other_lists_are_left_alone():
    loaded(table([(1, "A"), (2, "A")]), "1")
    result = load(io.BytesIO(table([(1, "B")]).encode()), slug="other", label="1", format="csv")
    assert counts(result) == (1, 0, 0, 0)
    assert len(standing("demo")) == 2


def test_each_load_leaves_one_custody_event_of_who_did_it(list_manager):
    result = loaded(table([(1, "A")]), "1", by=list_manager)
    event = CustodyEvent.objects.get()
    assert event.action == "hash_list_loaded"
    assert (event.object_type, event.object_id) == ("hashlistversion", str(result.version_id))
    assert event.actor == list_manager.person.pseudonym
    assert event.file_sha256 == HashListVersion.objects.get().checksum
    assert event.after["new"] == 1
    assert HashListVersion.objects.get().loaded_by == list_manager


def test_no_value_reaches_the_text_of_a_query(django_assert_max_num_queries):
    with django_assert_max_num_queries(60) as captured:
        loaded(table([(1, "A"), (2, "B")]), "1")
        loaded(table([(1, "B")]), "2")
    queries = " ".join(query["sql"] for query in captured.captured_queries)
    assert "moderation_hashlistversion" in queries
    assert hexed("md5", 1)[:8] not in queries.lower()


def test_progress_reaches_the_end_of_the_file():
    text = plain(range(10_000)).encode()
    seen: list[int] = []
    load(
        io.BytesIO(text), slug="a", label="1", format="plain", algorithm="md5", progress=seen.append
    )
    assert seen == sorted(seen)
    assert (len(seen) > 3, seen[-1]) == (True, len(text))


def test_the_lock_is_per_list():
    with connection.cursor() as cursor:
        loaded(table([(1, "A")]), "1")
        cursor.execute(
            "SELECT objid = hashtext('demo')::bigint & 4294967295 FROM pg_locks"
            " WHERE locktype = 'advisory' AND objsubid = 2 AND pid = pg_backend_pid()"
            f" AND classid = {loading.LOCK}"
        )
        assert cursor.fetchall() == [(True,)]
