"""The chart of the overview, as people see and use it."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import expect

from maillog.queue.settling import settle
from maillog.statistics import rollups
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "shop/" + "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@pytest.fixture
def mails():
    """Mails of two days: sent, refused, logged; and a name that no card was made for."""
    now = timezone.now()
    for hours in (40, 9, 5, 1, 0):
        with time_machine.travel(now - timedelta(hours=hours), tick=False):
            finished("sent", template=LONG)
            finished("logged")
            settle([settlement(claimed(queued()), "failed", reason="550 5.1.1 no such user here")])
            rollups.record_waiting(hours * 100, timezone.now())
    rollups.fold_deltas()


def test_an_empty_chart_says_what_will_be_there(visitor, admin):
    visitor.sign_in(admin)
    for path in ("/", "/?range=30d"):
        visitor.go(path)
        expect(visitor.page.get_by_text("becomes a bar")).to_be_visible()
    visitor.look()


def test_the_chart_tells_the_same_in_words_and_as_a_table(visitor, admin, mails):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/")
    chart = page.get_by_role("img", name="Messages per hour, last 24 hours")
    expect(chart).to_have_accessible_description(re.compile("4 messages sent, 4 failed since"))
    expect(page.get_by_role("link", name="The mailbox does not exist")).to_be_visible()
    page.get_by_text("As a table").click()
    expect(page.get_by_role("row")).to_have_count(25)
    visitor.look()
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("img", name="Messages per day, last 30 days")).to_have_accessible_description(
        re.compile("5 messages sent, 5 failed since")
    )
    visitor.look()


def test_keys_reach_the_links_of_the_table_and_not_those_of_the_bars(visitor, admin, mails):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/")
    page.get_by_text("As a table").focus()
    page.keyboard.press("Enter")
    seen = []
    for _ in range(4):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.closest('svg') ? 'bar' : document.activeElement.tagName"))
    assert seen[-1] == "A"
    assert "bar" not in seen
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/log/\?q=status"))


def test_a_bar_leads_to_its_mails_by_a_click(visitor, admin, mails):
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/")
    page.locator(".plot a[href*='status%3Afailed']").last.click()
    page.wait_for_url(re.compile(r"/log/\?q=status%3Afailed\+after"))
    expect(page.locator("a.row-link")).to_have_count(1)
