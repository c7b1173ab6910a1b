"""One computer that several people use in turn: log in, work, log out, in one browser.

What the browser's console calls an error fails the journey, and so does a page wider than its
screen. With SCREENSHOTS=FOLDER every page that is looked at is kept there as pictures.
"""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from tests import looking
from tests.browser import WIDE
from tests.conftest import PASSWORD

DEAF_MS = 800  # a new page is deaf to keys at first, a little less long than this
PATIENCE_MS = 15_000  # two cores share a browser, a server and a worker
TABS = 120
MARKED = "e => getComputedStyle(e).outlineStyle !== 'none'"


class Desk:
    """A browser, and what whoever sits there does and sees."""

    def __init__(self, browser: Browser, address: str) -> None:
        expect.set_options(timeout=PATIENCE_MS)
        self.context = browser.new_context(base_url=address, viewport=WIDE, accept_downloads=True)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.looks = 0
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._dialog)

    def log_in(self, name: str) -> None:
        """By the form and the keyboard alone; ends on the overview."""
        self.page.goto("/login/")
        expect(self.page.get_by_label("Name")).to_be_focused()
        self.page.keyboard.type(name)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.heading()).to_have_text("Overview")

    def log_out(self) -> None:
        """By the button and the keyboard; nothing of the person is left on the computer."""
        self.press(self.page.get_by_role("button", name="Log out"))
        expect(self.heading()).to_have_text("Log in")
        self.page.goto("/")
        expect(self.heading()).to_have_text("Log in")

    def go(self, name: str) -> None:
        """Follow a line of the rail."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        expect(self.heading()).to_have_text(name)

    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    def panel(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True)

    def figure(self, words: str) -> Locator:
        """The number above these words."""
        term = self.page.locator("dt").get_by_text(words, exact=True)
        return self.page.locator(".figures > div").filter(has=term).locator("dd")

    def press(self, control: Locator) -> None:
        """Reach a control by Tab from the start of the page, see that it is marked, press Enter."""
        self.tab_to(control)
        self.page.keyboard.press("Enter")

    def tab_to(self, control: Locator) -> None:
        expect(control).to_be_visible()
        for _ in range(TABS):
            if control.evaluate("e => e === document.activeElement"):
                assert control.evaluate(MARKED), "the focus is not to be seen"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{control} is not reached by Tab")

    def key(self, key: str) -> None:
        """Press a key of the page, once the page listens."""
        self.page.wait_for_timeout(DEAF_MS)
        self.page.keyboard.press(key)

    def download(self, control: Locator, folder: Path) -> Path:
        with self.page.expect_download() as coming:
            control.click()
        path = folder / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    def look(self, name: str) -> None:
        """See that the page fits every screen."""
        assert list(looking.too_wide(self.page, name)) == []
        self.looks += 1
        looking.keep(self.page, f"{self.looks:02}-{name}")

    def close(self) -> None:
        self.context.close()
        assert not self.errors, self.errors

    def _console(self, line: Any) -> None:
        if line.type == "error":
            self.errors.append(line.text)

    def _dialog(self, dialog: Dialog) -> None:
        self.errors.append(f"a dialog of the browser: {dialog.message}")
        dialog.dismiss()
