"""Failures become incidents: one line a kind and connection, whoever met them, until they are over."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, connections
from django.utils import timezone

from mailadmin.api import Mail, send_many
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, maintenance
from mailadmin.incidents import detection, texts
from mailadmin.models import AlarmRules, ConnectionState
from maillog import incident_store as kept
from maillog.models import Incident, IncidentMail, Message, Status
from secrets_app import storing, vault
from tests.smtp_faults import reply

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = Incident.State


def put(count, hint="", domain="example.com"):
    """Queue mails for the connection called `hint`."""
    return send_many(
        Mail(to=[f"p{n}@{domain}"], subject="x", text="x", mode="background", connection_hint=hint)
        for n in range(count)
    )


def connection(name):
    return next(one for one in vault.connections() if one.name == name)


def members(incident):
    return list(
        IncidentMail.objects.filter(incident=incident).order_by("mail_number").values_list("mail_number", flat=True)
    )


def refusing(start_smtp, addresses, words="550 5.1.1 No such user"):
    server = start_smtp()
    server.mailbox.refused = dict.fromkeys(addresses, words)
    return server


# ---------------------------------------------------------------- connections


def test_a_wrong_password_with_many_waiting_mails_is_one_incident_with_all_of_them(start_smtp, secret, admin):
    effective.save({"from_name": "Shop"}, author=admin, expected_revision=None)
    server = start_smtp()
    secret("relay A", server, password="wrong")
    ids = put(214)
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.connection, incident.kind, incident.code, incident.state) == ("relay A", "auth", 535, State.OPEN)
    assert incident.mail_count == 214
    assert members(incident) == ids
    assert (incident.first_mail, incident.last_mail) == (ids[0], ids[-1])
    sentence = texts.sentence(incident)
    assert sentence.startswith("535 on relay A: 214 messages since ")
    assert "after the connection was created" in sentence, "the secret is newer than the revision"
    assert [one["what"] for one in incident.recent_changes] == ["settings", "secret"]
    assert len(server.sign_ins) == 1


def test_the_newest_revision_is_named_if_it_was_saved_shortly_before(start_smtp, secret, admin):
    secret("relay A", start_smtp(), password="wrong")
    saved = effective.save({"from_name": "Shop"}, author=admin, expected_revision=None)
    put(3)
    deliver.deliver_due()
    sentence = texts.sentence(Incident.objects.get())
    assert f", after revision {saved.pk} (admin@example.com, " in sentence


def test_it_ends_by_itself_once_it_is_repaired_and_mails_went_through(start_smtp, secret, admin):
    server = start_smtp()
    stored = secret("relay A", server, password="wrong")
    put(20)
    deliver.deliver_due()
    assert detection.end_finished() == 0
    storing.change(
        stored.pk,
        revision=stored.revision,
        name="relay A, repaired",
        fields=stored.fields,
        values={"password": server.password},
        actor=admin,
    )
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.SENT}
    assert detection.end_finished() == 0, "not before it is quiet"
    assert Incident.objects.get().recovered_at is not None
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert detection.end_finished() == 1
        assert detection.end_finished() == 0
    incident = Incident.objects.get()
    assert (incident.state, incident.ending, incident.mail_count) == (State.ENDED, "recovered", 20)


def test_a_connection_that_is_quiet_but_still_closed_does_not_end_it(start_smtp, secret):
    secret("relay A", start_smtp(), password="wrong")
    put(2)
    deliver.deliver_due()
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert detection.end_finished() == 0
        circuit_breaker.resume(connection("relay A").id)
        assert detection.end_finished() == 0, "open again, but nothing went through"


def test_two_connections_in_trouble_are_two_incidents(start_smtp, secret):
    secret("one", start_smtp(), password="wrong")
    gone = start_smtp()
    secret("two", gone)
    gone.stop()
    first, second = put(30, "one"), put(40, "two")
    deliver.deliver_due()
    found = {one.connection: one for one in Incident.objects.all()}
    assert {name: (one.kind, one.mail_count) for name, one in found.items()} == {
        "one": ("auth", 30),
        "two": ("connection-refused", 40),
    }
    assert (members(found["one"]), members(found["two"])) == (first, second)


def test_mails_that_come_later_are_added_and_none_is_counted_twice(start_smtp, secret):
    secret("relay A", start_smtp(), password="wrong")
    first = put(5)
    deliver.deliver_due()
    later = put(7)
    deliver.deliver_due()
    circuit_breaker.resume(connection("relay A").id)
    deliver.release_held()
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.mail_count, members(incident)) == (12, first + later)


def test_a_connection_that_somebody_paused_is_no_incident(start_smtp, secret):
    secret("relay A", start_smtp())
    circuit_breaker.pause(connection("relay A"), by="Ann")
    put(20)
    deliver.deliver_due()
    assert not Incident.objects.exists()


def test_a_probe_that_succeeds_is_noted_as_recovery(start_smtp, secret):
    server = start_smtp()
    secret("relay A", server)
    server.stop()
    put(1)
    deliver.deliver_due()
    again = start_smtp(port=server.port)
    ConnectionState.objects.update(probe_at=timezone.now())
    maintenance.probe_connections()
    assert again.mailbox.connections or Incident.objects.get().recovered_at is not None
    assert Incident.objects.get().recovered_at is not None


def test_the_incident_of_a_deleted_connection_ends(start_smtp, secret, admin):
    stored = secret("relay A", start_smtp(), password="wrong")
    put(1)
    deliver.deliver_due()
    storing.delete(stored.pk, actor=admin)
    assert detection.end_finished() == 1
    assert Incident.objects.get().ending == "gone"


def test_what_somebody_ended_begins_anew_with_the_next_failure(start_smtp, secret):
    secret("relay A", start_smtp(), password="wrong")
    put(1)
    deliver.deliver_due()
    first = Incident.objects.get()
    assert detection.end(first, by="Ann")
    assert not detection.end(first, by="Bea"), "it had ended"
    circuit_breaker.resume(connection("relay A").id)
    deliver.release_held()
    deliver.deliver_due()
    assert list(Incident.objects.values_list("state", "ended_by")) == [("open", ""), ("ended", "Ann")]


# ---------------------------------------------------------------- single mails


def test_missing_mailboxes_below_the_threshold_are_no_incident(start_smtp, secret):
    secret("relay A", refusing(start_smtp, [f"p{n}@example.com" for n in range(9)]))
    put(30)
    deliver.deliver_due()
    assert Message.objects.filter(status=Status.FAILED).count() == 9
    assert not Incident.objects.exclude(state=State.PENDING).exists()


def test_missing_mailboxes_from_the_threshold_on_are_one_also_over_several_runs(start_smtp, secret):
    secret("relay A", refusing(start_smtp, [f"p{n}@example.com" for n in range(6)]))
    put(6)
    deliver.deliver_due()
    assert Incident.objects.get().state == State.PENDING
    ids = put(6)
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.state, incident.kind, incident.code, incident.mail_count) == (
        State.OPEN,
        "mailbox-missing",
        550,
        12,
    )
    assert incident.last_mail == ids[-1]


def test_failures_that_are_too_far_apart_do_not_add_up(start_smtp, secret):
    secret("relay A", refusing(start_smtp, [f"p{n}@example.com" for n in range(6)]))
    put(6)
    deliver.deliver_due()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        put(6)
        deliver.deliver_due()
        incident = Incident.objects.get()
        assert (incident.state, incident.mail_count) == (State.PENDING, 6)
        assert incident.first_at > timezone.now() - timedelta(minutes=1)


def test_what_gathered_and_went_no_further_is_forgotten(start_smtp, secret):
    secret("relay A", refusing(start_smtp, ["p0@example.com"]))
    put(1)
    deliver.deliver_due()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        detection.end_finished()
    assert not Incident.objects.exists()
    assert not IncidentMail.objects.exists()


def test_the_threshold_is_a_rule_that_can_be_changed(start_smtp, secret):
    AlarmRules.objects.create(pk=1, threshold=2, minutes=5)
    secret("relay A", refusing(start_smtp, ["p0@example.com", "p1@example.com"]))
    put(3)
    deliver.deliver_due()
    assert Incident.objects.get().is_open
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert detection.end_finished() == 1
    assert Incident.objects.get().ending == "quiet"


def test_mails_that_are_put_off_are_one_incident(start_faulty_smtp, secret):
    server = start_faulty_smtp(faults={"rcpt": reply("451 4.7.1 Greylisted, come back later")})
    secret("relay A", server)
    put(12)
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.state, incident.kind, incident.code, incident.mail_count) == (
        State.OPEN,
        "greylisting-later",
        451,
        12,
    )
    assert "retried automatically" in texts.steps(incident)[0]


def test_a_mail_that_was_parked_because_workers_died_is_one_at_once(start_smtp, secret):
    secret("relay A", start_smtp())
    (pk,) = put(1)
    Message.objects.filter(pk=pk).update(worker_deaths=5)
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.state, incident.kind, incident.connection, members(incident)) == (State.OPEN, "worker", "", [pk])


# ---------------------------------------------------------------- what must never happen


def test_successes_cost_no_query(start_smtp, secret, monkeypatch):
    secret("relay A", start_smtp())
    monkeypatch.setattr(detection, "record", lambda *_: pytest.fail("something was written"))
    put(30)
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.SENT}


def test_an_error_while_incidents_are_written_does_not_hurt_delivery(start_smtp, secret, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(kept, "record_failures", broken)
    secret("relay A", start_smtp(), password="wrong")
    secret("relay B", refusing(start_smtp, ["p0@example.com"]))
    put(3, "relay A")
    put(3, "relay B")
    deliver.deliver_due()
    assert sorted(Message.objects.values_list("status", flat=True)) == ["failed", *["held"] * 3, *["sent"] * 2]
    assert "the disk is full" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_begin_the_same_incident_share_it():
    def finding(*mails):
        return kept.FailureGroup(connection="relay A", kind="auth", is_about_connection=True, mails=set(mails))

    def meanwhile(_finding):
        if not Incident.objects.exists():
            note(finding(1, 2))
        return []

    def note(one, before=lambda _: []):
        return kept.record_failures(
            one, now=timezone.now(), threshold=10, window=timedelta(minutes=15), find_changes=before
        )

    incident = note(finding(2, 3), before=meanwhile)
    assert Incident.objects.get() == incident
    assert (incident.mail_count, members(incident)) == (3, [1, 2, 3])


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_count_each_mail_once():
    def work(start):
        try:
            for step in range(8):
                mails = set(range(start + 5 * step, start + 5 * step + 20))
                one = kept.FailureGroup(connection="relay A", kind="auth", is_about_connection=True, mails=mails)
                kept.record_failures(
                    one, now=timezone.now(), threshold=10, window=timedelta(minutes=15), find_changes=lambda _: []
                )
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=(1 + 10 * number,)) for number in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    incident = Incident.objects.get()
    assert members(incident) == list(range(1, 86))
    assert (incident.mail_count, incident.first_mail, incident.last_mail) == (85, 1, 85)
