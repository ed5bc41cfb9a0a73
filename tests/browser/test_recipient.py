"""A complaint in a browser: the address is typed on the overview, the page tells what happened and what helps."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from maillog import suppressions
from maillog.models import Message
from maillog.outcomes import RecipientOutcome
from maillog.queue.settling import settle
from tests.maillog.makers import attempt, claimed, finished, queued, settlement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(mail_settings, admin):
    mail_settings(driver="silent", from_address="shop@example.com")
    finished("sent", "ann@example.com", subject="Welcome")
    for number in range(3):
        mail = claimed(queued("ann@example.com", subject=f"Invoice {number}"))
        answer: dict[str, Any] = {"code": 550, "enhanced_code": "5.1.1", "reply": f"550 5.1.1 no such user {'x' * 120}"}
        rows = [RecipientOutcome(id=mail.recipients[0].id, outcome="refused", **answer)]
        ended = attempt(outcome="failed", phase="rcpt", host="mx.example.com:25", **answer)
        settle([settlement(mail, "failed", recipients=rows, attempt=ended, reason=answer["reply"])])
    first = finished("sent", "ben@example.com", subject="Twice", template="shop/invoice")
    finished("sent", "ben@example.com", subject="Twice", template="shop/invoice")
    finished("sent", "ben@example.com", subject="Again", resent_from=first.pk)


def test_somebody_got_nothing_and_the_page_says_why(visitor, log, admin):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.look_at("/")
    page.get_by_label("Address, or words in the message").fill("Ann <ANN@example.com>")
    page.get_by_role("button", name="Find out").click()
    expect(page.get_by_role("heading", name="ann@example.com", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("The last 3 messages were refused by mx"))).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Suppress…").click()
    expect(page.get_by_role("heading", name="Suppress an address")).to_be_visible()
    visitor.look()
    page.get_by_label("Reason").fill("left the company")
    page.get_by_role("button", name="Suppress", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("This address has been suppressed since"))).to_be_visible()
    visitor.look()
    assert Message.objects.get(pk=queued("ann@example.com")).status == "skipped"
    page.get_by_role("link", name="Suppressed addresses").click()
    expect(page.get_by_text("left the company")).to_be_visible()
    visitor.look()
    page.get_by_role("button", name="Stop suppressing ann@example.com").click()
    expect(page.get_by_text("ann@example.com can receive email again.")).to_be_visible()
    visitor.look()
    assert suppressions.in_force("ann@example.com") is None


def test_the_search_of_the_log_leads_to_the_person(visitor, log, admin):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/")
    page.get_by_label("Search", exact=True).fill("ben@example.com")
    page.get_by_role("link", name="Everything about ben@example.com").click()
    expect(page.get_by_text("Possibly twice")).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="Twice").first.click()
    page.get_by_role("link", name="ben@example.com").first.click()
    expect(page.get_by_role("heading", name=re.compile("Everything got through: 3 messages"))).to_be_visible()


def test_it_works_without_javascript(visitor_without_javascript, log, admin):
    visitor = visitor_without_javascript
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/recipients/")
    page.get_by_label("Address", exact=True).fill("nobody")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("This is not an email address.")).to_be_visible()
    page.get_by_label("Address", exact=True).fill("anna@example.com")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="ann@example.com").click()
    expect(page.get_by_role("heading", name="ann@example.com", exact=True)).to_be_visible()
