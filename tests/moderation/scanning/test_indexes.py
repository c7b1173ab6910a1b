"""Index files are named by what they hold: one name never stands for two contents."""

from datetime import timedelta

from django.db.models import F

from moderation.models import HashListVersion
from moderation.scanning import indexes

from .conftest import LoadList, md5_of


def test_a_name_stays_and_another_version_has_another(
    load_list: LoadList, drawn: list[bytes]
) -> None:
    load_list("demo", "1", [md5_of(drawn[0])])
    spans = indexes.spans_in_force()
    first = indexes.name_of(spans)
    assert indexes.name_of(reversed(spans)) == first
    load_list("demo", "2", [md5_of(data) for data in drawn[:2]])
    assert indexes.name_of(spans) == first
    assert indexes.name_of(indexes.spans_in_force()) != first


def test_a_number_given_again_after_a_restore_is_another_index(
    load_list: LoadList, drawn: list[bytes]
) -> None:
    """A database restored from before a version gives its number to the next file that comes."""
    load_list("demo", "1", [md5_of(drawn[0])])
    spans = indexes.spans_in_force()
    first = indexes.name_of(spans)
    HashListVersion.objects.update(loaded_at=F("loaded_at") + timedelta(hours=1))
    assert indexes.name_of(spans) != first
