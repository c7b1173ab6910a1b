"""Plain lines: one value a line, or an algorithm before it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.algorithms import BadValue
from moderation.hash_lists.known import ListError, ListUnreadable, canonical

from .files import hexed, items, known, plain, reasons, value


def test_values_of_one_algorithm():
    found = items(plain(range(3)), "plain", algorithm="md5")
    assert [item.value for item in known(found)] == [value("md5", seed) for seed in range(3)]
    assert {item.algorithm for item in known(found)} == {"md5"}
    assert reasons(found) == []


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        ("md5", hexed("md5", 1).upper()),
        ("sha1", base64.b32encode(value("sha1", 1)).decode()),
        ("pdq", base64.b64encode(value("pdq", 1)).decode()),
        ("photodna", base64.b64encode(value("photodna", 1)).decode()),
        ("photodna", hexed("photodna", 1)),
    ],
)
def test_accepted_spellings(algorithm, text):
    assert [item.value for item in known(items(text, "plain", algorithm=algorithm))] == [
        value(algorithm, 1)
    ]


def test_an_algorithm_before_each_value():
    text = f"MD5 {hexed('md5', 1)}\nSHA-1\t{hexed('sha1', 2)}\n\n# a remark\nphash {'5' * 16}\n"
    found = known(items(text, "plain"))
    assert [item.algorithm for item in found] == ["md5", "sha1", "phash"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_line_ends_and_encodings_with_a_mark(ending, encoding):
    data = plain(range(3)).replace("\n", ending).encode(encoding)
    assert len(known(items(data, "plain", algorithm="md5"))) == 3


def test_rejects_say_why_and_where():
    lines = [
        hexed("md5", 1),
        "d41d8cd98f00b204e9800998ecf8427e",
        "0" * 32,
        "F" * 32,
        "z" * 32,
        hexed("md5", 1)[:-1],
        "é" * 32,
        f"{hexed('md5', 2)} {hexed('md5', 3)}",
    ]
    found = items("\n".join(lines) + "\n", "plain", algorithm="md5")
    assert len(known(found)) == 1
    assert reasons(found) == [
        ("empty_input_digest", 2),
        ("flat_value", 3),
        ("flat_value", 4),
        ("not_hex", 5),
        ("wrong_length", 6),
        ("not_ascii", 7),
        ("wrong_length", 8),
    ]


def test_lines_without_an_algorithm_when_none_was_named():
    found = items(f"{hexed('md5', 1)}\ncrc32 {hexed('md5', 2)}\n", "plain")
    assert reasons(found) == [("no_algorithm", 1), ("unknown_algorithm", 2)]


def test_opaque_values_are_kept_up_to_what_can_be_stored():
    text = f"tmk_pdqf {'a' * 2000}\ntmk_pdqf {'a' * 2001}\nnetclean \x1b[31m\n"
    found = items(text, "plain")
    assert [len(item.value) for item in known(found)] == [2000]
    assert reasons(found) == [("too_long", 2), ("not_text", 3)]


def test_a_file_cut_inside_a_value_is_refused():
    with pytest.raises(ListUnreadable, match="ends inside line 3"):
        items(plain(range(3))[:-5], "plain", algorithm="md5")


@pytest.mark.parametrize("end", ["", "\n"])
def test_values_of_another_algorithm_are_not_taken_for_a_cut_off_file(end):
    text = "\n".join(hexed("sha256", number) for number in range(20)) + end
    found = items(text, "plain", algorithm="md5")
    assert reasons(found) == [("wrong_length", number) for number in range(1, 21)]


def test_a_last_line_as_long_as_another_algorithm_may_be_either():
    text = f"{plain(range(3), 'sha256')}{hexed('md5', 9)}"
    with pytest.raises(ListUnreadable, match=r"line 4 is the last.*another algorithm.*cut off"):
        items(text, "plain", algorithm="sha256")


def test_the_last_line_needs_no_end():
    assert len(known(items(plain(range(3)).rstrip(), "plain", algorithm="md5"))) == 3


@pytest.mark.parametrize("format", ["vics", "ncmec", "stopncii"])
def test_an_algorithm_is_refused_where_the_format_names_it(format):
    with pytest.raises(ListError, match="leave --algorithm out"):
        items("x", format, algorithm="md5")


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ListError, match="--algorithm must be one of"):
        items("x", "plain", algorithm="crc32")


LINE = st.sampled_from(
    [
        hexed("md5", 1),
        hexed("md5", 2).upper(),
        f" {hexed('md5', 3)}\t",
        f"{hexed('md5', 4)[:8]} {hexed('md5', 4)[8:-1]}",  # as long, with a blank inside
        f"{hexed('md5', 5)[:16]}\v{hexed('md5', 5)[17:]}",
        hexed("md5", 6)[:-1],
        "",
        "# a remark",
        "#" + hexed("md5", 7)[1:],
        "0" * 32,
        "f" * 32,
        "d41d8cd98f00b204e9800998ecf8427e",
        "z" * 32,
        "\u0661" * 32,  # digits of another script
    ]
)


@given(
    st.lists(LINE | st.integers(10, 99).map(lambda seed: hexed("md5", seed)), max_size=30),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(40, 400),
)
def test_many_lines_at_once_say_what_each_says(lines, end, chunk):
    data = "".join(f"{line}{end}" for line in lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moderation.hash_lists.text.CHUNK", chunk)
        found = items(data or b"\n", "plain", algorithm="md5")
    values, rejected = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            values.append(canonical("md5", line))
        except BadValue as error:
            rejected.append((error.reason, number))
    assert sorted(item.value for item in known(found)) == sorted(values)
    assert reasons(found) == rejected
