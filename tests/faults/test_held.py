"""Mails of a connection in trouble wait for that connection, whatever the others do."""

import pytest

from mailadmin.api import Mail, send_many
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from mailadmin.models import ConnectionState
from maillog.models import Message, Status
from secrets_app import storing, vault

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def secret(admin):
    """Store a connection to a server."""

    def store(name, server, **changes):
        fields = {**server.fields, **changes}
        values = {"password": fields.pop("password")}
        open_fields = {"sender": "shop@example.com", "ehlo_name": "", "timeout": 30.0, "verify": True, **fields}
        return storing.store(
            kind="smtp", name=name, fields=open_fields, values=values, actor=admin, available_to_system=True
        )

    return store


def put(count, hint=""):
    """Queue mails for the connection called `hint`."""
    return send_many(
        Mail(to=[f"p{n}@example.com"], subject="x", text="x", mode="background", connection_hint=hint)
        for n in range(count)
    )


def statuses(ids):
    return set(Message.objects.filter(id__in=ids).values_list("status", flat=True))


def connection(name):
    return next(one for one in vault.connections() if one.name == name)


def test_while_the_default_connection_works_those_that_wait_for_another_are_left_alone(start_smtp, secret):
    secret("fine", start_smtp())
    broken = start_smtp()
    secret("broken", broken, password="wrong")
    ids = put(300, "broken")
    deliver.deliver_due()
    assert statuses(ids) == {Status.HELD}
    before = list(Message.objects.order_by("id").values_list("attempt_count", "claim", "next_attempt_at"))
    for _ in range(3):
        assert not deliver.make_due(), "nothing is due"
        deliver.deliver_due()
    assert statuses(ids) == {Status.HELD}
    assert list(Message.objects.order_by("id").values_list("attempt_count", "claim", "next_attempt_at")) == before
    assert len(broken.sign_ins) == 1


def test_a_repaired_connection_sends_what_waits_for_it_although_the_default_one_is_in_trouble(start_smtp, secret):
    secret("default", start_smtp(), password="wrong")
    other = start_smtp()
    secret("other", other)
    circuit_breaker.pause(connection("other"), by="Ann")
    theirs, others = put(20), put(20, "other")
    deliver.deliver_due()
    assert statuses(theirs + others) == {Status.HELD}
    circuit_breaker.resume(connection("other").id)
    assert deliver.make_due()
    deliver.deliver_due()
    assert (statuses(theirs), statuses(others)) == ({Status.HELD}, {Status.SENT})
    assert len(other.mails) == 20


def test_a_backup_that_opens_takes_the_mails_that_wait(start_smtp, secret, admin):
    first = secret("first", start_smtp(), password="wrong")
    backup = secret("backup", start_smtp())
    chosen = {"primary_connection": str(first.pk), "backup_connections": str(backup.pk)}
    effective.save(chosen, author=admin, expected_revision=None)
    circuit_breaker.pause(connection("backup"), by="Ann")
    ids = put(20)
    deliver.deliver_due()
    assert statuses(ids) == {Status.HELD}
    circuit_breaker.resume(str(backup.pk))
    deliver.deliver_due()
    assert statuses(ids) == {Status.SENT}
    assert ConnectionState.objects.get(name="first").state == ConnectionState.State.PAUSED


def test_mails_that_waited_for_a_connection_go_once_the_driver_needs_none(start_smtp, secret, mail_settings):
    secret("broken", start_smtp(), password="wrong")
    ids = put(20)
    deliver.deliver_due()
    assert statuses(ids) == {Status.HELD}
    mail_settings(driver="silent", from_address="shop@example.com")
    deliver.deliver_due()
    assert statuses(ids) == {Status.SILENCED}
