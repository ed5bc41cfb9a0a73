"""What every page says about delivery: the line in the sidebar, the banner, and the overview's alarms."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from mailadmin.delivery.status import delivery_status
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.models import Label, Message
from maillog.queue.settling import settle
from secrets_app import vault
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_clock"), pytest.mark.both_databases]

PAGES = ["overview", "maillog:list", "mailadmin:settings", "mailadmin:queue", "users:account", "secrets_app:list"]


@pytest.fixture(autouse=True)
def configured(mail_settings):
    mail_settings(host="127.0.0.1", port=9, from_address="shop@example.com")


def seen(seconds_ago, name="host:1"):
    at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.update_or_create(name=name, defaults={"started_at": at, "seen_at": at})


def held(reason="Relay A: 535 canary"):
    pk = queued()
    settle([settlement(claimed(pk), "held", attempt=None, reason=reason)])
    return pk


def overdue(seconds):
    return queued(due=timezone.now() - timedelta(seconds=seconds))


def body(client, page="overview"):
    return client.get(reverse(page)).content.decode()


def test_every_page_says_when_a_worker_was_seen_and_what_waits_longest(admin_client):
    seen(4)
    overdue(12)
    for page in PAGES:
        with case(page):
            text = body(admin_client, page)
            assert "Worker seen 4 s ago" in text
            assert "oldest waiting 12 s" in text
            assert 'class="banner"' not in text


def test_every_page_warns_when_mails_are_due_and_no_worker_was_seen(admin_client):
    seen(200)
    overdue(30)
    for page in PAGES:
        with case(page):
            text = body(admin_client, page)
            assert "Email is queued, but no worker is running. No worker has been seen for 3 min." in text
            assert 'class="banner" data-tone="bad"' in text
            assert (f'<a href="{reverse("mailadmin:queue")}">Open the queue</a>' in text) == (page != "mailadmin:queue")


def test_without_anything_due_a_missing_worker_is_no_alarm(admin_client):
    queued(due=timezone.now() + timedelta(hours=1))
    text = body(admin_client)
    assert "No worker seen yet" in text
    assert "nothing waiting" in text
    assert 'class="banner"' not in text


def test_mails_that_are_late_although_a_worker_lives_are_an_alarm(admin_client):
    seen(3)
    overdue(400)
    text = body(admin_client, "maillog:list")
    assert "Email is late: the oldest message has been due for 6 min." in text
    assert "A worker is running but cannot keep up." in body(admin_client)


def test_held_mails_are_told_with_the_reason_to_those_who_may_see_the_log(admin_client, colleague_client):
    seen(3)
    held()
    assert "Messages are held: Relay A: 535 canary" in body(admin_client)
    assert 'class="banner" data-tone="warn"' in body(admin_client)
    text = body(colleague_client)
    assert "Messages are held until their connection is open." in text
    assert "canary" not in text
    assert reverse("mailadmin:queue") not in text


def test_of_two_alarms_the_worse_is_shown(admin_client):
    held()
    overdue(30)
    text = body(admin_client, "maillog:list")
    assert "no worker is running" in text
    assert text.count('class="banner"') == 1


def test_a_colleague_sees_the_pulse_without_a_link(colleague_client):
    seen(4)
    assert "Worker seen 4 s ago" in body(colleague_client)


def test_a_visitor_who_is_not_signed_in_learns_nothing(client, admin):
    overdue(400)
    text = client.get("/account/login/").content.decode()
    assert "orker" not in text
    assert "banner" not in text


def test_the_pulse_costs_two_queries_however_long_the_queue_is(django_assert_num_queries):
    for count in (0, 30):
        for _ in range(count):
            held()
            overdue(5)
            finished("deferred")
        seen(3)
        with django_assert_num_queries(2):
            delivery_status()


def test_a_page_asks_for_the_pulse_once(admin_client):
    held()
    admin_client.get(reverse("users:account"))
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(reverse("users:account"))
    tables = ("workerheartbeat", "maillog_")
    asked = [one["sql"] for one in captured.captured_queries if any(table in one["sql"] for table in tables)]
    assert len(asked) == 3, "workers, waiting mails, open incidents"


def test_the_pulse_looks_into_an_index_and_never_through_the_table():
    sender = Label.objects.create(kind="sender", text="a@example.com")
    now = timezone.now()
    Message.objects.bulk_create(
        Message(status="sent", subject="x", to_text="b@example.com", sender=sender, created_at=now, mode="background",
                message_id=f"<{n}@x>")
        for n in range(3000)
    )  # fmt: skip
    held()
    overdue(5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        delivery_status()
    (statement,) = [one["sql"] for one in captured.captured_queries if "maillog_" in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + statement)
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    assert "SCAN maillog_message" not in plan, plan


def test_oldest_is_the_one_that_waits_longest_whatever_for(django_assert_num_queries):
    assert delivery_status().waiting.oldest_seconds is None
    pk = held()
    Message.objects.filter(pk=pk).update(created_at=timezone.now() - timedelta(hours=2))
    overdue(30)
    found = delivery_status().waiting
    assert 7200 <= found.oldest_seconds < 7210
    assert 30 <= found.due_seconds < 40
    assert found.held_reason == "Relay A: 535 canary"


# ---------------------------------------------------------------- the overview


def test_the_overview_says_that_no_worker_is_there_and_how_to_start_one(admin_client):
    overdue(30)
    text = body(admin_client)
    assert "Email is queued, but no worker is running. The oldest message has been due for 30 s." in text
    assert "No worker has been seen yet." in text
    assert "make worker" in text


def test_the_overview_says_that_put_off_mails_need_a_worker(admin_client):
    finished("deferred")
    assert "Messages are waiting, but no worker is running." in body(admin_client)


def test_the_overview_names_closed_connections_to_those_who_may_see_the_log(admin_client, colleague_client):
    circuit_breaker.pause(vault.connections()[0], by="Ann")
    assert "The connection “environment” is paused." in body(admin_client)
    assert "Paused by Ann." in body(admin_client)
    assert "Paused by Ann." not in body(colleague_client)


def test_the_overview_is_quiet_while_all_is_well(admin_client):
    seen(2)
    text = body(admin_client)
    assert "The connection “" not in text
    assert 'class="banner"' not in text


@pytest.mark.django_db(transaction=True)
def test_a_mail_held_by_the_engine_is_counted_for_the_connection_it_waits_for(mail_settings, start_smtp):
    server = start_smtp()
    mail_settings(**{**server.fields, "password": "wrong"}, from_address="shop@example.com", timeout=30)
    queued()
    deliver.deliver_due()
    row = Message.objects.get()
    assert (row.status, row.connection.text) == ("held", "environment")
    assert ConnectionState.objects.get().state == "paused"
    viewer = signed_in(make_user("viewer@example.com", "maillog.view_log"))
    assert "1 held" in body(viewer, "mailadmin:queue")
