"""The connection check in a browser: beside the form that is being filled in, which loses nothing."""

import pytest
from playwright.sync_api import expect

from secrets_app.models import Secret

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fill_in(page, server, **changes):
    fields = {**server.fields, **changes}
    for name in ("host", "port", "username", "password"):
        page.locator(f"input[name={name}]").fill(str(fields[name]))
    page.locator("input[name=sender]").fill("shop@example.com")
    page.locator(".form > details > summary").last.click()
    page.locator("textarea[name=ca_pem]").fill(fields["ca_pem"])


def test_a_newcomer_sees_what_is_wrong_and_when_it_is_right(visitor, admin, smtp_server):
    visitor.sign_in(admin)
    page = visitor.page
    visitor.go("/secrets/new/smtp/")
    check, steps = page.get_by_role("button", name="Check the connection"), page.locator("#connection-check")
    check.click()
    expect(steps).to_contain_text("Nothing was checked yet")
    visitor.look()
    fill_in(page, smtp_server, password="wrong-password")
    check.click()
    expect(steps).to_contain_text("stops at “Sign in”")
    visitor.look()
    assert page.get_by_label("Password", exact=True).input_value() == "wrong-password"
    page.get_by_label("Password", exact=True).fill(smtp_server.password)
    check.click()
    expect(steps).to_contain_text("is ready for mail.")
    steps.get_by_text("What was said").first.click()
    visitor.look()
    page.locator("input[name=name]").fill("Relay")
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Relay")
    page.get_by_role("button", name="Check the connection").click()
    expect(page.locator("#connection-check")).to_contain_text("is ready for mail.")
    visitor.look()
    assert smtp_server.mails == []


def test_without_javascript_the_steps_open_beside_the_form(visitor_without_javascript, admin, smtp_server):
    visitor, page = visitor_without_javascript, visitor_without_javascript.page
    visitor.sign_in(admin)
    visitor.go("/secrets/new/smtp/")
    fill_in(page, smtp_server)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Check the connection").click()
    expect(opened.value.get_by_role("heading", level=2)).to_contain_text("is ready for mail.")
    assert page.get_by_label("Password", exact=True).input_value() == smtp_server.password
    assert not Secret.objects.exists()
