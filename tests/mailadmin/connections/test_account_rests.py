"""Limits of an account: the connection rests, messages wait, nothing fails."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailadmin.api import Mail, send_many
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, maintenance
from mailadmin.incidents import texts
from mailadmin.models import ConnectionState
from mailadmin.operations import control
from maillog.models import Incident, Message, Recipient, Status
from maillog.statistics import rollups
from secrets_app import storing
from secrets_app.models import Secret
from tests.cases import case, rolled_back
from tests.smtp_faults import reply

pytestmark = pytest.mark.django_db(transaction=True)

State = ConnectionState.State
DAILY = "550 5.4.5 Daily user sending limit exceeded. For more information on limits - gsmtp"


@pytest.fixture
def secret(admin):
    """Store a connection to a server."""

    def store(name, server, **changes):
        fields = {**server.fields, **changes}
        fields.pop("password")
        open_fields = {"sender": "shop@example.com", "timeout": 30.0, "verify": True, **fields}
        return storing.store(
            kind="smtp", name=name, fields=open_fields, values={}, actor=admin, available_to_system=True
        )

    return store


def put(count, recipients=1):
    return send_many(
        Mail(to=[f"p{n}-{m}@example.com" for m in range(recipients)], subject="x", text="x", mode="background")
        for n in range(count)
    )


def statuses():
    return {
        status: Message.objects.filter(status=status).count()
        for status in set(Message.objects.values_list("status", flat=True))
    }


def end_of_rest():
    """Let the rest of every connection end, and what waits be sent."""
    ConnectionState.objects.update(probe_at=timezone.now())
    maintenance.probe_connections()
    deliver.deliver_due()


def test_at_a_limit_the_connection_rests_and_every_message_is_sent_once_it_has_ended(start_faulty_smtp, secret):
    for phase, text in [
        ("mail", DAILY),
        ("rcpt", DAILY),
        ("data", "454 Throttling failure: Daily message quota exceeded."),
        ("content", "554 5.2.0 SubmissionQuotaExceededException"),
        ("mail", "421 4.7.0 Too many messages. Try again in 92 seconds"),
    ]:
        with case(phase, text), rolled_back():
            server = start_faulty_smtp(faults={phase: [None, None, None, *[reply(text)] * 5]})
            relay = secret("relay A", server, max_connections=1)
            put(60)
            deliver.deliver_due()
            assert statuses() == {Status.SENT: 3, Status.HELD: 57}
            assert server.count("MAIL") <= 3 + 2, "what is not sent yet is not tried on the server"
            state = ConnectionState.objects.get()
            assert (state.state, state.connection) == (State.RESTING, str(relay.pk))
            assert state.probe_at > timezone.now() + timedelta(seconds=80)
            deliver.deliver_due()
            assert statuses() == {Status.SENT: 3, Status.HELD: 57}
            server.faults = {}
            end_of_rest()
            assert statuses() == {Status.SENT: 60}
            assert len(server.mails) == 60


def test_the_incident_says_what_happened_and_until_when(start_faulty_smtp, secret):
    secret("relay A", start_faulty_smtp(faults={"mail": reply("550 Too many messages. Try again in 600 seconds.")}))
    put(88)
    deliver.deliver_due()
    incident = Incident.objects.get()
    assert (incident.kind, incident.is_open, incident.mail_count) == ("sending-limit", True, 88)
    until = timezone.localtime(ConnectionState.objects.get().probe_at)
    assert texts.sentence(incident) == f"Sending limit of relay A reached: 88 messages wait until {until:%H:%M}"
    assert any("Nothing is lost" in step for step in texts.steps(incident))


def test_a_backup_sends_what_the_primary_may_not(start_faulty_smtp, start_smtp, secret, admin, mail_settings):
    mail_settings(from_address="shop@example.com")
    primary = secret("primary", start_faulty_smtp(faults={"content": reply(DAILY)}))
    backup = start_smtp(tls="none", username="", password="")
    other = secret("backup", backup)
    chosen = {"primary_connection": str(primary.pk), "backup_connections": str(other.pk)}
    effective.save(chosen, author=admin, expected_revision=None)
    put(20)
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 20}
    assert len(backup.mails) == 20


def test_of_several_recipients_only_those_that_met_the_limit_wait(start_faulty_smtp, secret):
    server = start_faulty_smtp(faults={"rcpt": [None, reply("550 Domain has exceeded the max emails per hour"), None]})
    secret("relay A", server)
    put(1, recipients=2)
    deliver.deliver_due()
    assert statuses() == {Status.DEFERRED: 1}
    assert list(Recipient.objects.order_by("id").values_list("outcome", flat=True)) == ["accepted", "deferred"]
    assert ConnectionState.objects.get().state == State.RESTING


def test_a_blocked_account_pauses_the_connection_and_fails_nothing(start_faulty_smtp, secret):
    secret(
        "relay A",
        start_faulty_smtp(faults={"content": reply("550 5.1.8 Access denied, bad outbound sender AS(42004)")}),
    )
    put(10)
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 10}
    state = ConnectionState.objects.get()
    assert (state.state, state.probe_at) == (State.PAUSED, None)
    assert "blocked the account" in state.reason


def test_a_limit_that_is_met_again_and_again_rests_longer_each_time(start_faulty_smtp, secret):
    secret("relay A", start_faulty_smtp(faults={"mail": reply("550 Domain has exceeded the max emails per hour")}))
    put(3)
    deliver.deliver_due()
    rests = []
    for _ in range(4):
        state = ConnectionState.objects.get()
        rests.append(round((state.probe_at - timezone.now()).total_seconds() / 60))
        end_of_rest()
    assert rests == [15, 30, 60, 60]


def test_a_limit_of_a_recipient_rests_nothing(start_faulty_smtp, secret):
    text = "450 4.2.1 The user you are trying to contact is receiving mail too quickly."
    secret("relay A", start_faulty_smtp(faults={"rcpt:p0-0@example.com": reply(text)}))
    put(3)
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 2, Status.DEFERRED: 1}
    assert not ConnectionState.objects.exists()


def test_the_rate_that_a_limit_teaches_is_offered_until_the_connection_has_one(start_faulty_smtp, secret, admin_client):
    for text, after, words in [
        ("550 Domain has exceeded the max emails per hour (150/150 (100%)) allowed.", 0, "150 messages per hour"),
        (DAILY, 4, "4 messages per day"),
    ]:
        with case(text), rolled_back():
            server = start_faulty_smtp(faults={"mail": [None] * after + [reply(text)] * 9})
            relay = secret("relay A", server, max_connections=1)
            put(after)
            deliver.deliver_due()
            rollups.fold_deltas()
            put(3)
            deliver.deliver_due()
            (status,) = control.connection_statuses()
            assert status.learned == words
            page = admin_client.get("/mail/queue/").content.decode()
            assert f"about {words}" in page
            field = "per_hour" if "hour" in words else "per_day"
            number = words.split()[0]
            assert f"/secrets/{relay.pk}/?{field}={number}#id_{field}" in page
            form = admin_client.get(f"/secrets/{relay.pk}/?{field}={number}").content.decode()
            assert f'name="{field}" value="{number}"' in form
            Secret.objects.update(fields={**Secret.objects.get().fields, field: int(number)})
            (status,) = control.connection_statuses()
            assert status.learned == ""


def test_a_person_may_end_the_rest(start_faulty_smtp, secret):
    server = start_faulty_smtp(faults={"mail": [reply(DAILY)]})
    secret("relay A", server, max_connections=1)
    put(3)
    deliver.deliver_due()
    assert statuses() == {Status.HELD: 3}
    assert circuit_breaker.resume(ConnectionState.objects.get().connection)
    deliver.deliver_due()
    assert statuses() == {Status.SENT: 3}
