"""Categories to harm class and triage."""

import pytest

from moderation.hash_lists.schemes import CLASSES, UNKNOWN, classify, most_severe, severity


@pytest.mark.parametrize(
    ("scheme", "category", "harm_class", "triage"),
    [
        ("iwf", "A", "csam", "critical"),
        ("iwf", "b", "csam", "high"),
        ("iwf", "C", "csam", "standard"),
        ("iwf", "Prohibited", "non_photographic", "harm_other"),
        ("iwf", "A1", "unknown", "unknown"),  # another scheme's value
        ("ncmec", "A1", "csam", "critical"),
        ("ncmec", "B1", "csam", "critical"),
        ("ncmec", "A2", "csam", "standard"),
        ("ncmec", "B2", "csam", "standard"),
        ("ncmec", "A", "unknown", "unknown"),
        ("arachnid", "csam", "csam", "high"),
        ("arachnid", "harmful-abusive-material", "abuse_related", "harm_other"),
        ("arachnid", "new-word", "unknown", "unknown"),
        ("stopncii", "", "adult_intimate", "harm_other"),
        ("vics", "1", "unknown", "unknown"),
        ("vics:csam-high", "1", "csam", "high"),
        ("vics:nonsense", "1", "unknown", "unknown"),
        ("", "", "unknown", "unknown"),
        ("inhope", "baseline", "unknown", "unknown"),
    ],
)
def test_classes(scheme, category, harm_class, triage):
    assert classify(scheme, category) == (harm_class, triage)


def test_a_list_may_say_what_its_values_without_category_are():
    assert classify("", "", harm_class="csam") == ("csam", "high")
    assert classify("", "", harm_class="other") == ("other", "harm_other")
    assert classify("", "", harm_class="no such") == UNKNOWN
    assert classify("iwf", "A", harm_class="other") == ("csam", "critical")
    assert classify("iwf", "new", harm_class="csam") == UNKNOWN  # a value without a mapping


def test_the_most_severe_counts():
    assert (
        most_severe(CLASSES["other"], CLASSES["csam-critical"], UNKNOWN) == CLASSES["csam-critical"]
    )
    assert most_severe() == UNKNOWN
    assert severity("iwf", "A") < severity("iwf", "B") < severity("x", "y") < severity("iwf", "C")


def test_every_class_is_one_that_cases_know():
    from moderation.models.case import HarmClass, Triage

    assert {classed.harm_class for classed in CLASSES.values()} == set(HarmClass.values)
    assert {classed.triage for classed in CLASSES.values()} == set(Triage.values)
