"""The engine under trouble: paused and unreachable connections, backups, dead workers, poison, stopping."""

import threading
import time
from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from mailadmin.api import Mail, send, send_many, send_template
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, dispatching, drain, heartbeats, maintenance
from mailadmin.delivery.drain import Drain
from mailadmin.delivery.in_flight import InFlight
from mailadmin.drivers.smtp.driver import SmtpDriver
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.models import Attempt, Message, Status
from maillog.queue import claiming
from secrets_app import storing, vault
from tests.maillog.makers import claimed, queued
from tests.smtp_faults import DROP, HANG, reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

State = ConnectionState.State


def mails(count, **fields):
    return [
        Mail(**{"to": [f"p{n}@example.com"], "subject": f"Number {n}", "text": "x", "mode": "background", **fields})
        for n in range(count)
    ]


def statuses():
    found = {}
    for status in Message.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


@pytest.fixture
def environment(mail_settings):
    def use(server, **fields):
        mail_settings(**{**server.fields, "from_address": "shop@example.com", "timeout": 30, **fields})
        return server

    return use


@pytest.fixture
def secret(admin):
    """Store a connection to a server."""

    def store(name, server, **changes):
        fields = {**server.fields, **changes}
        password = fields.pop("password", "")
        open_fields = {"sender": "shop@example.com", "ehlo_name": "", "timeout": 30.0, "verify": True, **fields}
        values = {"password": password} if fields["username"] else {}
        return storing.store(
            kind="smtp", name=name, fields=open_fields, values=values, actor=admin, available_to_system=True
        )

    return store


def test_a_wrong_password_pauses_the_connection_after_one_attempt_and_fails_nothing(start_smtp, environment):
    server = environment(start_smtp(), password="wrong")
    send_many(mails(300))
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 300}
    assert len(server.sign_ins) == 1
    assert Attempt.objects.count() == 1
    state = ConnectionState.objects.get()
    assert (state.state, state.probe_at) == (State.PAUSED, None)
    assert "535" in state.reason
    deliver.deliver_due()
    assert len(server.sign_ins) == 1, "a paused connection is not tried again"
    environment(server)
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 300}
    assert len(server.mails) == 300


def test_a_dead_host_is_probed_once_an_interval_and_everything_goes_out_when_it_is_back(start_smtp, environment):
    server = start_smtp()
    environment(server)
    server.stop()
    send_many(mails(50))
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 50}
    assert Attempt.objects.count() == 1
    state = ConnectionState.objects.get()
    assert state.state == State.UNREACHABLE
    assert state.probe_at
    assert circuit_breaker.claim_due_probes() == [], "not before its time"
    later: datetime = state.probe_at + timedelta(seconds=1)
    assert circuit_breaker.claim_due_probes(later) == ["environment"]
    assert circuit_breaker.claim_due_probes(later) == [], "one worker only"
    back = start_smtp(port=server.port, tls=server.tls)
    ConnectionState.objects.update(probe_at=timezone.now())
    maintenance.probe_connections()
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 50}
    assert len(back.mails) == 50


def test_the_intervals_between_probes_grow_and_end_at_ten_minutes():
    for failures, seconds in ((1, 30), (2, 60), (3, 120), (6, 600), (50, 600)):
        assert seconds * 0.8 <= circuit_breaker.probe_interval(failures).total_seconds() <= seconds * 1.2


def test_a_backup_takes_over_and_every_hop_is_recorded(start_smtp, secret, admin, mail_settings):
    broken, backup = start_smtp(), start_smtp()
    first = secret("first", broken, password="wrong")
    second = secret("second", backup)
    mail_settings(from_address="shop@example.com")
    chosen = {"primary_connection": str(first.pk), "backup_connections": str(second.pk)}
    effective.save(chosen, author=admin, expected_revision=None)
    send_many(mails(20))
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 20}
    assert len(backup.mails) == 20
    hop = Attempt.objects.get(connection="first")
    assert (hop.outcome, hop.code) == ("deferred", 535)
    assert hop.message.attempts.filter(connection="second", outcome="sent").exists()
    assert hop.message.attempts.filter(number=1).count() == 2


def test_other_connections_are_not_affected(start_smtp, secret, mail_settings):
    broken, fine = start_smtp(), start_smtp()
    secret("broken", broken, password="wrong")
    secret("fine", fine)
    mail_settings(from_address="shop@example.com")
    send_many([*mails(10, connection_hint="broken"), *mails(10, connection_hint="fine")])
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 10, Status.HELD: 10}


def test_a_connection_that_somebody_paused_stays_so_until_somebody_resumes_it(start_smtp, environment):
    environment(start_smtp())
    (connection,) = vault.connections()
    circuit_breaker.pause(connection, by="Ann")
    send_many(mails(3))
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 3}
    assert "Ann" in Message.objects.first().reason
    environment(start_smtp())
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 3}, "new settings do not undo a decision"
    assert circuit_breaker.resume("environment")
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 3}


def test_a_lost_last_answer_is_repeated_with_the_same_message_id(start_faulty_smtp, environment):
    server = environment(start_faulty_smtp(faults={"content": [DROP, None]}))
    send_many(mails(1))
    deliver.deliver_due()
    row = Message.objects.get()
    assert (row.status, row.possibly_duplicate) == (Status.UNCERTAIN, True)
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        deliver.deliver_due()
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == (Status.SENT, 2)
    assert row.message_id.encode() in server.mails[-1].content


def test_mails_of_a_template_that_must_not_be_repeated_wait_for_somebody(start_faulty_smtp, environment, admin):
    environment(start_faulty_smtp(faults={"content": DROP}))
    effective.save({"ask_before_resend": "billing/payment mail/test"}, author=admin, expected_revision=None)
    values = {"site": "Shop", "asked_by": "Ann", "connection": "relay", "time": "now"}
    send_template("mail/test", to=["ann@example.com"], values=values)
    send_many(mails(1))
    deliver.deliver_due()
    assert Message.objects.get(template__text="mail/test").next_attempt_at is None
    assert Message.objects.get(template=None).next_attempt_at is not None
    assert statuses() == {Status.UNCERTAIN: 2}


def test_a_mail_over_which_workers_die_is_parked_and_the_others_go_on(start_smtp, environment, monkeypatch):
    environment(start_smtp())
    poison, *_ = send_many(mails(20))

    class Killed(BaseException):
        """Stands for kill -9: nothing runs after it."""

    def killed_by_poison(self, completion):
        if completion.delivery.mail.id == poison:
            raise Killed
        return settle(self, completion)

    settle = Drain.settle
    monkeypatch.setattr(Drain, "settle", killed_by_poison)
    for _ in range(12):
        try:
            deliver.deliver_due()
        except Killed:
            Message.objects.filter(status=Status.SENDING).update(next_attempt_at=timezone.now())
    row = Message.objects.get(pk=poison)
    assert row.status == Status.FAILED
    assert "Parked" in row.reason
    assert statuses() == {Status.SENT: 19, Status.FAILED: 1}


def test_a_driver_that_raises_defers_its_mails_and_is_told_of(start_smtp, environment, monkeypatch, caplog):
    environment(start_smtp())

    async def broken(self, envelopes, server, *, on_result=None):
        raise RuntimeError("canary")

    monkeypatch.setattr(SmtpDriver, "send", broken)
    send_many(mails(3))
    deliver.deliver_due()
    assert statuses() == {Status.DEFERRED: 3}
    assert "The driver failed" in caplog.text


def test_asked_to_stop_it_finishes_what_is_in_hand_and_takes_no_more(start_smtp, environment):
    server = environment(start_smtp())
    send_many(mails(450))
    deliver.deliver_due(should_stop=lambda: bool(server.mails))
    assert set(statuses()) == {Status.SENT, Status.QUEUED}
    assert Message.objects.filter(status=Status.SENDING).count() == 0


def test_more_workers_are_called_while_there_is_more_than_one_batch(start_smtp, environment):
    environment(start_smtp())
    send_many(mails(drain.BATCH + 50))
    calls = []
    deliver.deliver_due(wake_others=lambda: calls.append(1))
    assert len(calls) == 1
    assert statuses() == {Status.SENT: drain.BATCH + 50}


def test_two_workers_send_no_mail_twice(start_smtp, environment):
    server = environment(start_smtp())
    send_many(mails(600))
    workers = [threading.Thread(target=Drain(worker=name).run) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert statuses() == {Status.SENT: 600}
    assert len(server.mails) == len({mail.recipients for mail in server.mails}) == 600


def test_a_server_that_hangs_does_not_hold_up_another_connection(
    start_faulty_smtp, start_smtp, secret, mail_settings, patient
):
    hanging, fine = start_faulty_smtp(faults={"mail": HANG}), start_smtp()
    secret("hanging", hanging)
    secret("fine", fine)
    mail_settings(from_address="shop@example.com")
    send_many([*mails(2, connection_hint="hanging"), *mails(20, connection_hint="fine")])
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 20, Status.DEFERRED: 2}


def test_a_greeting_that_refuses_holds_the_mails(start_faulty_smtp, environment):
    environment(start_faulty_smtp(faults={"greeting": reply("554 5.3.2 not now")}))
    send_many(mails(5))
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 5}
    assert ConnectionState.objects.get().state == State.UNREACHABLE


def test_a_test_mail_is_tried_although_the_connection_is_in_trouble(start_smtp, environment):
    server = environment(start_smtp(), password="wrong")
    send_many(mails(1))
    deliver.deliver_due()
    send(mails(1, tags=["test"], mode="instant")[0])
    assert len(server.sign_ins) == 2
    assert statuses() == {Status.HELD: 1, Status.FAILED: 1}


def test_the_heartbeat_says_how_many_workers_live():
    assert heartbeats.workers() == heartbeats.Workers(0, None)
    heartbeats.record("a:1")
    heartbeats.record("b:2")
    WorkerHeartbeat.objects.filter(name="b:2").update(seen_at=timezone.now() - timedelta(minutes=5))
    found = heartbeats.workers()
    assert found.alive == 1
    assert found.seen_seconds_ago < 5
    heartbeats.remove("a:1")
    assert heartbeats.workers().alive == 0


def test_a_heartbeat_from_a_clock_that_was_ahead_is_not_believed():
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        heartbeats.record("dead:1")
        assert heartbeats.workers().alive == 1
    assert heartbeats.workers() == heartbeats.Workers(0, None)
    heartbeats.record("here:2")
    assert heartbeats.workers().alive == 1
    assert not WorkerHeartbeat.objects.filter(name="dead:1").exists()


def test_a_probe_that_a_clock_ahead_has_put_off_for_a_day_is_due():
    later = timezone.now() + timedelta(days=1)
    ConnectionState.objects.create(connection="7", name="x", state=State.UNREACHABLE, probe_at=later)
    assert circuit_breaker.is_probe_due()
    assert circuit_breaker.claim_due_probes() == ["7"]
    assert not circuit_breaker.is_probe_due()


def test_a_beat_makes_due_what_a_dead_worker_left(start_smtp, environment):
    environment(start_smtp())
    send_many(mails(1))
    Message.objects.update(status=Status.SENDING, claim="dead", next_attempt_at=timezone.now() - timedelta(seconds=1))
    assert deliver.make_due()
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 1}


def test_a_limited_connection_sends_no_more_than_its_rate(start_smtp, secret, mail_settings, monkeypatch):
    monkeypatch.setattr(dispatching, "HORIZON", timedelta(seconds=1))
    server = start_smtp()
    secret("slow", server, per_second=20)
    mail_settings(from_address="shop@example.com")
    send_many(mails(100))
    begin = time.monotonic()
    deliver.deliver_due(should_stop=lambda: len(server.mails) >= 20)
    took = time.monotonic() - begin
    sent = len(server.mails)
    assert sent <= 20 * (took + 1) + 2, "those of a second, and where the machine was slow of the next ones"
    assert took > 0.5, "they did not leave at once"
    assert statuses() == {Status.SENT: sent, Status.QUEUED: 100 - sent}
    waiting = Message.objects.filter(status=Status.QUEUED, reason__contains="limits").order_by("next_attempt_at")
    assert waiting.last().next_attempt_at - waiting[0].next_attempt_at >= timedelta(seconds=3)
    assert set(waiting.values_list("attempt_count", flat=True)) == {0}


def test_nothing_more_is_claimed_while_large_messages_are_in_flight(monkeypatch):
    run = Drain(worker="test")
    assert run.has_room()
    run.in_flight.add(InFlight(claimed(queued(mime=b"x" * 100))))
    assert run.has_room()
    monkeypatch.setattr(claiming, "MAX_BYTES", 150)
    assert not run.has_room()
