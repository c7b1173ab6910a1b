"""The schedule that an installation starts with. Afterwards it is edited in the admin."""

from typing import Any

from django.db import connections

# Name, task, every so many seconds, what it is for.
FIRST_SCHEDULE = (
    ("Settle answers", "moderation.tasks.settle_due", 60, "Answers whose own task was lost."),
    ("Resume lost scan work", "moderation.tasks.resume_lost", 60, "After a flushed queue."),
    ("Rescan what is due", "moderation.tasks.rescan_due", 300, "Hash-only, never fetches."),
    ("Look for what was decided", "moderation.tasks.fan_out", 3600, "In all ledgers."),
    ("Weigh lists", "moderation.tasks.weigh_lists", 900, "By what people decided of theirs."),
    ("Wake waiting cases", "moderation.tasks.wake_waiting", 3600, "Those nobody could tell."),
    ("Check the chain", "moderation.tasks.check_chain_if_due", 3600, "Of custody: once a day."),
    ("Delete what is due", "moderation.tasks.delete_due", 3600, "Previews of closed cases."),
)


def sync_schedule(using: str, **kwargs: Any) -> None:
    """Add what is missing by name; what an operator changed stays as it is."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if PeriodicTask._meta.db_table not in connections[using].introspection.table_names():
        return
    for name, task, seconds, description in FIRST_SCHEDULE:
        if PeriodicTask.objects.using(using).filter(name=name).exists():
            continue
        interval = IntervalSchedule.objects.using(using).filter(
            every=seconds, period=IntervalSchedule.SECONDS
        ).first() or IntervalSchedule.objects.using(using).create(
            every=seconds, period=IntervalSchedule.SECONDS
        )
        PeriodicTask.objects.using(using).create(
            name=name, task=task, interval=interval, description=description, queue="default"
        )
