"""A list manager at work in Chromium: from the overview to a value, by the keyboard alone."""

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from moderation.models import KnownHash
from tests.moderation.hash_lists.rows import flagged_case

from . import rows

pytestmark = pytest.mark.django_db(transaction=True)
TABS = 80


def press(page: Page, control: Locator) -> None:
    """Reach a control by Tab and press Enter."""
    expect(control).to_be_visible()
    for _ in range(TABS):
        if control.evaluate("e => e === document.activeElement"):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError("not reached by Tab")


def test_what_was_set_aside_is_looked_at_disabled_and_lifted(opened, list_manager):
    known = rows.hash_list("hotline", values=1).known_hashes.get()
    flagged_case(known)
    KnownHash.objects.update(set_aside_at=timezone.now())
    page = opened(list_manager, "/")

    press(page, page.get_by_role("link", name="hotline"))
    press(page, page.get_by_role("table").get_by_role("link", name=str(known.pk)))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Set aside")

    why = page.get_by_label("Why")
    why.focus()
    page.keyboard.type("A flat test chart.")
    press(page, page.get_by_role("button", name="Disable the value"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("found again when the value comes back")
    press(page, dialog.get_by_role("button", name="Disable", exact=True))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Disabled")

    press(page, page.get_by_role("button", name="Put into force again"))
    page.keyboard.press("Escape")  # the dialog goes, nothing changed
    expect(page.get_by_role("dialog")).to_have_count(0)
    known.refresh_from_db()
    assert known.is_disabled()
    press(page, page.get_by_role("button", name="Put into force again"))
    press(page, page.get_by_role("dialog").get_by_role("button", name="Put into force again"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("In force")
    known.refresh_from_db()
    assert (known.is_disabled(), known.set_aside_at) == (False, None)
