"""What the open list is told every few seconds, and what that costs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from maillog.listing.rows import CHANGING_FIELDS, row_state
from maillog.models import Label, Message
from maillog.queue.settling import settle
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
LIVE = "/log/live/"


def shown(*, calm: bool = False, text: str = "", **more) -> dict[str, str]:
    """Return what a page asks that was made now."""
    rows = Message.objects.order_by("-id").values_list(*CHANGING_FIELDS)
    newest = str(rows[0][0]) if rows else "0"
    return {
        "rows": ",".join(f"{row[0]}.{row_state(*row)}" for row in rows),
        "since": newest,
        "seen": newest,
        "text": text,
        "columns": "template connection",
        "calm": "1" if calm else "",
        **more,
    }


def test_nothing_new_is_an_empty_answer_that_takes_two_short_queries(admin_client):
    for _ in range(3):
        finished("sent")
    page = shown(text="status:sent invoice")
    with CaptureQueriesContext(connection) as captured:
        assert admin_client.get(LIVE, page).status_code == 204
    own = [one["sql"] for one in captured.captured_queries if "maillog_" in one["sql"]]
    assert len(own) == 2, own
    assert not any("COUNT" in sql or "maillog_index" in sql for sql in own)


def test_only_rows_that_changed_are_sent_each_to_take_its_place(admin_client):
    first, second = queued(subject="First"), queued(subject="Second")
    page = shown()
    settle([settlement(claimed(first), "failed", reason="550 no such user")])
    answer = admin_client.get(LIVE, page)
    text = answer.content.decode()
    assert f'<template><tr id="message-{first}"' in text
    assert 'hx-swap-oob="true"' in text
    assert "550 no such user" in text
    assert f"message-{second}" not in text
    assert 'id="chips"' in text
    assert answer["HX-Reswap"] == "none", "the bar is not read out again"
    assert "new message" not in text


def test_a_row_stays_though_its_mail_has_left_what_is_searched_for(admin_client):
    pk = queued()
    page = shown(text="status:queued")
    settle([settlement(claimed(pk))])
    assert f'id="message-{pk}"' in admin_client.get(LIVE, page).content.decode()


def test_a_mail_that_was_deleted_leaves_the_page(admin_client):
    pk = finished("sent").pk
    page = shown()
    Message.objects.all().delete()
    assert f'<tr id="message-{pk}" hx-swap-oob="delete">' in admin_client.get(LIVE, page).content.decode()


def test_new_mails_are_counted_where_somebody_is_busy_and_only_those_that_match(admin_client):
    queued()
    page = shown(text="subject:parcel")
    for subject in ("parcel", "parcel", "other"):
        queued(subject=subject)
    answer = admin_client.get(LIVE, page)
    assert "2 new messages" in answer.content.decode()
    assert 'href="/log/?q=subject%3Aparcel"' in answer.content.decode()
    assert "HX-Reswap" not in answer
    newest = Message.objects.order_by("-id").values_list("id", flat=True)[0]
    assert answer["X-Log-Seen"] == str(newest)
    assert admin_client.get(LIVE, {**page, "seen": answer["X-Log-Seen"]}).status_code == 204
    queued(subject="other")
    later = admin_client.get(LIVE, {**page, "seen": answer["X-Log-Seen"]})
    assert later["HX-Reswap"] == "none", "as many as before"


def test_more_than_a_page_of_new_mails_is_said_to_be_more(admin_client):
    queued()
    page = shown()
    for _ in range(51):
        queued()
    assert "50+ new messages" in admin_client.get(LIVE, page).content.decode()


def test_new_mails_are_put_in_where_nobody_is_busy(admin_client):
    queued(subject="Old")
    page = shown(calm=True)
    queued(subject="Brand new")
    answer = admin_client.get(LIVE, page)
    text = answer.content.decode()
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#message-list", "outerHTML")
    assert text.index("Brand new") < text.index("Old")
    assert "1 new message" in text


def test_the_rows_have_the_columns_of_the_page_that_they_are_for(admin_client):
    pk = queued()
    page = shown(columns="size number", chosen="1")
    settle([settlement(claimed(pk))])
    text = admin_client.get(LIVE, page).content.decode()
    assert 'data-label="Size"' in text
    assert 'data-label="Number"' in text
    assert "Relay A" not in text


def test_what_no_page_asks_is_refused(admin_client):
    queued()
    for wrong in [
        {"rows": "1"},
        {"rows": "1.zz"},
        {"rows": "1.a,"},
        {"rows": f"{9**30}.a"},
        {"since": "-1"},
        {"seen": "x"},
    ]:
        assert admin_client.get(LIVE, {**shown(), **wrong}).status_code == 400, wrong


def test_a_text_that_is_not_understood_still_shows_changed_rows(admin_client):
    pk = queued()
    page = shown(text="statsu:failed")
    settle([settlement(claimed(pk))])
    queued()
    answer = admin_client.get(LIVE, page)
    assert f'id="message-{pk}"' in answer.content.decode()
    assert "new message" not in answer.content.decode()


def test_whoever_may_do_nothing_gets_no_boxes_to_tick(db):
    client = signed_in(make_user("viewer@example.com", "maillog.view_log"))
    pk = queued()
    page = shown()
    settle([settlement(claimed(pk))])
    assert "checkbox" not in client.get(LIVE, page).content.decode()


def test_the_list_says_where_live_updates_go_on_from(admin_client):
    pk = queued()
    page = admin_client.get("/log/").content.decode()
    assert f'data-since="{pk}"' in page
    assert 'data-newest="1"' in page
    row = Message.objects.values_list(*CHANGING_FIELDS).get()
    assert f'id="message-{pk}" data-state="{row_state(*row)}"' in page
    assert Label.objects.filter(kind="sender").exists()
