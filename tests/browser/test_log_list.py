"""The list of mails in a browser: its text and its fields, live updates, columns, saved searches, the keyboard."""

import re

import pytest
from playwright.sync_api import expect

from maillog.models import SavedSearch
from maillog.queue.settling import settle
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visitor(visitor, admin):
    visitor.sign_in(admin)
    return visitor


@pytest.fixture
def mails():
    """Three mails over two connections; the last one waits."""
    finished("sent", subject="First", template="mail/test")
    finished("failed", subject="Second", settled={"connection": "Relay B", "driver": "log", "reason": "550 no"})
    return queued(subject="Third")


def ask_now(page) -> None:
    """Let the page ask what is new at once, rather than in some seconds."""
    page.evaluate("htmx.trigger('#live', 'poll')")


def field(page, label: str):
    """Return a field beside the search box; on a phone they open as a popup."""
    opener = page.get_by_role("button", name="Filters")
    found = page.get_by_role("search").get_by_label(label, exact=True)
    if opener.is_visible() and not found.is_visible():
        opener.click()
    return found


def row(page, subject: str):
    return page.locator("#message-list tbody tr").filter(has_text=subject)


def test_what_is_chosen_stands_in_the_box_and_what_is_typed_is_chosen(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    box = page.get_by_label("Search", exact=True)
    field(page, "Connection").focus()
    field(page, "Connection").select_option("Relay B")
    expect(box).to_have_value('connection:"Relay B"')
    expect(row(page, "Second")).to_have_count(1)
    expect(row(page, "First")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/log/\?q=connection%3A%22Relay\+B%22$"))
    expect(field(page, "Connection")).to_be_focused()
    field(page, "First day").fill("2026-01-01")
    expect(box).to_have_value('connection:"Relay B" after:2026-01-01')
    visitor.look()
    box.fill("driver:smtp ")
    expect(page.locator("#id_driver")).to_have_value("smtp")
    expect(page.locator("#id_connection")).to_have_value("")
    expect(page.locator("#id_date_from")).to_have_value("")
    expect(box).to_be_focused()
    expect(box).to_have_value("driver:smtp ")
    page.get_by_role("navigation", name="Status").get_by_role("link", name="Sent").click()
    expect(box).to_have_value("driver:smtp status:sent")
    field(page, "Driver").select_option("")
    expect(box).to_have_value("status:sent")
    page.go_back()
    expect(box).to_have_value("driver:smtp status:sent")


def test_the_fields_work_without_javascript(visitor_without_javascript, admin, mails):
    visitor = visitor_without_javascript
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/log/")
    page.get_by_label("Search", exact=True).fill("second")
    field(page, "Driver").select_option("log")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_label("Search", exact=True)).to_have_value("second driver:log")
    expect(page).to_have_url(re.compile(r"/log/\?q=second\+driver%3Alog$"))
    expect(row(page, "Second")).to_have_count(1)
    expect(page.get_by_role("button", name="Live")).to_be_hidden()
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Size").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label("Search", exact=True)).to_have_value("second driver:log")
    expect(row(page, "Second").locator("td[data-label=Size]")).to_be_visible()
    page.get_by_role("button", name="Save search").click()
    page.get_by_label("Name of the search").fill("Seconds")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Seconds")).to_have_attribute("aria-current", "true")


def test_a_changed_state_takes_its_place_and_nothing_else_moves(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    row(page, "First").locator("input").check()
    row(page, "Third").locator("input").check()
    row(page, "Third").locator("a.row-link").focus()
    settle([settlement(claimed(mails), "failed", reason="550 mailbox full")])
    ask_now(page)
    expect(row(page, "Third")).to_contain_text("550 mailbox full")
    expect(row(page, "Third").locator("a.row-link")).to_be_focused()
    expect(row(page, "Third").locator("input")).to_be_checked()
    expect(row(page, "First").locator("input")).to_be_checked()
    expect(page.get_by_role("button", name=re.compile("^Delete"))).to_contain_text("2")
    expect(page.get_by_role("navigation", name="Status").get_by_role("link", name="Failed")).to_contain_text("2")
    visitor.look()


def test_new_mails_wait_in_a_bar_while_rows_are_ticked_and_the_ticks_stay(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    row(page, "Second").locator("input").check()
    queued(subject="Fourth")
    queued(subject="Fifth")
    ask_now(page)
    bar = page.locator("#new-messages").get_by_role("link", name="2 new messages")
    expect(bar).to_be_visible()
    expect(row(page, "Fourth")).to_have_count(0)
    visitor.look()
    bar.click()
    expect(row(page, "Fourth")).to_have_count(1)
    expect(row(page, "Second").locator("input")).to_be_checked()
    expect(page.get_by_role("button", name=re.compile("^Delete"))).to_contain_text("1")
    expect(bar).to_have_count(0)


def test_new_mails_appear_by_themselves_where_nobody_is_busy(visitor, mails):
    page = visitor.page
    page.clock.install()
    visitor.go("/log/")
    page.mouse.move(5, 5)
    queued(subject="Fourth")
    page.clock.fast_forward(10_000)
    expect(row(page, "Fourth")).to_have_count(1)
    expect(page.locator("#message-list tbody tr").first).to_contain_text("Fourth")
    expect(page.locator("#new-messages")).to_contain_text("1 new message")


def test_live_updates_can_be_switched_off_and_stay_off(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    switch = page.locator("#live")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_text("Paused")
    page.reload()
    expect(switch).to_have_text("Paused")
    expect(switch).to_have_attribute("aria-pressed", "false")
    visitor.look()
    switch.click()
    page.mouse.move(5, 5)
    queued(subject="Fourth")
    ask_now(page)
    expect(row(page, "Fourth")).to_have_count(1)


def test_columns_are_chosen_and_shown_in_every_view(visitor, mails):
    page = visitor.page
    visitor.go("/log/?q=second")
    page.get_by_role("button", name="Columns").click()
    for box in page.locator("input[name=columns]").all():
        box.check()
    visitor.look()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label("Search", exact=True)).to_have_value("second")
    expect(page.get_by_role("columnheader")).to_have_count(13)
    visitor.look()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(row(page, "Second").locator("td[data-label=Connection]")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="Restore the defaults").click()
    expect(row(page, "Second").locator("td[data-label]")).to_have_count(0)


def test_searches_are_saved_opened_renamed_and_deleted(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    page.get_by_label("Search", exact=True).fill("status:failed")
    expect(row(page, "First")).to_have_count(0)
    page.get_by_role("button", name="Save search").click()
    page.get_by_label("Name of the search").fill("Trouble")
    visitor.look()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Trouble” was saved.")).to_be_visible()
    visitor.look()
    visitor.go("/log/")
    page.get_by_role("link", name="Trouble").click()
    expect(page.get_by_label("Search", exact=True)).to_have_value("status:failed")
    page.get_by_role("link", name="Your search").click()
    visitor.look()
    page.get_by_label("Name", exact=False).first.fill("")
    page.get_by_role("button", name="Rename Trouble").click()
    visitor.look()
    page.get_by_label("Name", exact=False).first.fill("Bounces")
    page.get_by_role("button", name="Rename Trouble").click()
    expect(page.get_by_text("It is now called “Bounces”.")).to_be_visible()
    page.get_by_role("button", name="Delete Bounces").click()
    expect(page.get_by_text("None yet.", exact=False)).to_be_visible()
    assert not SavedSearch.objects.exists()


def test_the_keyboard_goes_through_the_list(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    page.keyboard.press("/")
    box = page.get_by_label("Search", exact=True)
    expect(box).to_be_focused()
    page.keyboard.type("j")
    expect(box).to_have_value("j")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(page.locator("#message-list tbody tr")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(row(page, "Third").locator("a.row-link")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(row(page, "Second").locator("a.row-link")).to_be_focused()
    page.keyboard.press("x")
    expect(row(page, "Second").locator("input")).to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(row(page, "First").locator("a.row-link")).to_be_focused()
    page.keyboard.press(" ")
    expect(row(page, "First").locator("input")).to_be_checked()
    page.keyboard.press("k")
    expect(row(page, "Second").locator("a.row-link")).to_be_focused()
    visitor.look()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Mail log")


def test_suggestions_complete_the_word_at_the_caret(visitor, mails):
    page = visitor.page
    visitor.go("/log/")
    box = page.get_by_label("Search", exact=True)
    box.fill(" second")
    box.press("Home")
    page.keyboard.type("-conn")
    options = page.locator("#q-suggestions").get_by_role("option")
    expect(options).to_have_text(["-connection:"])
    visitor.look()
    page.keyboard.type("ection:rel")
    expect(options).to_have_text(['-connection:"Relay A"', '-connection:"Relay B"'])
    page.keyboard.press("Escape")
    expect(options.first).to_be_hidden()
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(options.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value('-connection:"Relay A" second')
    expect(row(page, "Second")).to_have_count(1)
    expect(row(page, "First")).to_have_count(0)
    page.keyboard.type(" status:fa")
    options.filter(has_text="status:failed").click()
    expect(box).to_have_value('-connection:"Relay A" status:failed second')
    expect(box).to_be_focused()
