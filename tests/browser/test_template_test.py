"""A test message from a template: chosen, previewed, sent in German through a real server, found in the log."""

import json
import re

import pytest
from playwright.sync_api import expect

from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def relay(start_smtp, mail_settings):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
    return server


def typed(page) -> dict[str, object]:
    return dict(json.loads(page.get_by_label("Values").input_value()))


def decoded(server) -> str:
    (mail,) = server.mails
    return bytes(mail.content).decode()


def test_a_template_is_picked_tried_in_german_and_found_in_the_log(visitor, relay, admin, jobs):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/mail/test/")
    visitor.look()
    expect(page.get_by_label("Values")).to_have_count(0)

    page.get_by_label("Template").focus()
    page.get_by_label("Template").select_option("account/welcome")
    expect(page.get_by_label("Values")).to_be_visible()
    assert typed(page)["name"] == "Ann Example"
    expect(page.get_by_label("Template")).to_be_focused()
    visitor.look()

    page.get_by_label("Language").select_option("de")
    page.get_by_label("Sample").select_option("Without a name and help")
    expect(page.get_by_label("Values")).to_have_value(re.compile(r'"name": null'))
    expect(page.get_by_label("Language")).to_have_value("de")

    page.get_by_label("Values").fill('{"name": 3}')
    page.get_by_label("To", exact=False).first.press("Enter")
    expect(page.get_by_text("Nothing was sent, because the values do not fit the template.")).to_be_visible()
    expect(page.get_by_role("alert").get_by_text("The value name must be text, not a number.")).to_be_visible()
    expect(page.get_by_label("Language")).to_have_value("de")
    visitor.look()
    visitor.sit_down()
    page.get_by_role("link", name="Correct the values").click()
    expect(page.get_by_label("Values")).to_be_focused()

    values = {"name": "Zoë", "email": "zoe@example.com", "sign_in_url": "https://mail.example.com/"}
    page.get_by_label("Values").fill(json.dumps(values))
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("account/welcome", exact=True)).to_be_visible()
    jobs.run()
    expect(page.get_by_text(re.compile(r"Accepted by localhost:\d+"))).to_be_visible()
    expect(page.get_by_text("version 1, German")).to_be_visible()
    visitor.look()
    assert "Subject: =?utf-8?" in decoded(relay) or "Subject: [Test] Willkommen" in decoded(relay)

    page.get_by_role("link", name="See it in the mail log").click()
    visitor.look()
    page.get_by_role("link", name="account/welcome, version 1, German").click()
    expect(page).to_have_url(re.compile(r"/templates/account/template/welcome/versions/1/$"))


def test_the_same_without_javascript(visitor_without_javascript, relay, admin, jobs):
    visitor = visitor_without_javascript
    page = visitor.page
    User.objects.filter(pk=admin.pk).update(mail_language="de")
    visitor.sign_in(admin)
    visitor.go("/mail/test/")
    page.get_by_label("Template").select_option("account/welcome")
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
    assert relay.mails == []
    assert typed(page)["name"] == "Ann Example"
    page.get_by_label("Sample").select_option("Without a name and help")
    page.get_by_role("button", name="Choose").click()
    assert typed(page)["name"] is None
    expect(page.get_by_label("Language")).to_have_value("de")
    page.get_by_role("button", name="Send test email").click()
    expect(page.get_by_text("version 1, German")).to_be_visible()
    jobs.run()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text(re.compile(r"Accepted by localhost:\d+"))).to_be_visible()
