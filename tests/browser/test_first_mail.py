"""The newcomer's way: from the first visit to the log row of a mail that a real server took."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct-horse-battery"
SMTP_PASSWORD = "canary-7c0ffee-password"


def make_administrator(page):
    expect(page).to_have_url(re.compile(r"/setup/$"))
    page.get_by_label("Email address").fill("anna@example.com")
    page.get_by_label("Your name").fill("Anna Svensson")
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def store_secret(page, server):
    page.locator("#content").get_by_role("link", name="Add a connection").first.click()
    page.locator("#content").get_by_role("link", name="Add a connection").click()
    page.locator("input[name=name]").fill("Relay")
    page.locator("input[name=host]").fill("localhost")
    page.locator("input[name=port]").fill(str(server.port))
    page.locator("input[name=username]").fill(server.username)
    page.locator("input[name=password]").fill(SMTP_PASSWORD)
    page.locator("textarea[name=ca_pem]").evaluate("element => element.closest('details')?.setAttribute('open', '')")
    page.locator("textarea[name=ca_pem]").fill(server.ca_pem)
    page.locator("input[name=available_to_system]").check()
    page.get_by_role("button", name=re.compile("Store|Save")).click()
    expect(page.get_by_text("Relay").first).to_be_visible()


def set_sender(page):
    page.get_by_label("From name").fill("Example Shop")
    page.get_by_label("From address").fill("shop@example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("Saved as revision"))).to_be_visible()


def test_a_newcomer_gets_from_the_first_visit_to_a_delivered_mail(visitor, start_smtp, jobs):
    page = visitor.page
    server = start_smtp(password=SMTP_PASSWORD)

    visitor.go("/")
    visitor.look()
    make_administrator(page)
    visitor.look()
    expect(page.get_by_text("Mail is not configured").first).to_be_visible()

    store_secret(page, server)
    visitor.look()
    visitor.go("/secrets/")
    visitor.look()
    assert SMTP_PASSWORD not in page.content()

    visitor.go("/mail/settings/")
    visitor.look()
    set_sender(page)
    visitor.look()
    expect(page.get_by_text("Mail is not configured")).to_have_count(0)

    visitor.sit_down()
    visitor.go("/mail/test/")
    visitor.look()
    expect(page.get_by_label("To", exact=False).first).to_have_value("anna@example.com")
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("Queued").first).to_be_visible()
    visitor.look()
    assert server.mails == [], "nothing may have been sent while the page says queued"

    jobs.run()
    expect(page.get_by_text(re.compile(r"Accepted by localhost:\d+"))).to_be_visible()
    visitor.look()
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("shop@example.com", ("anna@example.com",))
    assert mail.tls.startswith("TLSv1")
    assert mail.username == server.username
    assert b"From: Example Shop <shop@example.com>" in mail.content

    visitor.sit_down()
    page.get_by_role("link", name="See it in the mail log").click()
    expect(page.get_by_text(re.compile(r"Accepted by localhost:\d+")).first).to_be_visible()
    visitor.look()
    for tab in ("Text", "Headers", "Source"):
        page.get_by_role("link", name=tab, exact=True).click()
        visitor.look()
    visitor.go("/log/?q=anna@")
    visitor.look()
    expect(page.get_by_role("link", name=re.compile("Test mail from"))).to_be_visible()
    visitor.go("/log/?q=nobody")
    visitor.look()
    visitor.go("/")
    visitor.look()
    expect(page.get_by_text(re.compile("Mail is working: 1 sent in 24 h"))).to_be_visible()


def test_the_same_way_works_without_javascript(visitor_without_javascript, start_smtp, jobs):
    visitor = visitor_without_javascript
    page = visitor.page
    server = start_smtp(password=SMTP_PASSWORD)
    visitor.go("/")
    make_administrator(page)
    visitor.go("/secrets/new/smtp/")
    page.locator("input[name=name]").fill("Relay")
    page.locator("input[name=host]").fill("localhost")
    page.locator("input[name=port]").fill(str(server.port))
    page.locator("input[name=username]").fill(server.username)
    page.locator("input[name=password]").fill(SMTP_PASSWORD)
    for summary in page.locator("form details:not([open]) > summary").all():
        summary.click()
    page.locator("textarea[name=ca_pem]").fill(server.ca_pem)
    page.locator("input[name=available_to_system]").check()
    page.get_by_role("button", name=re.compile("Store|Save")).click()
    visitor.go("/mail/settings/")
    set_sender(page)
    page.get_by_role("button", name="Open the menu").click()
    page.get_by_role("link", name="Test mail").click()
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("Queued").first).to_be_visible()
    jobs.run()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text(re.compile(r"Accepted by localhost:\d+"))).to_be_visible()
    assert len(server.mails) == 1


def test_a_refused_password_is_explained_in_the_servers_words(visitor, start_smtp, jobs, mail_settings, admin):
    server = start_smtp()
    mail_settings(**{**server.fields, "password": SMTP_PASSWORD}, from_address="shop@example.com", timeout=30)
    page = visitor.page
    visitor.go("/account/login/")
    visitor.look()
    page.locator("input[name=login]").fill(admin.email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    visitor.go("/mail/test/")
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("Queued").first).to_be_visible()
    jobs.run()
    expect(page.get_by_text(re.compile("535")).first).to_be_visible()
    visitor.look()
    assert SMTP_PASSWORD not in page.content()
