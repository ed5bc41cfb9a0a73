"""The queue in a browser: what waits is seen, ticked, retried, cancelled; the page renews itself around the ticks."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.models import Message
from maillog.queue.settling import settle
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS_AGAIN = 6_000  # ms, after which the page has asked what is new


@pytest.fixture
def waiting(mail_settings, admin):
    """A paused connection with mails of every state."""
    mail_settings(host="127.0.0.1", port=9, from_address="shop@example.com")
    now = timezone.now()
    WorkerHeartbeat.objects.create(name="host:1", started_at=now, seen_at=now)
    ConnectionState.objects.create(
        connection="environment", name="environment", state="paused", reason="535 5.7.8 credentials invalid", since=now
    )
    for number in range(4):
        pk = queued(f"person{number}@example.com", subject=f"Invoice {number}")
        reason = "environment: 535 5.7.8 credentials invalid"
        settle([settlement(claimed(pk), "held", attempt=None, reason=reason, connection="environment")])
    finished("deferred", settled={"reason": "451 4.7.1 greylisted", "next_attempt_at": now + timedelta(minutes=9)})
    finished("uncertain", settled={"reason": "The answer was lost."})
    queued(subject="Newsletter", due=now + timedelta(days=2), connection_hint="environment")
    claimed(queued(subject="On its way"))


def statuses():
    found = {}
    for status in Message.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_an_administrator_works_through_the_queue(visitor, waiting, admin):
    page = visitor.page
    page.clock.install()
    visitor.sign_in(admin)
    visitor.look_at("/", "/mail/queue/")
    expect(page.get_by_text("535 5.7.8 credentials invalid").first).to_be_visible()
    expect(page.get_by_text("when the connection is open").first).to_be_visible()

    retry = page.get_by_role("button", name=re.compile("Retry selected"))
    expect(retry).to_be_disabled()
    boxes = page.locator("input[name=ids]:not(:disabled)")
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(retry).to_have_text(re.compile("2"))

    WorkerHeartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=4))
    page.clock.fast_forward(LOOKS_AGAIN)
    expect(page.get_by_text("No worker has been seen for 4 min.").first).to_be_visible()
    expect(boxes.nth(0)).to_be_checked()
    visitor.look()

    retry.click()
    expect(page.get_by_text("2 messages are due now.")).to_be_visible()
    visitor.look()
    assert statuses() == {"held": 2, "queued": 3, "deferred": 1, "uncertain": 1, "sending": 1}

    page.get_by_label("All on this page").check()
    expect(page.get_by_role("button", name=re.compile("Cancel selected"))).to_have_text(re.compile("8"))
    page.get_by_label("All on this page").uncheck()

    page.get_by_role("link", name=re.compile("Held")).first.click()
    visitor.look()
    visitor.sit_down()
    page.get_by_role("link", name=re.compile("Cancel all 2 messages")).click()
    expect(page.get_by_role("heading", name="Cancel 2 messages?")).to_be_visible()
    visitor.look()
    page.get_by_role("button", name="Cancel them").click()
    expect(page.get_by_text("2 messages were cancelled.")).to_be_visible()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    visitor.look()

    page.get_by_role("button", name=re.compile("Resume")).click()
    expect(page.get_by_text("“environment” is open again.", exact=False)).to_be_visible()
    page.get_by_role("button", name=re.compile("Pause")).click()
    expect(page.get_by_text("Paused by", exact=False).first).to_be_visible()
    visitor.look()
    assert statuses() == {"cancelled": 2, "queued": 3, "deferred": 1, "uncertain": 1, "sending": 1}


def test_one_mail_is_cancelled_from_its_own_page(visitor, waiting, admin):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go(f"/log/{Message.objects.filter(status='uncertain').get().pk}/")
    visitor.look()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("1 message was cancelled.")).to_be_visible()
    expect(page.get_by_text("an earlier attempt may have reached the recipient")).to_be_visible()
    visitor.look()


def test_an_empty_queue_says_what_will_be_there(visitor, admin, mail_settings):
    mail_settings(host="127.0.0.1", port=9, from_address="shop@example.com")
    visitor.sign_in(admin)
    visitor.go("/mail/queue/")
    expect(visitor.page.get_by_text("Nothing waits", exact=True)).to_be_visible()
    visitor.look()


def test_somebody_whose_session_ended_is_sent_to_sign_in_and_not_shown_half_a_page(visitor, waiting, admin):
    visitor.page.clock.install()
    visitor.sign_in(admin)
    visitor.go("/mail/queue/")
    visitor.page.context.clear_cookies()
    visitor.page.clock.fast_forward(LOOKS_AGAIN)
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(visitor.page.locator("#queue-state")).to_have_count(0)


def test_everything_works_without_javascript(visitor_without_javascript, waiting, admin):
    visitor = visitor_without_javascript
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/mail/queue/?status=held")
    boxes = page.locator("input[name=ids]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_text("2 messages were cancelled.")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Retry message \d+ now")).first.click()
    expect(page.get_by_text("1 message is due now.")).to_be_visible()
    page.get_by_role("link", name=re.compile("Retry 1 message")).click()
    page.get_by_role("button", name="Retry them").click()
    expect(page.get_by_text("1 message is due now.")).to_be_visible()
    page.get_by_role("button", name=re.compile("Resume")).click()
    expect(page.get_by_text("is open again", exact=False)).to_be_visible()
    assert statuses() == {"cancelled": 2, "queued": 3, "deferred": 1, "uncertain": 1, "sending": 1}
