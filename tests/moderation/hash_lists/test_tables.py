"""CSV by profile: the generic and the police layout, and layouts of one's own."""

import pytest

from moderation.hash_lists.known import ListUnreadable
from moderation.hash_lists.profiles import POLICE, profile_from

from .files import hexed, items, known, reasons, table, value


def test_the_generic_layout():
    (item,) = known(items(table([(1, "B")]), "csv"))
    assert item == ("md5", value("md5", 1), "iwf", "B", "ref-1", False, "image", 0)


def test_rejected_rows_are_counted_by_reason():
    text = table([(1, "B")]) + (
        "00000000000000000000000000000000,MD5,A,,image,reject-me\n"
        f"{hexed('md5', 2)},CRC32,A,,image,x\n"
        f"{hexed('md5', 3)},MD5\n"
        f",MD5,A,,image,x\n"
        f"{hexed('md5', 4)},MD5,{'A' * 101},,image,x\n"
        f"{hexed('md5', 5)},MD5,A,,image,{'x' * 201}\n"
        f"{hexed('md5', 6)},MD5,A,,image,x,one too many\n"
    )
    found = items(text, "csv")
    assert len(known(found)) == 1
    assert reasons(found) == [
        ("flat_value", 3),
        ("unknown_algorithm", 4),
        ("wrong_columns", 5),
        ("empty", 6),
        ("bad_category", 7),
        ("bad_reference", 8),
        ("wrong_columns", 9),
    ]


def test_pdq_of_low_quality_is_rejected_when_quality_is_given():
    rows = [("49", 1), ("50", 2), ("", 3), ("good", 4)]
    text = "pdq,quality\n" + "".join(f"{hexed('pdq', seed)},{quality}\n" for quality, seed in rows)
    found = items(text, "csv")
    assert [item.value for item in known(found)] == [value("pdq", 2), value("pdq", 3)]
    assert reasons(found) == [("low_quality", 2), ("bad_quality", 5)]


def test_values_without_an_algorithm_column_take_the_named_one():
    (item,) = known(items(f"Value\n{hexed('sha256', 1)}\n", "csv", algorithm="sha256"))
    assert (item.algorithm, item.value) == ("sha256", value("sha256", 1))


def test_the_police_layout_uses_its_first_three_columns():
    text = (
        "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;"
        "Series name\n"
        f"{hexed('md5', 1)};{hexed('sha1', 1)};{hexed('photodna', 1)};17;true;false;false;Name\n"
        f"{hexed('md5', 2)};;;18;true;false;false;Name\n"
    )
    found = known(items(text, "csv", profile=POLICE))
    assert [item.algorithm for item in found] == ["md5", "sha1", "photodna", "md5"]
    assert {item.external_id for item in found} == {""}


def test_a_layout_of_ones_own():
    profile = profile_from(
        {
            "name": "own",
            "delimiter": "\t",
            "encoding": "cp1252",
            "skip_rows": 1,
            "columns": {"Prüfwert": "value", "Einstufung": "category", "Art": "media"},
            "algorithm": "sha1",
            "scheme": "land",
            "categories": {"Kategorie 1": "K1"},
            "media": {"Lichtbild": "photograph"},
            "skip": {"Status": ["gelöscht"]},
            "classes": {"K1": "csam-critical", "K9": "not_a_match"},
        }
    )
    rows = [
        ("Kategorie 1", "gültig"),
        ("Kategorie 1", "gelöscht"),
        ("K9", "gültig"),
        ("K2", "gültig"),
    ]
    text = "Liste vom 2. Mai\nPRÜFWERT\tEinstufung\tArt\tStatus\n" + "".join(
        f"{hexed('sha1', number)}\t{category}\tLichtbild\t{status}\n"
        for number, (category, status) in enumerate(rows)
    )
    found = items(text.encode("cp1252"), "csv", profile=profile)
    assert [(item.scheme, item.category, item.media) for item in known(found)] == [
        ("land:csam-critical", "K1", "photograph"),
        ("land", "K2", "photograph"),
    ]
    assert reasons(found) == [("skipped_by_profile", 4), ("not_a_match", 5)]


def test_columns_by_position():
    profile = profile_from({"header": False, "columns": {"2": "md5"}, "skip": {"1": ["no"]}})
    text = f"yes,{hexed('md5', 1)},a,b\nno,{hexed('md5', 2)}\nyes\n"
    found = items(text, "csv", profile=profile)
    assert [item.value for item in known(found)] == [value("md5", 1)]
    assert reasons(found) == [("skipped_by_profile", 2), ("wrong_columns", 3)]


def test_quotes_and_line_ends_inside_a_cell():
    text = f'hash,type,ref\n{hexed("md5", 1)},md5,"a, ""b"""\n'
    assert [item.external_id for item in known(items(text, "csv"))] == ['a, "b"']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,address\na,b\n", "finds no column of values"),
        (f"hash\n{hexed('md5', 1)}\n", "name it with --algorithm"),
        ("hash,value,type\n", "two columns of the file hold value"),
        (f'hash,type\n"{hexed("md5", 1)},md5\n', "quotes of line"),
        (f"hash,type\n{hexed('md5', 1)},md5\n{hexed('md5', 2)}", "ends inside line 3"),
        (f"hash,type\n{hexed('md5', 1)},md5\n{hexed('md5', 2)[:9]},md5", "ends inside line 3"),
        ("\n\n", "no header row"),
    ],
)
def test_files_of_another_layout_or_cut_off(text, message):
    with pytest.raises(ListUnreadable, match=message):
        items(text, "csv")


def test_a_wrong_encoding_names_the_way_out():
    text = f"hash,type,ref\n{hexed('md5', 1)},md5,é\n"
    with pytest.raises(ListUnreadable, match=r"not UTF-8 .* csv profile"):
        items(text.encode("latin-1"), "csv")
