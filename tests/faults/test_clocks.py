"""The clock jumps, or the database was away for longer than a lease: no stampede, no second copy, nothing starves."""

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connections
from django.utils import timezone

from mailadmin.api import Mail, send_many
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, drain, expired_leases, heartbeats, maintenance
from mailadmin.models import ConnectionState
from maillog.models import Message, Status
from tests.smtp_faults import HELD, reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def watch():
    """What this process has seen of the clock, which is nothing yet."""
    return expired_leases.watch


@pytest.fixture
def start(start_faulty_smtp, mail_settings):
    def start_server(**faults):
        server = start_faulty_smtp(faults=faults)
        mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
        return server

    return start_server


def put(count, **fields):
    return send_many(
        Mail(to=[f"p{n}@example.com"], subject="x", text="x", mode="background", **fields) for n in range(count)
    )


def jumped(**how):
    return time_machine.travel(timezone.now() + timedelta(**how))


def statuses():
    return Counter(Message.objects.values_list("status", flat=True))


def in_the_background(do):
    def run():
        try:
            do()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_messages_in_flight_are_not_taken_for_a_dead_workers_when_the_clock_jumps(start):
    server = start(content=HELD)
    put(3)
    deliver.make_due()
    sending = in_the_background(deliver.deliver_due)
    deadline = time.monotonic() + 60
    while not server.contents and time.monotonic() < deadline:
        time.sleep(0.01)
    with jumped(hours=2):
        for _ in range(3):
            deliver.make_due()
            deliver.deliver_due()
        server.let_go()
        sending.join(60)
    assert statuses() == {Status.SENT: 3}
    assert len(server.contents) == 3
    assert not Message.objects.filter(possibly_duplicate=True).exists()


def test_after_a_jump_the_living_renew_and_then_the_dead_are_noticed(start, monkeypatch):
    start()
    monkeypatch.setattr(drain, "RENEW_SECONDS", 0.2)
    put(1)
    Message.objects.update(status=Status.SENDING, claim="dead", next_attempt_at=timezone.now() + timedelta(seconds=80))
    assert not deliver.make_due()
    with jumped(hours=2):
        assert not deliver.make_due(), "who is dead shows only after a moment"
        time.sleep(0.35)
        assert deliver.make_due()
        deliver.deliver_due()
        assert statuses() == {Status.SENT: 1}


def test_a_database_that_was_away_for_long_is_no_death_either(start, monkeypatch, watch):
    monkeypatch.setattr(drain, "RENEW_SECONDS", 0.2)
    start()
    put(1)
    Message.objects.update(status=Status.SENDING, claim="alive", next_attempt_at=timezone.now())
    watch.trusts_leases()
    watch.checked -= expired_leases.MAX_GAP_SECONDS + 1

    def away():
        raise OperationalError("away")

    with monkeypatch.context() as broken:
        broken.setattr("maillog.queue.claiming.has_due", away)
        for _ in range(3):
            with pytest.raises(OperationalError):
                deliver.make_due()
    assert expired_leases.recover_expired() == 0
    time.sleep(0.35)
    assert expired_leases.recover_expired() == 1


def test_a_jump_ahead_makes_retries_due_once_and_in_order(start):
    server = start(mail=[reply("451 4.3.0 Later")] * 40)
    put(40)
    deliver.deliver_due()
    assert statuses() == {Status.DEFERRED: 40}
    before = server.connections
    with jumped(days=3):
        deliver.make_due()
        deliver.deliver_due()
        deliver.deliver_due()
        assert statuses() == {Status.SENT: 40}
    assert set(Message.objects.values_list("attempt_count", flat=True)) == {2}
    assert len(server.contents) == 40
    assert server.connections - before <= 10, "a pool, not a connection a mail"


def test_a_jump_ahead_is_one_probe_not_one_for_every_interval_that_was_missed(start):
    server = start(greeting=reply("421 4.3.2 Down"))
    put(5)
    deliver.deliver_due()
    before = server.connections
    with jumped(days=3):
        for _ in range(5):
            maintenance.probe_connections()
        assert server.connections == before + 1
        state = ConnectionState.objects.get()
        assert state.probe_at > timezone.now()
        assert circuit_breaker.claim_due_probes() == []


def test_after_a_jump_back_new_mails_go_at_once_and_those_before_wait_no_longer_than_the_jump(start):
    server = start(mail=[reply("451 4.3.0 Later")])
    (deferred,) = put(1)
    deliver.deliver_due()
    (queued,) = put(1)
    now = timezone.now()
    with time_machine.travel(now - timedelta(hours=3)):
        heartbeats.record("worker")
        (new,) = put(1)
        deliver.make_due()
        deliver.deliver_due()
        assert Message.objects.get(pk=new).status == Status.SENT
        assert Message.objects.get(pk=queued).status == Status.QUEUED
        assert heartbeats.workers().alive == 1
    with time_machine.travel(now + timedelta(minutes=2)):
        deliver.make_due()
        deliver.deliver_due()
    assert statuses() == {Status.SENT: 3}
    assert Message.objects.get(pk=deferred).attempt_count == 2
    assert len(server.contents) == 3
