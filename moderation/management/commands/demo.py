"""A made-up installation to try everything on: people, a dataset, lists, and a first scan."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import CommandError

from config import env
from moderation import tasks
from moderation.datasets.registering import register
from moderation.hash_lists.known import ListError
from moderation.hash_lists.loading import ListOptions, load
from moderation.hash_lists.profiles import profile_named
from moderation.management.base import Command as Base
from moderation.models import Dataset, HashList, Person
from moderation.people import fetch_granting, granting
from moderation.scanning import planning

CAST = {
    "lima": ("list_manager",),
    "otto": ("operator",),
    "rhea": ("reviewer",),
    "sven": ("reviewer",),
    "lena": ("lead",),
    "remo": ("reporter",),
    "rita": ("reporter",),
    "aude": ("auditor",),
}
TRUSTED = "sample-plain"  # of the sample's lists, so that the demo has every kind of trust
REGISTERED = {"demo-links": "laion5b", "demo-pictures": "images"}  # ours to the sample's name
REVISION = "2026-01"


class Command(Base):
    help = (
        "Make a synthetic installation: one login per role, a dataset of links and one of pictures,"
        " hash lists of some of them, and a first scan. Running it again changes nothing."
    )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        if settings.PRODUCTION:
            raise CommandError("demo is for made-up data and refuses to run in production.")
        folder = self._sample()
        password = _password()
        for name, roles in CAST.items():
            _login(name, password, roles)
        for person in User.objects.filter(username__in=CAST, groups__name__in=granting.WITH_CASES):
            granting.give_everything(person)
        for person in User.objects.filter(username__in=CAST):
            fetch_granting.let_made_up(person)
        self._lists(folder)
        for name, source in REGISTERED.items():
            self._dataset(name, source, folder)
        return {
            "address": f"http://127.0.0.1:{env.number('PORT', 8000)}/",
            "logins": {
                name: {"roles": list(roles), "password": password} for name, roles in CAST.items()
            },
        }

    def lines(self, result: dict[str, Any]) -> list[str]:
        logins = [
            f"  {name:8} {', '.join(login['roles']):14} {login['password']}"
            for name, login in result["logins"].items()
        ]
        return [f"Breakwater: {result['address']}", "Demo logins (name, role, password):", *logins]

    def _sample(self) -> Path:
        from sample.building import Options, build, read_truth, stamp
        from sample.common import SampleError
        from sample.moving import move

        folder = Path(env.text("SAMPLE_DIR") or env.DATA / "sample").resolve()
        wanted = f"http://127.0.0.1:{env.number('PICTURES_PORT', 8899)}"
        try:
            if stamp(folder) is None:
                self.say("Drawing the demo's pictures; this takes a minute, once.")
                build(folder, Options(base_url=wanted))
            if read_truth(folder)["options"]["base_url"] != wanted:
                # The picture server listens elsewhere this time: its links go to another folder.
                place = env.DATA / f"demo-links-{wanted.rpartition(':')[2]}"
                if not place.exists():
                    move(folder, wanted, place.with_name(f".{place.name}"))
                    place.with_name(f".{place.name}").rename(place)
                self.links = place
            else:
                self.links = folder
        except SampleError as error:
            raise CommandError(str(error)) from error
        return folder

    def _lists(self, folder: Path) -> None:
        from sample.building import read_truth

        for each in read_truth(folder)["lists"]:
            if each["version"] != "1" or HashList.objects.filter(slug=each["list"]).exists():
                continue
            trust = HashList.Trust.TRUSTED if each["list"] == TRUSTED else HashList.Trust.STANDARD
            try:
                with (folder / each["path"]).open("rb") as file:
                    load(
                        file,
                        slug=each["list"],
                        label="1",
                        format=each["format"],
                        algorithm=each["algorithm"],
                        profile=profile_named(each["profile"]) if each["profile"] else None,
                        options=ListOptions(
                            trust=trust, owner="Synthetic", harm_class="csam", synthetic=True
                        ),
                    )
            except ListError as error:
                raise CommandError(f"The demo's lists cannot be loaded: {error}.") from error

    def _dataset(self, name: str, source: str, folder: Path) -> None:
        from sample.building import read_truth

        if Dataset.objects.filter(name=name).exists():
            return
        root = folder if source == "images" else self.links
        paths = [str(root / path) for path in read_truth(folder)["datasets"][source]["paths"]]
        registered = register(paths, dataset=name, revision=REVISION, synthetic=True, by=None)
        scan = planning.start(registered.revision, by=None)
        tasks.enqueue_scan.delay(scan.pk)


def _login(name: str, password: str, roles: tuple[str, ...]) -> None:
    user, fresh = User.objects.get_or_create(username=name)
    if fresh:
        user.set_password(password)
        user.save()
        user.groups.set(Group.objects.filter(name__in=roles))
        Person.objects.get_or_create(user=user)


def _password() -> str:
    """One password for the demo's cast, made once on this machine and kept for its owner only."""
    path = env.DATA / "keys" / "demo-password"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"calm-{secrets.token_hex(4)}")
    except FileExistsError:
        pass
    return path.read_text().strip()
