"""Second steps, the lock and grants by hand: with the keyboard, in a browser."""

import re

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from moderation.models import CustodyEvent
from moderation.people import identities
from tests import identity_provider
from tests.conftest import PASSWORD
from tests.factors import code_for
from tests.looking import faults
from tests.moderation.review import making

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(page, name):
    page.goto("/login/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def title(page, words):
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def look(page, name):
    assert faults(page, f"people-{name}") == []


def is_in(page):
    """Whether the server opens anything to this session."""
    return page.request.get("/queue/", max_redirects=0).status == 200


def give_passkey(page):
    """A key as a person has one in a pocket; it says yes whenever it is asked."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_an_app_is_set_up_and_shown(opened, reviewer, settings):
    cache.clear()
    settings.MFA_REQUIRED = True
    page = opened(None, "/login/")
    look(page, "login")
    log_in(page, "rhea")
    title(page, "Set up a second step")
    look(page, "set-up")
    page.get_by_role("link", name="An app that shows codes").press("Enter")
    title(page, "Set up an app")
    expect(page.get_by_label("Code")).to_be_focused()
    picture = page.get_by_role("img", name="The key below")
    assert picture.evaluate("e => e.complete && e.naturalWidth > 0")
    look(page, "add-app")
    secret = page.locator(".totp-key").inner_text()
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("does not fit")
    page.get_by_label("Code").fill(code_for(secret))
    page.keyboard.press("Enter")
    title(page, "Recovery codes")
    look(page, "codes")
    page.get_by_role("link", name="I have kept them").press("Enter")
    title(page, "Overview")
    page.get_by_role("link", name="My account").press("Enter")
    title(page, "My account")
    look(page, "account")

    page.get_by_role("button", name="Log out").click()
    log_in(page, "rhea")
    title(page, "Second step")
    look(page, "second-step")
    page.get_by_label("Code").fill(code_for(secret))
    cache.clear()  # as in half a minute: each code works once, also the one of the set-up
    page.keyboard.press("Enter")
    title(page, "Overview")


def test_a_passkey_is_set_up_and_shown(opened, reviewer, settings):
    cache.clear()
    settings.MFA_REQUIRED = True
    page = opened(None, "/login/")
    give_passkey(page)
    log_in(page, "rhea")
    page.get_by_role("link", name="A passkey").press("Enter")
    title(page, "Set up a passkey")
    look(page, "add-passkey")
    page.get_by_label("Name").fill("Desk key")
    page.get_by_role("button", name="Set up a passkey").press("Enter")
    title(page, "Recovery codes")
    page.goto("/account/")
    expect(page.get_by_text("Desk key").first).to_be_visible()

    page.get_by_role("button", name="Log out").click()
    log_in(page, "rhea")
    title(page, "Second step")
    page.get_by_role("button", name="Use a passkey").press("Enter")
    title(page, "Overview")
    logins = CustodyEvent.objects.filter(action="logged_in").order_by("seq")
    assert [event.after for event in logins] == [{}, {"factor": "passkey"}]

    page.goto("/account/")
    page.get_by_role("link", name=re.compile("Remove Desk key")).press("Enter")
    title(page, "Remove “Desk key”")
    look(page, "remove-passkey")
    page.get_by_role("button", name="Remove the passkey").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("your only second step")


def test_no_passkey_at_hand_is_said(opened, reviewer, settings):
    settings.MFA_REQUIRED = True
    page = opened(None, "/login/")
    log_in(page, "rhea")
    title(page, "Set up a second step")
    page.goto("/account/passkeys/add/")
    page.evaluate(
        "() => { navigator.credentials.create = () =>"
        " Promise.reject(new DOMException('', 'NotAllowedError')); }"
    )
    page.get_by_role("button", name="Set up a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Try again when you are ready")


def test_without_input_it_locks_and_keeps_what_was_typed(opened, reviewer, expected_errors):
    making.make_case()
    page = opened(reviewer, "/queue/")
    page.clock.install()  # in the page alone: the server's goes on as it did
    page.get_by_role("button", name="Start next").click()
    reason = page.get_by_label(re.compile("Reason"))
    with page.expect_response("**/renew/"):  # a pause keeps what is written
        reason.fill("the same quay from another side")
    lock = page.get_by_role("dialog", name="Locked")
    expect(lock).to_be_hidden()
    page.clock.fast_forward("16:00")
    expect(lock).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    assert not is_in(page)
    expect(reason).to_be_hidden()
    look(page, "locked")
    page.keyboard.press("Escape")
    expect(lock).to_be_visible()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expected_errors.append("403")
    expect(lock.get_by_role("alert")).to_contain_text("not your password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(lock).to_be_hidden()
    expect(reason).to_have_value("the same quay from another side")


def test_a_grant_is_given_and_withdrawn(opened, lead, reviewer, expected_errors):
    expected_errors.append("400")
    page = opened(lead, "/team/")
    title(page, "Team")
    look(page, "team")
    page.get_by_role("link", name=reviewer.person.pseudonym).press("Enter")
    title(page, reviewer.person.pseudonym)
    page.get_by_role("checkbox", name="Not yet classed").check()
    page.get_by_label("Previews").select_option("1")
    page.get_by_role("button", name="Give the grant").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("needs a wellbeing check")
    look(page, "member")
    page.get_by_role("textbox", name="Training").fill("Looking less, and stopping")
    page.get_by_label("Took place on").fill("2026-01-09")
    page.get_by_role("button", name="Record a training").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is on record")
    page.get_by_role("checkbox", name="Not yet classed").check()
    page.get_by_label("Previews").select_option("1")
    page.get_by_role("checkbox", name="A wellbeing check").check()
    page.get_by_role("button", name="Give the grant").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("in force now")
    page.get_by_role("button", name="Withdraw").last.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Withdraw").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("ended at once")
    expect(page.get_by_role("heading", name="Ended")).to_be_visible()


def test_a_person_is_added_gets_a_link_and_is_switched_off(opened, operator):
    page = opened(operator, "/team/")
    page.get_by_role("link", name="Add a person").press("Enter")
    title(page, "Add a person")
    look(page, "add-person")
    page.get_by_label("Login").fill("nora")
    page.get_by_role("checkbox", name="reporter").check()
    page.get_by_role("button", name="Add the person").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is added")
    look(page, "person-access")
    page.get_by_role("button", name="Make a link to choose one").press("Enter")
    title(page, "Link to choose a password")
    look(page, "shown-once")
    link = page.get_by_label("Shown this once").input_value()
    page.get_by_role("link", name="Done").press("Enter")
    page.get_by_role("button", name="Switch off").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Switch off").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is switched off")
    page.get_by_role("button", name="Switch on again").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("can log in again")

    theirs = opened(None, link)
    title(theirs, "Choose a password")
    theirs.get_by_label("New password", exact=True).fill("still-harbour-77")
    theirs.get_by_label(re.compile("confirm", re.I)).fill("still-harbour-77")
    theirs.keyboard.press("Enter")
    title(theirs, "Log in")


def test_signing_in_at_the_identity_provider(opened, operator, reviewer, settings, expected_errors):
    cache.clear()
    expected_errors.append("403")
    with identity_provider.running() as provider:
        identity_provider.use(provider, settings)
        provider.asks = True
        page = opened(None, "/queue/")
        look(page, "login-with-provider")
        page.get_by_role("link", name="Sign in with Quay House").press("Enter")
        page.get_by_role("button", name="Sign in").press("Enter")
        title(page, "Not signed in")
        look(page, "not-signed-in")
        identities.record_subject(reviewer, provider.subject, by=operator)
        page.goto("/queue/")
        page.get_by_role("link", name="Sign in with Quay House").press("Enter")
        page.get_by_role("button", name="Sign in").press("Enter")
        title(page, "Queue")
