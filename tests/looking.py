"""Look at a page as everybody may see it: wide, narrow and at 200 %, light and dark.

With SCREENSHOTS=FOLDER each page that is looked at is kept there as pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser import NARROW, WIDE

ZOOMED = {"width": 720, "height": 450}  # what a wide screen has left at 200 %
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# WCAG 2.2 at level AA, which axe leaves out unless it is named, and what axe calls good practice.
TAGS = [f"wcag{version}{level}" for version in ("2", "21") for level in ("a", "aa")]
RULES: dict[str, Any] = {"runOnly": {"type": "tag", "values": [*TAGS, "wcag22aa", "best-practice"]}}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "color-contrast-enhanced"]}}
# A page that is still on its way has no style sheet yet, and with that another width.
LOADED_WIDTH = "document.readyState === 'complete' && document.documentElement.scrollWidth"
COLOURS_MS = 100  # they go from parent to child, a moment each
TALLEST = "Math.max(0, ...[...document.querySelectorAll('tr')].map(row => row.offsetHeight))"
SAID = 3  # places of one fault
# Of what keeps to a rule axe looks for one place and not for all: finding those takes it longest.
RUN = f"""async (rules) => {{
  const result = await axe.run({{ ...rules, resultTypes: ["violations"] }});
  return result.violations.map((rule) => [
    rule.id, rule.nodes.slice(0, {SAID}).map((node) => node.html.slice(0, 120)),
  ]);
}}"""


def faults(page: Page, name: str) -> list[str]:
    """What is wrong with the page, in a line each: out of shape, or a rule broken."""
    settle(page)
    found = [*too_wide(page, name)]
    if page.evaluate(TALLEST) > WIDE["height"] / 2:
        found.append(f"{name} has a table with a row of half a screen")
    for scheme in SCHEMES:
        dress(page, scheme)
        found += [f"{name}, {scheme}: {each}" for each in violations(page)]
    keep(page, name)
    page.emulate_media(color_scheme=None, reduced_motion=None)
    return found


def dress(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Give the page its light or its dark colours, and wait until they have come."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.wait_for_timeout(COLOURS_MS)


def violations(page: Page, rules: dict[str, Any] = RULES) -> list[str]:
    """Every rule of accessibility that the page breaks as it now stands, and where."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    return [f"{rule}: {places}" for rule, places in page.evaluate(RUN, rules)]


def settle(page: Page) -> None:
    """As a page is once its keys are at work: their hints look otherwise for a moment before."""
    page.evaluate("document.documentElement.dataset.keys = 'ready'")


def keep(page: Page, name: str) -> None:
    """Keep pictures of the page where they are asked for."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        dress(page, scheme)
        for word, size in (("narrow", NARROW), ("wide", WIDE)):
            page.set_viewport_size(size)
            # The caret is hidden by a style that the page's policy would refuse.
            path = Path(folder) / f"{name}-{word}-{scheme}.png"
            page.screenshot(path=path, full_page=True, caret="initial")
    page.emulate_media(color_scheme=None, reduced_motion=None)


def too_wide(page: Page, name: str) -> Iterator[str]:
    """Say where the page is wider than its screen, and leave it wide."""
    for size in (NARROW, ZOOMED, WIDE):
        page.set_viewport_size(size)
        width = page.wait_for_function(LOADED_WIDTH).json_value()
        if width > size["width"]:
            yield f"{name} is {width} px wide at {size['width']}"
