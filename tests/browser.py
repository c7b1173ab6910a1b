"""Chromium on a live server: fixtures for tests that need real hands; import those you use.

`opened` gives a page as a person sees it. What the browser's console calls an error is an error of
the test, so a breach of the content security policy cannot pass unseen.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from sample.browser import find_chromium, launch_arguments

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium()), args=launch_arguments()
        )
        yield browser
        browser.close()


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of console messages that the test itself brings about: append to it."""
    return []


@pytest.fixture
def opened(
    chromium: Browser,
    live_server: Any,
    login: Callable[[User], Client],
    expected_errors: list[str],
) -> Iterator[Callable[..., Page]]:
    """``opened(user, path, **options)``: the page at a path; options are those of a context."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def open_(user: User | None, path: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=live_server.url, **({"viewport": WIDE} | options))
        contexts.append(context)
        if user is not None:
            value = login(user).cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            # What was written and not sent would be kept now, while the tables are emptied.
            with suppress(Error):
                page.evaluate("dispatchEvent(new Event('submit'))")
        context.close()
    unexpected = [line for line in said if not any(part in line for part in expected_errors)]
    assert not unexpected, unexpected
