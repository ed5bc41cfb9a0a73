"""People decide otherwise about what a worker has in hand: what has not begun is given back within a second."""

import re
import threading
import time
from collections import Counter

import pytest
from django.db import connections

from mailadmin.api import Mail, send_many
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, heartbeats
from mailadmin.operations import control
from maillog import suppressions
from maillog.models import Message, Status
from maillog.queue.actions import CANCELLABLE, Selection
from secrets_app import storing, vault
from tests.smtp_faults import HELD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

COUNT = 300
SECONDS = 1.5  # a check takes half a second at most, and this machine may be busy


def statuses():
    return Counter(Message.objects.values_list("status", flat=True))


def wait_for(condition, seconds=SECONDS):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, statuses()
        time.sleep(0.02)


@pytest.fixture
def held_server(start_faulty_smtp):
    """It takes the first messages and answers no final dot until it is let go."""
    return start_faulty_smtp(faults={"content": HELD})


@pytest.fixture
def relay(held_server, admin, mail_settings):
    """A stored connection to it."""
    mail_settings(from_address="shop@example.com")
    fields = {**held_server.fields, "sender": "shop@example.com", "ehlo_name": "", "timeout": 60.0, "verify": True}
    fields.pop("password")
    return storing.store(kind="smtp", name="relay", fields=fields, values={}, actor=admin, available_to_system=True)


@pytest.fixture
def worker(held_server, relay, admin):
    """A worker that has all messages in hand, a few of them begun."""
    send_many(Mail(to=[f"p{n}@example.com"], subject="x", text="x", mode="background") for n in range(COUNT))
    heartbeats.record(deliver.worker_name())

    def work():
        try:
            deliver.deliver_due(should_stop=lambda: False)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: statuses()[Status.SENDING] == COUNT and held_server.contents, 30)
    yield thread
    held_server.let_go()
    thread.join()


def begun():
    return statuses()[Status.SENDING]


def test_a_pause_takes_hold_of_what_a_worker_holds_and_the_page_says_how_many_are_in_hand(
    worker, held_server, admin_client
):
    (connection,) = vault.connections()
    circuit_breaker.pause(connection, by="Ann")
    wait_for(lambda: statuses()[Status.HELD] >= COUNT - 12)
    in_hand = begun()
    assert 0 < in_hand <= 12
    wait_for(lambda: heartbeats.in_hand() == {connection.id: in_hand})
    page = admin_client.get("/mail/queue/").content.decode()
    assert re.search(rf"\b{in_hand} messages? (is|are) still in hand", page)
    held_server.let_go()
    worker.join()
    assert statuses() == {Status.SENT: in_hand, Status.HELD: COUNT - in_hand}
    assert heartbeats.in_hand() == {}
    assert set(Message.objects.filter(status=Status.HELD).values_list("attempt_count", flat=True)) == {0}
    assert "in hand" not in admin_client.get("/mail/queue/").content.decode()
    circuit_breaker.resume(connection.id)
    deliver.deliver_due()
    assert statuses() == {Status.SENT: COUNT}
    assert len(held_server.mails) == COUNT


def test_a_cancellation_reaches_what_a_worker_holds_and_what_was_handed_over_is_shown_as_sent(worker, held_server):
    assert control.cancel(Selection(statuses=CANCELLABLE), by="Ann") == COUNT
    wait_for(lambda: len(heartbeats.in_hand()) == 1)
    wait_for(lambda: Message.objects.filter(status=Status.CANCELLED, claim="").count() >= COUNT - 12)
    held_server.let_go()
    worker.join()
    sent = len(held_server.mails)
    assert 0 < sent <= 12
    assert statuses() == {Status.SENT: sent, Status.CANCELLED: COUNT - sent}
    assert Message.objects.filter(status=Status.SENT, attempts__outcome="sent").count() == sent


def test_a_suppressed_address_that_a_worker_holds_gets_nothing(worker, held_server, admin):
    suppressions.suppress(f"p{COUNT - 1}@example.com", by=admin)
    wait_for(lambda: statuses()[Status.SENDING] == COUNT - 1)
    held_server.let_go()
    worker.join()
    assert statuses() == {Status.SENT: COUNT - 1, Status.SKIPPED: 1}
    assert len(held_server.mails) == COUNT - 1


def test_another_driver_takes_hold_of_what_a_worker_holds(worker, held_server, admin):
    effective.save({"driver": "silent"}, author=admin, expected_revision=None)
    wait_for(lambda: statuses()[Status.SILENCED] >= COUNT - 12)
    held_server.let_go()
    worker.join()
    assert statuses()[Status.SENT] == len(held_server.mails) <= 12


def test_a_changed_secret_takes_hold_of_what_a_worker_holds(worker, held_server, start_faulty_smtp, relay, admin):
    other = start_faulty_smtp()
    relay.refresh_from_db()
    relay.fields = {**relay.fields, "port": other.port}
    relay.revision += 1
    relay.save()
    wait_for(lambda: len(other.mails) >= COUNT - 12, 5)
    held_server.let_go()
    worker.join()
    assert statuses() == {Status.SENT: COUNT}
    assert len(other.mails) + len(held_server.mails) == COUNT
