"""The back room: gated by capability, read-only where nothing may change, custody for what may."""

import pytest
from django.contrib.auth.models import Group, User
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from moderation.models import CustodyEvent, HashList, KnownHash, LegalBasis
from tests.moderation.views import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(operator):
    operator.is_staff = True
    operator.save()
    return operator


def test_staff_without_the_capability_stay_outside(login, reviewer, auditor, operator):
    for user in (reviewer, auditor):
        user.is_staff = True
        user.save()
        assert login(user).get("/admin/").status_code == 302
    assert login(operator).get("/admin/").status_code == 302  # not staff


def test_an_operator_gets_in(login, staff):
    page = login(staff).get("/admin/")
    assert page.status_code == 200
    assert "default-src 'none'" in page["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "auth/user/",
        "moderation/hashlist/",
        "moderation/knownhash/",
        "moderation/legalbasis/",
        "django_celery_beat/periodictask/",
        "django_celery_beat/crontabschedule/",
        "django_celery_beat/intervalschedule/",
        "authtoken/tokenproxy/",
    ],
)
def test_its_pages_open(login, staff, path):
    rows.hash_list()
    assert login(staff).get(f"/admin/{path}").status_code == 200


@pytest.mark.parametrize("path", ["moderation/custodyevent/", "moderation/decision/"])
def test_custody_needs_the_auditors_capability(login, staff, path):
    assert login(staff).get(f"/admin/{path}").status_code == 403
    staff.groups.add(Group.objects.get(name="auditor"))
    staff = User.objects.get(pk=staff.pk)
    assert login(staff).get(f"/admin/{path}").status_code == 200


def test_what_is_kept_cannot_be_changed(login, staff):
    staff.groups.add(Group.objects.get(name="auditor"))
    client = login(User.objects.get(pk=staff.pk))
    rows.hash_list()
    known = KnownHash.objects.first()
    for path in ("moderation/custodyevent/", "moderation/decision/", "moderation/legalbasis/"):
        assert client.get(f"/admin/{path}add/").status_code == 403
    for step in ("delete", "change"):
        answer = client.post(f"/admin/moderation/knownhash/{known.pk}/{step}/", {"note": "x"})
        assert answer.status_code == 403
    assert not LegalBasis.objects.exists()


def test_a_known_hash_is_shown_without_its_value(login, staff):
    rows.hash_list()
    known = KnownHash.objects.first()
    page = login(staff).get(f"/admin/moderation/knownhash/{known.pk}/change/").content.decode()
    assert "md5" in page
    assert bytes(known.value).hex() not in page


def test_a_change_of_a_list_is_recorded(login, staff):
    known = rows.hash_list("quay", agreement="AGR-1")
    path = f"/admin/moderation/hashlist/{known.pk}/change/"
    form = login(staff).get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values = {name: "" if value is None else value for name, value in values.items()}
    values = {name: value for name, value in values.items() if value is not False}
    values |= {"threshold": 24, "trust": "trial", "expires_at_0": "", "expires_at_1": ""}
    answer = login(staff).post(path, values)
    assert answer.status_code == 302, answer.context["errors"]
    assert (HashList.objects.get().threshold, HashList.objects.get().trust) == (24, "trial")
    event = CustodyEvent.objects.get()
    assert event.action == "hash_list_changed"
    assert event.after == {"threshold": 24, "trust": "trial"}


def test_lists_are_not_made_or_deleted_here(login, staff):
    known = rows.hash_list()
    client = login(staff)
    assert client.get("/admin/moderation/hashlist/add/").status_code == 403
    assert client.post(f"/admin/moderation/hashlist/{known.pk}/delete/").status_code == 403


def give(client, user, *roles, **fields):
    values = {"username": user.username, "is_active": "on"} | fields
    values["groups"] = [Group.objects.get(name=role).pk for role in roles]
    return client.post(f"/admin/auth/user/{user.pk}/change/", values)


def test_a_role_is_given_and_recorded(login, staff, outsider):
    assert give(login(staff), outsider, "reviewer").status_code == 302
    assert [group.name for group in outsider.groups.all()] == ["reviewer"]
    event = CustodyEvent.objects.get()
    assert event.action == "person_changed"
    assert (event.before["roles"], event.after["roles"]) == ("", "reviewer")
    assert "oona" not in str(event.before) + str(event.after)


def test_switching_a_person_off_is_recorded(login, staff, outsider):
    give(login(staff), outsider, is_active="")
    assert not User.objects.get(pk=outsider.pk).is_active
    assert CustodyEvent.objects.get().after["active"] is False


def test_nobody_gives_a_role_to_himself(login, staff):
    give(login(staff), staff, "operator", "reviewer", "reporter")
    assert [group.name for group in staff.groups.all()] == ["operator"]
    assert not CustodyEvent.objects.exists()


def test_nobody_makes_a_superuser_or_touches_one(login, staff, outsider):
    give(login(staff), outsider, is_superuser="on")
    assert not User.objects.get(pk=outsider.pk).is_superuser
    User.objects.filter(pk=outsider.pk).update(is_superuser=True)
    assert give(login(staff), outsider, "reviewer").status_code == 403
    assert login(staff).get(f"/admin/auth/user/{outsider.pk}/password/").status_code == 403


def test_people_are_never_deleted(login, staff, outsider):
    assert login(staff).post(f"/admin/auth/user/{outsider.pk}/delete/").status_code == 403


def test_the_schedule_can_be_changed(login, staff):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    page = login(staff).get(f"/admin/django_celery_beat/periodictask/{task.pk}/change/")
    assert page.status_code == 200
    assert page.context["has_change_permission"]


@pytest.mark.parametrize(
    "query",
    [
        {"external_id__regex": "^a"},
        {"external_id__startswith": "a"},
        {"value": "00"},
        {"value__gt": "00"},
        {"external_id__regex": "("},
        {"algorithm__regex": "("},
        {"hash_list__agreement__startswith": "A"},
        {"algorithm": "\0"},
    ],
)
def test_the_address_cannot_ask_for_what_is_not_shown(login, staff, query):
    rows.hash_list()
    path = "/admin/moderation/knownhash/"
    answer = login(staff).get(path, query)
    assert answer.status_code == 400
    assert login(staff).get(path, {"algorithm": "md5"}).status_code == 200
    chosen = {"hash_list__id__exact": HashList.objects.get().pk}
    assert login(staff).get(path, chosen).context["cl"].result_count == 2


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("auth/user/", {"password__startswith": "m"}),
        ("auth/user/", {"username__regex": "("}),
        ("moderation/hashlist/", {"slug__regex": "("}),
        ("django_celery_beat/periodictask/", {"kwargs__regex": "("}),
    ],
)
def test_other_lists_neither(login, staff, path, query):
    assert login(staff).get(f"/admin/{path}", query).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"groups__id__exact": "1"},
        {"is_active__exact": "1"},
        {"q": "ot"},
        {"q": "\0"},
        {"o": "-1"},
        {"p": "x"},
        {"groups__id__exact": "x"},
        {"groups__id__exact": "9" * 40},
    ],
)
def test_the_pages_own_filters_work(login, staff, query):
    assert login(staff).get("/admin/auth/user/", query, follow=True).status_code == 200


def test_the_schedules_own_filters_work(login, staff):
    path = "/admin/django_celery_beat/periodictask/"
    page = login(staff).get(path)
    queries = [
        choice["query_string"]
        for spec in page.context["cl"].filter_specs
        for choice in spec.choices(page.context["cl"])
    ]
    assert len(queries) > 10
    for query in queries:
        assert login(staff).get(path + query).status_code == 200, query
