"""`mail_queue` and `deliver_due`: what they do, what they print, how they exit."""

import json
import os
import signal
import threading
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.delivery import heartbeats
from mailadmin.delivery.drain import Drain
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.models import Message
from maillog.queue.settling import settle
from secrets_app import vault
from tests.cases import case
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments):
    """Return the exit status and the words of a command that must not succeed."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode, str(caught.value)


@pytest.fixture
def relay(start_smtp, mail_settings):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
    return server


def held(name="environment"):
    pk = queued()
    settle([settlement(claimed(pk), "held", attempt=None, reason="x", connection=name)])
    return pk


def statuses(*ids):
    found = dict(Message.objects.values_list("id", "status"))
    return [found[pk] for pk in ids]


# ---------------------------------------------------------------- mail_queue


def test_status_tells_of_workers_counts_and_connections(relay, still_clock):
    assert "No worker seen yet; nothing waiting." in run("mail_queue")
    held()
    queued(due=timezone.now() - timedelta(seconds=30))
    heartbeats.record("a:1")
    circuit_breaker.pause(vault.connections()[0], by="Ann")
    printed = run("mail_queue", "status")
    for words in ("Worker seen 0 s ago; oldest waiting 30 s.", "1 queued", "1 held",
                  "environment: Paused; Paused by Ann.; 1 held"):  # fmt: skip
        assert words in printed
    facts = json.loads(run("mail_queue", "status", "--json"))
    assert facts["workers"]["alive"] == 1
    assert 30 <= facts["oldest_due_seconds"] < 40
    assert facts["counts"]["held"] == {"value": 1, "more": False}
    (line,) = facts["connections"]
    assert (line["name"], line["state"], line["paused_by"], line["held"]) == ("environment", "paused", "Ann", "1")


def test_retry_and_cancel_take_numbers(relay):
    first, second = held(), held()
    assert run("mail_queue", "retry", str(first)) == "1 message is due now.\n"
    assert run("mail_queue", "cancel", str(first), str(second)) == "2 messages are cancelled.\n"
    assert Message.objects.get(pk=first).reason == "Cancelled by mail_queue."
    assert json.loads(run("mail_queue", "retry", str(held()), "--json")) == {"due": 1, "left": 0}


def test_retry_and_cancel_take_all_that_match(relay):
    ids = [held(), held("Relay B"), finished("deferred").pk, queued(due=timezone.now() + timedelta(hours=1))]
    assert "1 message is due" in run("mail_queue", "retry", "--all", "--status", "held", "--connection", "Relay B")
    assert statuses(*ids) == ["held", "queued", "deferred", "queued"]
    assert "2 messages are due" in run("mail_queue", "retry", "--all")
    assert "4 messages are cancelled" in run("mail_queue", "cancel", "--all", "--status", "queued")
    assert statuses(*ids) == ["cancelled"] * 4


def test_failed_mails_are_retried_where_somebody_is_left(relay):
    lost = finished("failed").pk
    pk = queued()
    settle([settlement(claimed(pk), "failed", recipients=[])])
    printed = run("mail_queue", "retry", "--all", "--status", "failed")
    assert printed == "1 message is due now. 1 not retried: every recipient has accepted or refused it.\n"
    assert statuses(lost, pk) == ["failed", "queued"]


def test_nothing_touched_exits_1(relay):
    sent = finished("sent").pk
    for arguments in (("retry", str(sent)), ("cancel", str(sent)), ("retry", "--all"), ("cancel", "4711")):
        assert refused("mail_queue", *arguments)[0] == 1, arguments


def test_wrong_use_exits_2_and_touches_nothing(relay):
    pk = held()
    for arguments in [
        ("retry",),
        ("cancel",),
        ("retry", "1", "--all"),
        ("retry", "x"),
        ("retry", "0"),
        ("retry", "-1"),
        ("cancel", "9" * 30),
        ("retry", "1", "--status", "held"),
        ("retry", "1", "--connection", "environment"),
        ("retry", "--all", "--status", "sent"),
        ("retry", "--all", "--connection", "nowhere"),
        ("cancel", "--all", "--status", "failed"),
        ("status", "1"),
        ("status", "--all"),
        ("pause",),
        ("pause", "nowhere"),
        ("pause", "a", "b"),
        ("resume", "nowhere"),
        ("resume", "environment", "--all"),
        ("frob",),
    ]:
        with case(arguments):
            code, words = refused("mail_queue", *arguments)
            assert code == 2 or words.startswith("Error: "), "what argparse itself refuses exits 2 on the command line"
            assert statuses(pk) == ["held"]
            assert not ConnectionState.objects.exists()


def test_pause_and_resume_take_a_name_or_an_id_in_any_case(relay):
    assert run("mail_queue", "pause", "Environment") == "environment is paused.\n"
    assert run("mail_queue", "pause", "environment") == "environment was already paused.\n"
    assert ConnectionState.objects.get().paused_by == "mail_queue"
    pk = held()
    assert json.loads(run("mail_queue", "resume", "environment", "--json"))["changed"] is True
    assert statuses(pk) == ["queued"]
    assert run("mail_queue", "resume", "environment") == "environment was already open.\n"


# ---------------------------------------------------------------- deliver_due


def test_one_pass_delivers_what_is_due_and_beats(relay):
    due, later = queued(), queued(due=timezone.now() + timedelta(hours=1))
    assert run("deliver_due", "--once") == "1 attempt.\n"
    assert statuses(due, later) == ["sent", "queued"]
    assert len(relay.mails) == 1
    assert heartbeats.workers().alive == 1, "until the next pass should have come"
    run("deliver_due", "--once")
    assert WorkerHeartbeat.objects.count() == 1


@pytest.mark.both_databases
def test_two_passes_at_once_send_no_mail_twice(relay):
    for _ in range(40):
        queued()

    def one_pass():
        try:
            Drain(worker="cron").run()
        finally:
            connections.close_all()

    passes = [threading.Thread(target=one_pass) for _ in range(2)]
    for each in passes:
        each.start()
    run("deliver_due", "--once")
    for each in passes:
        each.join()
    assert len(relay.mails) == 40


def test_a_pass_looks_after_an_unreachable_connection_whose_time_has_come(relay):
    ConnectionState.objects.create(connection="environment", name="environment", state="unreachable", reason="gone",
                                   probe_at=timezone.now())  # fmt: skip
    pk = held()
    run("deliver_due", "--once")
    assert statuses(pk) == ["sent"]
    assert ConnectionState.objects.get().state == "open"


def test_a_pass_without_a_database_exits_1():
    def refuse(*args, **kwargs):
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        code, words = refused("deliver_due", "--once")
    assert code == 1
    assert "The database is down" in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_once_it_goes_on_until_it_is_stopped_and_takes_its_beat_along(relay, number):
    first = queued()
    seen = []

    def watch():
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and statuses(first) != ["sent"]:
                time.sleep(0.05)
            second = queued()
            while time.monotonic() < deadline and statuses(second) != ["sent"]:
                time.sleep(0.05)
            seen.extend([*statuses(first, second), heartbeats.workers().alive])
        finally:
            connections.close_all()
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    watcher = threading.Thread(target=watch)
    watcher.start()
    run("deliver_due")
    watcher.join()
    assert seen == ["sent", "sent", 1]
    assert heartbeats.workers().alive == 0
    assert signal.getsignal(number) is before
