"""The log's actions in a browser: ticked, asked, done, followed; looked at in every view."""

import re

import pytest
from playwright.sync_api import expect

from mailadmin.operations import bulk
from maillog.content.transcripts import AttemptTranscript, pack_transcript
from maillog.models import AuditEvent, Message
from tests.maillog.makers import MIME, attempt, finished, queued

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(mail_settings, admin):
    mail_settings(driver="silent", from_address="shop@example.com")
    for number in range(3):
        finished("failed", f"person{number}@example.com", subject=f"Invoice {number}", settled={"reason": "550 no"})
    finished("sent", subject="Welcome", mime=MIME)
    queued(subject="Newsletter")


def test_ticked_mails_are_deleted_after_being_asked(visitor, log, admin):
    page = visitor.page
    page.clock.install()
    visitor.sign_in(admin)
    visitor.go("/log/")
    delete = page.get_by_role("button", name=re.compile("^Delete"))
    expect(delete).to_be_disabled()
    page.get_by_label("Search", exact=True).fill("invoice")
    expect(page.locator("input[name=ids]")).to_have_count(3)
    expect(delete).to_be_disabled()
    page.get_by_label("All on this page").check()
    expect(delete).to_have_text(re.compile("3"))
    visitor.look()
    page.locator("input[name=ids]").first.uncheck()
    delete.click()
    expect(page.get_by_role("heading", name="Delete 2 messages?")).to_be_visible()
    visitor.look()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("Waiting for the worker")).to_be_visible()
    visitor.look()
    assert Message.objects.count() == 5
    bulk.run()
    page.clock.fast_forward(3_000)
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    visitor.look()
    assert Message.objects.count() == 3
    page.get_by_role("link", name="All bulk actions").click()
    expect(page.get_by_role("link", name=re.compile("Delete: bulk action"))).to_be_visible()
    visitor.look()
    visitor.go("/log/audit/")
    expect(page.get_by_text("Deleted").first).to_be_visible()
    visitor.look()


def test_all_that_match_are_sent_again(visitor, log, admin):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/?status=failed")
    page.get_by_role("link", name="All that match…").click()
    expect(page.get_by_text("3 messages").first).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Resend…").click()
    expect(page.get_by_role("heading", name="Resend 3 messages?")).to_be_visible()
    page.get_by_role("button", name="Resend them").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped by")).to_be_visible()
    visitor.look()


def test_one_mail_is_sent_to_another_address_and_then_deleted(visitor, log, admin):
    page = visitor.page
    visitor.sign_in(admin)
    old = Message.objects.get(subject="Welcome")
    visitor.go(f"/log/{old.pk}/")
    expect(page.get_by_text("Content viewed")).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Resend…").click()
    visitor.look()
    page.get_by_label("Another address").first.check()
    page.get_by_role("button", name="Resend").click()
    expect(page.get_by_role("link", name="Another address")).to_be_visible()
    visitor.look()
    page.get_by_role("textbox", name="Another address").fill("zoe@example.com")
    page.get_by_role("button", name="Resend").click()
    expect(page.get_by_role("link", name=f"message {old.pk}")).to_be_visible()
    visitor.look()
    assert Message.objects.get(resent_from=old.pk).to_text == "zoe@example.com"
    visitor.go(f"/log/{old.pk}/")
    page.get_by_role("link", name="Delete…").click()
    visitor.look()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text(f"Message {old.pk} was deleted.")).to_be_visible()
    assert AuditEvent.objects.filter(mail_number=old.pk, action="deleted", actor=admin).exists()


def test_the_rules_of_retention_are_read_and_changed(visitor, log, admin):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/retention/")
    expect(page.get_by_text("365 days").first).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Change the rules").click()
    visitor.look()
    page.get_by_label("Keep the message (Sent)").fill("20")
    page.get_by_role("button", name="Save the rules").click()
    expect(page.get_by_text("at most 20 days").first).to_be_visible()
    visitor.look()
    page.get_by_label("Keep the content (Sent)").fill("10")
    page.get_by_role("button", name="Save the rules").click()
    expect(page.get_by_text("The rules were saved.", exact=False)).to_be_visible()
    expect(page.get_by_text("10 days")).to_be_visible()


def test_everything_works_without_javascript(visitor_without_javascript, log, admin):
    visitor = visitor_without_javascript
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/?status=failed")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Select at least one message.")).to_be_visible()
    visitor.go("/log/?status=failed")
    page.locator("input[name=ids]").nth(1).check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete them").click()
    bulk.run()
    page.reload()
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    assert Message.objects.filter(status="failed").count() == 2


def test_the_page_of_a_mail_tells_the_phases_and_what_was_said(visitor, mail_settings, admin):
    mail_settings(driver="silent", from_address="shop@example.com")
    said = AttemptTranscript(
        phases=(("resolve", 3), ("connect", 20), ("tls", 31), ("rcpt", 0)),
        lines=(("C", "RCPT TO:<ann@example.com>"), ("S", "550 5.1.1 User unknown " + "x" * 270), ("", "a remark")),
        handshake=(("S", "220 mx.example.com"), ("C", "AUTH PLAIN [redacted]")),
        nth=2,
    )
    tried = attempt(
        outcome="failed", code=550, enhanced_code="5.1.1", reply="User unknown", transcript=pack_transcript(said)
    )
    mail = finished("failed", subject="word " * 190, mime=MIME, settled={"attempt": tried})
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go(f"/log/{mail.pk}/")
    expect(page.get_by_role("heading", name=re.compile("the mailbox does not exist"))).to_be_visible()
    expect(page.get_by_label("Duration of each phase")).to_contain_text("TLS 31 ms")
    summary = page.get_by_text("Transcript of attempt 1")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("RCPT TO:<ann@example.com>")).to_be_visible()
    page.get_by_text("How the connection was opened").first.click()
    expect(page.get_by_text("AUTH PLAIN [redacted]")).to_be_visible()
    visitor.look()
    with page.expect_download() as found:
        page.get_by_role("link", name="Download").click()
    assert found.value.suggested_filename == f"message-{mail.pk}.eml"


def test_a_new_link_is_sent_in_place_of_an_old_one(visitor, mail_settings, admin):
    mail_settings(driver="silent", from_address="shop@example.com")
    mail = finished("sent", admin.email, template="account/password_reset", is_sensitive=True)
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go(f"/log/{mail.pk}/")
    page.get_by_role("link", name="Send a new link…").click()
    visitor.look()
    page.get_by_role("button", name="Send a new link").click()
    expect(page.get_by_text("This message sends a new link.")).to_be_visible()
    visitor.look()
    assert Message.objects.get(resent_from=mail.pk).to_text == admin.email
