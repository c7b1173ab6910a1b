"""The back room: gated by capability, read-only where nothing may change, custody for what may."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from moderation.models import CustodyEvent, HashList, KnownHash
from tests.moderation.views import rows

pytestmark = pytest.mark.django_db


def test_whoever_manages_no_settings_stays_outside(login, reviewer, auditor):
    for user in (reviewer, auditor):
        user.is_staff = True
        user.save()
        assert login(user).get("/admin/").status_code == 302


def test_an_operator_gets_in(login, operator):
    page = login(operator).get("/admin/")
    assert page.status_code == 200
    assert "default-src 'none'" in page["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "moderation/hashlist/",
        "moderation/knownhash/",
        "django_celery_beat/periodictask/",
        "django_celery_beat/crontabschedule/",
        "django_celery_beat/intervalschedule/",
    ],
)
def test_its_pages_open(login, operator, path):
    rows.hash_list()
    assert login(operator).get(f"/admin/{path}").status_code == 200


def test_more_than_one_of_a_thing_is_called_as_in_english(login, operator):
    assert "Known hashes" in login(operator).get("/admin/").content.decode()
    ours = [*apps.get_app_config("moderation").get_models()]
    ours += apps.get_app_config("reports").get_models()
    names = [str(each._meta.verbose_name_plural) for each in ours if each._meta.managed]
    wrong = re.compile(r"(sh|ch|x|z|s|[^aeiou]y)s$")  # an s after what takes -es or -ies
    assert [name for name in names if wrong.search(name) and name != "wellness"] == []


@pytest.mark.parametrize("path", ["moderation/custodyevent/", "moderation/decision/"])
def test_custody_needs_the_auditors_capability(login, operator, path):
    assert login(operator).get(f"/admin/{path}").status_code == 403
    operator.groups.add(Group.objects.get(name="auditor"))
    operator = User.objects.get(pk=operator.pk)
    assert login(operator).get(f"/admin/{path}").status_code == 200


def test_what_is_kept_cannot_be_changed(login, operator):
    operator.groups.add(Group.objects.get(name="auditor"))
    client = login(User.objects.get(pk=operator.pk))
    rows.hash_list()
    known = KnownHash.objects.first()
    for path in ("moderation/custodyevent/", "moderation/decision/"):
        assert client.get(f"/admin/{path}add/").status_code == 403
    for step in ("delete", "change"):
        answer = client.post(f"/admin/moderation/knownhash/{known.pk}/{step}/", {"note": "x"})
        assert answer.status_code == 403


def test_a_known_hash_is_shown_without_its_value(login, operator):
    rows.hash_list()
    known = KnownHash.objects.first()
    page = login(operator).get(f"/admin/moderation/knownhash/{known.pk}/change/").content.decode()
    assert "md5" in page
    assert bytes(known.value).hex() not in page


def change_list(client, known, **said):
    """Send the page of a list as it stands, but for what is said."""
    path = f"/admin/moderation/hashlist/{known.pk}/change/"
    form = client.get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    until = values.pop("expires_at")
    values["expires_at_0"] = f"{until:%Y-%m-%d}" if until else ""
    values["expires_at_1"] = f"{until:%H:%M:%S}" if until else ""
    values = {name: "" if value is None else value for name, value in values.items()}
    values = {name: value for name, value in values.items() if value is not False}
    return client.post(path, values | said)


def test_a_change_of_a_list_is_recorded(login, operator):
    known = rows.hash_list("quay", agreement="AGR-1")
    answer = change_list(login(operator), known, threshold=24, trust="trial")
    assert answer.status_code == 302, answer.context["errors"]
    assert (HashList.objects.get().threshold, HashList.objects.get().trust) == (24, "trial")
    event = CustodyEvent.objects.get()
    assert event.action == "hash_list_changed"
    assert event.after == {"threshold": 24, "trust": "trial"}


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("0001-01-01", "Choose a time to come."),
        ("2020-01-01", "switch it off"),
        ("9999-12-31", "more than 50 years"),
    ],
)
def test_an_agreement_ends_at_a_time_to_come(login, operator, day, words):
    known = rows.hash_list("quay")
    answer = change_list(login(operator), known, expires_at_0=day, expires_at_1="00:00:00")
    assert words in str(answer.context["errors"])
    assert HashList.objects.get().expires_at is None


def test_a_list_whose_agreement_is_over_can_be_changed(login, operator):
    over = timezone.now() - timedelta(days=5)
    known = rows.hash_list("quay", expires_at=over)
    answer = change_list(login(operator), known, owner="Harbour office")
    assert answer.status_code == 302, answer.context["errors"]
    known.refresh_from_db()
    assert (known.owner, known.expires_at) == ("Harbour office", over)
    assert CustodyEvent.objects.get().after == {"owner": "Harbour office"}


def test_lists_are_not_made_or_deleted_here(login, operator):
    known = rows.hash_list()
    client = login(operator)
    assert client.get("/admin/moderation/hashlist/add/").status_code == 403
    assert client.post(f"/admin/moderation/hashlist/{known.pk}/delete/").status_code == 403


@pytest.mark.parametrize(
    "path",
    ["auth/user/", "auth/group/", "authtoken/tokenproxy/", "mfa/authenticator/"],
)
def test_people_are_under_team_alone(login, operator, path):
    assert login(operator).get(f"/admin/{path}").status_code == 404


def test_the_schedule_can_be_changed(login, operator):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    page = login(operator).get(f"/admin/django_celery_beat/periodictask/{task.pk}/change/")
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
def test_the_address_cannot_ask_for_what_is_not_shown(login, operator, query):
    rows.hash_list()
    path = "/admin/moderation/knownhash/"
    answer = login(operator).get(path, query)
    assert answer.status_code == 400
    assert login(operator).get(path, {"algorithm": "md5"}).status_code == 200
    chosen = {"hash_list__id__exact": HashList.objects.get().pk}
    assert login(operator).get(path, chosen).context["cl"].result_count == 2


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("moderation/hashlist/", {"slug__regex": "("}),
        ("django_celery_beat/periodictask/", {"kwargs__regex": "("}),
    ],
)
def test_other_lists_neither(login, operator, path, query):
    assert login(operator).get(f"/admin/{path}", query).status_code == 400


def test_the_schedules_own_filters_work(login, operator):
    path = "/admin/django_celery_beat/periodictask/"
    page = login(operator).get(path)
    queries = [
        choice["query_string"]
        for spec in page.context["cl"].filter_specs
        for choice in spec.choices(page.context["cl"])
    ]
    assert len(queries) > 10
    for query in queries:
        assert login(operator).get(path + query).status_code == 200, query


def test_steps_on_the_schedule_are_recorded(login, operator):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    client = login(operator)
    form = {"every": "2", "period": "hours"} | {
        f"periodictask_set-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    path = f"/admin/django_celery_beat/intervalschedule/{every.pk}/change/"
    assert client.post(path, form).status_code == 302
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_type) == ("schedule_changed", "intervalschedule")
    assert (event.before, event.after) == ({"every": 1}, {"every": 2})

    tasks = "/admin/django_celery_beat/periodictask/"
    for action in ("disable_tasks", "enable_tasks", "toggle_tasks"):
        chosen = {"action": action, "_selected_action": [task.pk], "post": "yes"}
        assert client.post(tasks, chosen).status_code == 302
    said = [(event.action, event.after) for event in CustodyEvent.objects.all()[1:]]
    assert said == [
        ("schedule_changed", {"enabled": False}),
        ("schedule_changed", {"enabled": True}),
        ("schedule_changed", {"enabled": False}),
    ]


def test_which_tasks_there_are_stands_in_the_settings(login, operator):
    every, day = (IntervalSchedule.objects.create(every=n, period="hours") for n in (1, 24))
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    tasks = "/admin/django_celery_beat/periodictask/"
    client = login(operator)
    assert client.get(f"{tasks}add/").status_code == 403
    assert client.post(f"{tasks}{task.pk}/delete/", {"post": "yes"}).status_code == 403
    values = {
        "enabled": "on",
        "interval": day.pk,
        "task": "moderation.tasks.other",
        "kwargs": '{"note": "words"}',
    }
    answer = client.post(f"{tasks}{task.pk}/change/", values)
    assert answer.status_code == 302, answer.context["errors"]
    task.refresh_from_db()
    assert (task.task, task.kwargs, task.interval) == ("moderation.tasks.rescan_due", "{}", day)
    event = CustodyEvent.objects.get(action="schedule_changed")
    assert event.after == {"interval": day.pk}


@pytest.mark.parametrize(
    ("every", "period"),
    [("2147483647", "days"), ("367", "days"), ("9", "seconds"), ("1", "microseconds")],
)
def test_an_interval_is_one_that_the_scheduler_can_keep(login, operator, every, period):
    form = {"every": every, "period": period} | {
        f"periodictask_set-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    answer = login(operator).post("/admin/django_celery_beat/intervalschedule/add/", form)
    assert "ten seconds at least and 366 days at most" in answer.content.decode()
    assert not IntervalSchedule.objects.filter(every=every, period=period).exists()


def test_an_interval_in_use_is_not_deleted(login, operator):
    every = IntervalSchedule.objects.create(every=7, period="hours")
    task = PeriodicTask.objects.create(name="rescan", task="rescan_due", interval=every)
    path = f"/admin/django_celery_beat/intervalschedule/{every.pk}/delete/"
    login(operator).post(path, {"post": "yes"})
    assert PeriodicTask.objects.filter(pk=task.pk, interval=every).exists()


def test_a_list_says_nothing_in_another_order_than_it_is_written(login, operator):
    known = rows.hash_list("quay")
    path = f"/admin/moderation/hashlist/{known.pk}/change/"
    values = {"owner": "Hot\u202eenil", "trust": "trusted", "threshold": 31, "sample_ratio": 1}
    assert "type it anew" in login(operator).post(path, values).content.decode()
    known.refresh_from_db()
    assert "\u202e" not in known.owner


@pytest.mark.parametrize(
    ("day", "month", "weekday", "taken"),
    [
        ("31", "2", "*", False),
        ("30,31", "2", "*", False),
        ("31", "4,6,9,11", "*", False),
        ("31", "2,3", "*", True),
        ("28", "2", "*", True),
        ("*", "*", "0", True),
        ("1-7", "*", "mon", True),
        ("0", "13", "*", None),
    ],
)
def test_a_crontab_is_one_that_comes(login, operator, day, month, weekday, taken):
    form = {"minute": "0", "hour": "3", "timezone": "UTC", "day_of_week": weekday}
    form |= {"day_of_month": day, "month_of_year": month}
    form |= {f"periodictask_set-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    answer = login(operator).post("/admin/django_celery_beat/crontabschedule/add/", form)
    assert answer.status_code == (302 if taken else 200)
    said = "None of these times comes within 366 days" in answer.content.decode()
    assert said == (taken is False)
    assert CrontabSchedule.objects.filter(day_of_month=day, hour="3").exists() == bool(taken)


def test_no_task_waits_for_a_crontab_that_never_comes(login, operator):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    never = CrontabSchedule.objects.create(day_of_month="31", month_of_year="2")
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    path = f"/admin/django_celery_beat/periodictask/{task.pk}/change/"
    answer = login(operator).post(path, {"enabled": "on", "crontab": never.pk})
    assert "None of these times comes within 366 days" in answer.content.decode()
    task.refresh_from_db()
    assert task.crontab is None
