"""What the overview shows of the last 24 hours and 30 days."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mailadmin.overview import activity, bar_chart
from mailadmin.overview.bar_chart import Counts, drawing
from maillog.explanations.error_kinds import describe
from maillog.queue.settling import settle
from maillog.statistics import queries as figures
from maillog.statistics import rollups
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = pytest.mark.both_databases

REFUSED = "550 5.1.1 no such user here"


def refused(**fields):
    settle([settlement(claimed(queued(**fields)), "failed", reason=REFUSED)])


def page(client, range_=""):
    return client.get(reverse("overview"), {"range": range_} if range_ else {}).content.decode()


def rows(body):
    """Return the lines of the table, newest first: label and numbers as they stand there."""
    table = body.partition("<tbody>")[2].partition("</tbody>")[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("</tr>") if "<td" in row]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in line] for line in lines]


# ---------------------------------------------------------------- the drawing


def numbers(place, kind):
    return [(float(bar.y), float(bar.height)) for bar in place.bars if bar.kind == kind]


def test_one_huge_bar_leaves_the_others_to_be_seen():
    drawn = drawing([Counts(sent=1), Counts(sent=5_000_000), Counts(failed=1), Counts()], tick_every=6)
    assert numbers(drawn.columns[0], "sent")[0][1] == bar_chart.MIN_BAR
    assert numbers(drawn.columns[1], "sent")[0][1] > 100
    assert numbers(drawn.columns[2], "failed")[0][1] == bar_chart.MIN_BAR
    assert drawn.columns[3].bars == []
    assert drawn.top == 5_000_000


def test_nothing_at_all_is_an_empty_drawing():
    drawn = drawing([Counts()] * 24, tick_every=6)
    assert all(place.bars == [] for place in drawn.columns)
    assert drawn.top == 0
    assert drawn.strip == ""
    assert len(drawn.ticks) == 4


COUNTS = st.integers(0, 10**9) | st.integers(0, 3)


@given(st.lists(st.builds(Counts, COUNTS, COUNTS, COUNTS, COUNTS), min_size=1, max_size=30))
def test_every_bar_lies_within_the_drawing_on_its_side_of_the_line(places):
    drawn = drawing(places, tick_every=6)
    base, height = float(drawn.base), float(drawn.height)
    for one, place in zip(places, drawn.columns, strict=True):
        assert {bar.kind for bar in place.bars} == {
            kind for kind in ("sent", "other", "failed", "waiting") if getattr(one, kind)
        }
        for bar in place.bars:
            top, end = float(bar.y), float(bar.y) + float(bar.height)
            lowest = {"failed": bar_chart.HEIGHT, "waiting": height}.get(bar.kind, base)
            assert top >= (base if bar.kind in {"failed", "waiting"} else 0) - 0.02
            assert end <= lowest + 0.02
            assert float(bar.height) > 0
            assert 0 <= float(bar.x) < float(bar.x) + float(bar.width) <= bar_chart.WIDTH


def test_the_scale_ends_at_a_round_number():
    for number, up in [(0, 0), (1, 1), (3, 5), (7, 10), (10, 10), (11, 20), (320, 500)]:
        assert bar_chart.nice(number) == up, number


# ---------------------------------------------------------------- hours and days


def local(moments, zone):
    with timezone.override(zone):
        return [timezone.localtime(one).strftime("%d %H:%M") for one in moments]


def test_hours_are_the_running_one_and_those_before_it():
    bounds = figures.last_hours(datetime(2026, 3, 10, 10, 30, tzinfo=UTC))
    assert len(bounds) == 25
    assert bounds[0] == datetime(2026, 3, 9, 11, tzinfo=UTC)
    assert bounds[-1] == datetime(2026, 3, 10, 11, tzinfo=UTC)
    assert local(bounds[-2:], "Asia/Kolkata") == ["10 15:30", "10 16:30"]


def test_days_are_cut_at_local_midnight_whatever_the_clocks_do():
    for zone, now, hours in [
        ("UTC", datetime(2026, 3, 10, 10, tzinfo=UTC), {24}),
        ("Europe/Berlin", datetime(2026, 3, 31, 10, tzinfo=UTC), {23, 24}),
        ("Europe/Berlin", datetime(2026, 10, 31, 10, tzinfo=UTC), {24, 25}),
        ("America/Sao_Paulo", datetime(2018, 11, 10, 12, tzinfo=UTC), {23, 24}),  # the change was at midnight
        ("Asia/Kolkata", datetime(2026, 3, 10, 10, tzinfo=UTC), {24}),
        ("Pacific/Chatham", datetime(2026, 4, 10, 10, tzinfo=UTC), {24, 25}),
    ]:
        with case(zone, now):
            with timezone.override(zone):
                bounds = figures.last_days(now)
                names = [timezone.localtime(one) for one in bounds]
            lengths = {(end - start) // timedelta(hours=1) for start, end in pairwise(bounds)}
            assert lengths == hours
            assert len(bounds) == 31
            assert len({one.date() for one in names}) == 31
            assert all(
                one < timedelta(hours=1) for one in (each - each.replace(hour=0, minute=0) for each in names[:1])
            )
            assert bounds[-2] <= now < bounds[-1]


@pytest.mark.django_db
def test_a_mail_is_on_the_day_on_which_its_hour_began():
    moments = [datetime(2026, 3, 28, 12, 59, tzinfo=UTC) + timedelta(minutes=37 * number) for number in range(60)]
    for moment in moments:
        with time_machine.travel(moment, tick=False):
            finished("sent")
    for zone in ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin"]:
        with timezone.override(zone):
            slots, _ = figures.time_slots(figures.last_days(moments[-1]), moments[-1])
            expected = Counter(timezone.localtime(moment.replace(minute=0)).date() for moment in moments)
            found = {timezone.localtime(one.start).date(): one.sent for one in slots if one.sent}
        assert found == expected, zone


def test_moments_are_written_as_the_search_reads_them():
    for moment, zone, term in [
        (datetime(2026, 3, 10, 10, tzinfo=UTC), "UTC", "2026-03-10T10:00"),
        (datetime(2026, 3, 10, 0, tzinfo=UTC), "UTC", "2026-03-10"),
        (datetime(2026, 3, 10, 10, tzinfo=UTC), "Asia/Kolkata", "2026-03-10T15:30"),
        (datetime(2026, 10, 25, 0, tzinfo=UTC), "Europe/Berlin", "2026-10-25T02:00"),
        (datetime(2026, 10, 25, 1, tzinfo=UTC), "Europe/Berlin", "2026-10-25T01:00Z"),  # 2:00 for the second time
    ]:
        with case(moment, zone), timezone.override(zone):
            assert activity.time_term(moment) == term


def test_kinds_of_errors_have_words():
    for kind, words in [
        ("550 5.1.1 mailbox-missing", "The mailbox does not exist"),
        ("421 busy", "The server is busy or has a problem"),
        ("599 refused", "The server refuses it without a known reason"),
        ("connect", "The host cannot be reached"),
        ("certificate-expired", "The certificate of the server has expired"),
        ("other", "No reply from a server"),
    ]:
        assert describe(kind) == words, kind


# ---------------------------------------------------------------- the page


@pytest.mark.django_db
@pytest.mark.parametrize("range_", ["24h", "30d"])
def test_an_empty_log_shows_what_will_be_there(admin_client, range_):
    body = page(admin_client, range_)
    assert "becomes a bar" in body
    assert "<svg role" in body
    assert "What is behind it" not in body


@pytest.mark.django_db
def test_the_chart_the_table_and_the_sentence_say_the_same(admin_client, mail_settings):
    mail_settings(host="mail.example.com", from_address="shop@example.com")
    with time_machine.travel("2026-03-10T10:30:00Z", tick=False) as clock:
        for _ in range(3):
            finished("sent", template="shop/invoice")
        refused(template="shop/invoice")
        clock.shift(timedelta(hours=2))
        finished("logged")
        rollups.fold_deltas()
        finished("sent")
        rollups.record_waiting(4, timezone.now())
        body = page(admin_client)
    assert "4 sent in 24 h, 1 failed, none waiting" in body
    lines = rows(body)
    assert len(lines) == 24
    assert lines[0] == ["Tue 12:00", "1", "0", "1", "4"]
    assert lines[2] == ["Tue 10:00", "3", "1", "0", "-"]
    assert "4 messages sent, 1 failed since Mon 13:00." in body
    assert "Half were delivered within 1 ms" in body
    assert "1 failed (25 %)" in body
    (drawn,) = re.findall(r"<svg role.*?</svg>", body, re.DOTALL)
    paths = {one.get("class"): one.get("d", "").count("z") for one in ElementTree.fromstring(drawn).findall("path")}
    bars = {kind: count for kind, count in paths.items() if count}
    assert bars == {"bar-sent": 2, "bar-failed": 1, "bar-other": 1, "bar-waiting": 1}
    assert "style=" not in body


@pytest.mark.django_db
def test_the_links_find_the_mails(admin_client):
    with time_machine.travel("2026-03-10T10:30:00Z", tick=False) as clock:
        refused(template="shop/invoice")
        finished("sent")
        clock.shift(timedelta(hours=2))
        finished("sent")
        refused()
        body = page(admin_client)
        found = {}
        for href in {one.replace("&amp;", "&") for one in re.findall(r'href="(/log/\?q=[^"]+)"', body)}:
            query = parse_qs(urlsplit(href).query)["q"][0]
            answer = admin_client.get(href)
            assert answer.status_code == 200
            found[query] = answer.content.decode().count("row-link")
    assert found["status:sent after:2026-03-10T10:00 before:2026-03-10T11:00"] == 1
    assert found["status:failed after:2026-03-10T12:00"] == 1
    assert found['status:failed error:"550 5.1.1" after:2026-03-09T13:00'] == 2
    assert found["template:shop/invoice after:2026-03-09T13:00"] == 1
    assert found['connection:"Relay A" after:2026-03-09T13:00'] == 4
    assert all(found.values())


@pytest.mark.django_db
def test_the_chart_is_in_the_time_zone_of_the_person(admin, admin_client):
    admin.time_zone = "Asia/Kolkata"
    admin.save()
    with time_machine.travel("2026-03-10T19:10:00Z", tick=False) as clock:
        finished("sent")
        clock.shift(timedelta(minutes=30))
        assert rows(page(admin_client))[0][:2] == ["Wed 00:30", "1"]
        lines = rows(page(admin_client, "30d"))
    assert [line[:2] for line in lines[:2]] == [["Wed 11 Mar", "1"], ["Tue 10 Mar", "0"]]


@pytest.mark.django_db
def test_an_unknown_range_is_said(admin_client):
    body = page(admin_client, "7d<script>")
    assert "There is no period “7d&lt;script&gt;”" in body
    assert "Messages per hour" in body


@pytest.mark.django_db
def test_those_who_may_not_see_the_log_see_no_chart(colleague_client):
    refused(template="shop/secret-project")
    body = page(colleague_client)
    assert "chart-title" not in body
    assert "shop/secret-project" not in body
    assert "Messages per hour" in page(signed_in(make_user("log@example.com", "maillog.view_log")))


@pytest.mark.django_db
def test_names_that_are_no_words_are_only_text(admin_client):
    settle([settlement(claimed(queued(template="<b>x</b> & co")), connection='"><script>alert(1)</script>')])
    body = page(admin_client)
    assert "<script>alert" not in body
    assert "&lt;b&gt;x&lt;/b&gt; &amp; co" in body


@pytest.mark.django_db(transaction=True)  # names are remembered when they are committed
@pytest.mark.parametrize("range_", ["24h", "30d"])
def test_the_page_takes_twelve_queries_whatever_there_is(admin_client, mail_settings, range_):
    mail_settings(host="mail.example.com", from_address="shop@example.com")

    def queries():
        page(admin_client, range_)  # what the process remembers it remembers
        with CaptureQueriesContext(connection) as captured:
            page(admin_client, range_)
        return [one["sql"][:300] for one in captured.captured_queries]

    assert len(queries()) == 12, "\n".join(queries())
    for number in range(30):
        finished("sent", template=f"shop/t{number}")
        refused(template=f"shop/t{number}", is_test=True)
    rollups.fold_deltas()
    assert len(queries()) == 12, "\n".join(queries())
