"""API keys and the documentation of the API in a browser: made, copied, used, revoked."""

import pytest
from playwright.sync_api import expect

from mailadmin.models.api_key import ApiKey
from maillog.models import Message
from tests.browser.test_pages import LONG_NAME
from tests.factories import PASSWORD, make_user
from tests.mailadmin.http_api.programs import Program, program

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def make_key(visitor, admin) -> Program:
    """Make a key through the form, and return a program that has it."""
    page = visitor.page
    visitor.go("/mail/api-keys/")
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Name").fill("Web shop")
    page.get_by_label("Read the mail log").check()
    page.get_by_label("Allowed senders").fill("shop@example.com")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Copy the key now")
    return Program(admin, ApiKey.objects.get(), page.get_by_label("The key").input_value())


def test_a_key_is_made_used_and_revoked(visitor, admin, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    visitor.sign_in(admin)
    shop, page = make_key(visitor, admin), visitor.page
    visitor.look()
    assert shop.post("/mails", {"to": ["ann@example.com"], "subject": "Hi", "text": "Hello"}).status_code == 202
    assert Message.objects.get().actor == admin
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("row", name="Web shop")).to_contain_text("mails:send")
    page.get_by_role("link", name="Revoke “Web shop”").click()
    visitor.look()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("“Web shop” was revoked")
    assert shop.get("/mails").status_code == 401


def test_the_pages_are_free_of_faults(visitor, admin):
    visitor.sign_in(admin)
    visitor.look_at("/mail/api-keys/", "/mail/api-keys/new/")
    program(admin)
    ApiKey.objects.update(name=LONG_NAME)
    program(make_user(f"{'a' * 60}@example.com", "mailadmin.use_api"))
    visitor.look_at(
        "/mail/api-keys/", "/mail/api-keys/revocation/", f"/mail/api-keys/{ApiKey.objects.last().pk}/revocation/"
    )


def test_every_field_of_the_documentation_can_be_read(visitor, admin):
    visitor.sign_in(admin)
    visitor.go("/api/v1/docs")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_count(1)
    visitor.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    visitor.look()


def test_it_works_without_javascript(visitor_without_javascript, admin):
    visitor_without_javascript.sign_in(admin)
    assert make_key(visitor_without_javascript, admin).get("/mails").status_code == 200
    expect(visitor_without_javascript.page.get_by_role("button", name="Copy")).to_be_hidden()
