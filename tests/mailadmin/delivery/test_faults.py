"""One message can never hurt another: whatever is raised on its way is settled for it alone."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone

from mailadmin.api import Mail, send_many
from mailadmin.connections import circuit_breaker, limitations, rate_limits
from mailadmin.connections.routing import Router
from mailadmin.delivery import database_retry, deliver, dispatching, drain, retry, submission
from mailadmin.delivery.dispatching import Dispatcher
from mailadmin.delivery.drain import Drain
from mailadmin.drivers.smtp import session
from mailadmin.drivers.smtp.driver import SmtpDriver
from mailadmin.drivers.smtp.pool import Pool
from mailadmin.drivers.smtp.pool_batches import Batch
from mailadmin.drivers.smtp.session import Session
from mailadmin.drivers.smtp.transaction import Transaction
from mailadmin.incidents import detection
from mailadmin.models import ConnectionState
from maillog.index import writing
from maillog.models import Attempt, Message, Status
from maillog.queue import claimed_messages, settling
from maillog.statistics import rollups
from tests.smtp_faults import raw, reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

BAD = "bad@example.com"
HEALTHY = 100
UNGUELTIG = raw("535 5.7.8 Anmeldung ung\xfcltig\r\n")

# Each function on a message's way, and what of its arguments tells whether the bad message is among those that it is
# called for: its id, or its address.
SEAMS = {
    "read a batch of rows": (claimed_messages, "_read_batch", lambda ids, token: ids),
    "read a row": (claimed_messages, "_claimed_message", lambda row, *_, **__: [row.id]),
    "unpack": (claimed_messages, "unpack", lambda stored: zlib.decompress(stored).decode()),
    "make a router": (Router, "__init__", lambda self, mails: [mail.id for mail in mails]),
    "route": (Router, "route_for", lambda self, mail, **_: [mail.id]),
    "candidates": (Router, "candidates", lambda self, mail: [mail.id]),
    "limitations": (limitations, "claimed_refusal", lambda driver, mail: [mail.id]),
    "timeout": (dispatching, "content_timeout", lambda mail: [mail.id]),
    "submit a group": (Dispatcher, "submit", lambda self, route, deliveries, **_: [one.mail.id for one in deliveries]),
    "envelope": (submission, "envelope", lambda mail: [mail.id]),
    "send": (SmtpDriver, "send", lambda self, envelopes, *_, **__: [one.id for one in envelopes]),
    "deliverable": (session, "undeliverable_reason", lambda envelope, *_: [envelope.id]),
    "commands": (session, "commands", lambda envelope, _extensions: [envelope.id]),
    "transact": (Session, "transact", lambda self, envelope, *_: [envelope.id]),
    "recipient's reply": (Transaction, "record_rcpt", lambda self, *_: [self.envelope.id]),
    "final reply": (Transaction, "replied", lambda self, *_: [self.envelope.id]),
    "settled in the pool": (Pool, "settled", lambda self, _connection, item, *_: [item.envelope.id]),
    "settle": (Drain, "settle", lambda self, completion: [completion.delivery.mail.id]),
    "attempt": (drain, "attempt_record", lambda delivery, *_, **__: [delivery.mail.id]),
    "decide": (retry, "settlement", lambda mail, *_, **__: [mail.id]),
    "next state": (retry, "next_state", lambda mail, *_, **__: [mail.id]),
    "recipients' outcomes": (retry, "recipient_outcomes", lambda mail, _result: [mail.id]),
    "write results": (settling, "settle", lambda settlements: [one.id for one in settlements]),
    "write rows": (settling, "_write_messages", lambda pairs, _now: [row.id for row, _ in pairs]),
    "write attempts": (settling, "_write_attempts", lambda pairs: [row.id for row, _ in pairs]),
    "count": (rollups, "record_settled", lambda pairs, **_: [row.id for row, _ in pairs]),
}
# Those on the way of a message that its server defers ...
SEAMS_OF_A_DEFERRAL = {
    "next attempt": (retry, "next_attempt", lambda *_, **__: ...),
    "reason": (retry, "reason", lambda mail, *_: [mail.id]),
    "index": (writing, "refresh", lambda ids: ids),
    "incident": (detection.FailureCollector, "collect", lambda self, one: [one.id]),
}
# ... and of one whose connection fails.
SEAMS_OF_A_CONNECTION = {
    "breaker": (circuit_breaker, "record_failure", lambda *_: ...),
    "breaker of a batch": (Router, "record_failure", lambda *_: ...),
    "incident of a connection": (detection, "record", lambda *_: ...),
    "fail over": (Drain, "fail_over", lambda *_, **__: ...),
}


@pytest.fixture
def no_pauses(monkeypatch):
    """Try again at once where the database seems to be down."""
    monkeypatch.setattr(database_retry, "sleep", lambda _seconds: None)


def break_seam(patch, seam, number, error):
    """Let a function raise whenever it is called for the message `number`."""
    owner, name, told_by = seam
    original = getattr(owner, name)

    def is_about_it(*args, **kwargs):
        found = told_by(*args, **kwargs)
        if isinstance(found, str):
            return BAD in found
        if found is ...:
            return True
        found = list(found)
        return number in found

    def broken(*args, **kwargs):
        if is_about_it(*args, **kwargs):
            raise error
        return original(*args, **kwargs)

    async def broken_later(*args, **kwargs):
        if is_about_it(*args, **kwargs):
            raise error
        return await original(*args, **kwargs)

    is_coroutine = name in ("send", "transact")
    patch.setattr(owner, name, broken_later if is_coroutine else broken)


def store(*, bad=BAD, healthy=HEALTHY, **fields):
    """Store the healthy messages with the bad one among them, and return its id."""
    people = [f"p{n}@example.com" for n in range(healthy)]
    common: dict[str, Any] = {"subject": "x", "text": "x", "mode": "background"}
    stored = send_many(
        [
            *[Mail(to=[one], **common) for one in people[: healthy // 2]],
            Mail(to=[bad], **{**common, **fields}),
            *[Mail(to=[one], **common) for one in people[healthy // 2 :]],
        ]
    )
    return stored[healthy // 2]


def assert_only_it_was_hurt(name, number, arrived, log):
    """Each healthy message has arrived once; the other one is settled, with a reason, an attempt, and its id logged."""
    copies = Counter(recipient for mail in arrived for recipient in mail.recipients)
    bad_copies = copies.pop(BAD, 0)
    assert copies == {f"p{n}@example.com": 1 for n in range(HEALTHY)}, name
    assert bad_copies <= 1, name
    assert Message.objects.exclude(pk=number).exclude(status=Status.SENT).count() == 0, name
    row = Message.objects.get(pk=number)
    assert row.status in {Status.SENT, Status.DEFERRED, Status.HELD, Status.UNCERTAIN}, (name, row.status)
    assert row.status == Status.SENT or row.reason, name
    assert row.attempt_count or row.status == Status.HELD, name
    assert (row.status == Status.SENT) <= bool(bad_copies), name
    assert str(number) in log, name


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_fault_at_every_seam_hurts_one_message_and_is_logged_with_its_id(
    pipelining, start_faulty_smtp, mail_settings, caplog, no_pauses
):
    server = start_faulty_smtp(pipelining=pipelining)
    mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
    for name, seam in SEAMS.items():
        if name == "commands" and not pipelining:
            continue
        for error in (RuntimeError("canary"), OperationalError("canary")):
            Message.objects.all().delete()
            server.mails.clear()
            caplog.clear()
            number = store()
            with pytest.MonkeyPatch.context() as patch:
                break_seam(patch, seam, number, error)
                deliver.deliver_due()
            assert_only_it_was_hurt(f"{name}: {error!r}", number, server.mails, caplog.text)


def test_a_fault_in_what_follows_a_deferral_hurts_one_message(smtp_server, mail_settings, caplog, no_pauses):
    mail_settings(**smtp_server.fields, from_address="shop@example.com", timeout=30)
    smtp_server.mailbox.refused[BAD] = "451 4.3.0 later"
    for name, seam in SEAMS_OF_A_DEFERRAL.items():
        Message.objects.all().delete()
        smtp_server.mails.clear()
        caplog.clear()
        number = store()
        with pytest.MonkeyPatch.context() as patch:
            break_seam(patch, seam, number, RuntimeError("canary"))
            deliver.deliver_due()
        assert Message.objects.get(pk=number).status == Status.DEFERRED, name
        assert_only_it_was_hurt(name, number, smtp_server.mails, caplog.text)


def test_a_fault_in_what_follows_a_failed_connection_hurts_only_those_that_use_it(
    start_smtp, start_faulty_smtp, secret, mail_settings, caplog, no_pauses
):
    fine, broken = start_smtp(), start_faulty_smtp(faults={"greeting": reply("554 5.3.2 not now")})
    secret("fine", fine)
    secret("broken", broken)
    mail_settings(from_address="shop@example.com")
    for name, seam in SEAMS_OF_A_CONNECTION.items():
        Message.objects.all().delete()
        ConnectionState.objects.all().delete()
        fine.mails.clear()
        caplog.clear()
        number = store(connection_hint="broken")
        with pytest.MonkeyPatch.context() as patch:
            break_seam(patch, seam, number, RuntimeError("canary"))
            deliver.deliver_due()
        assert "canary" in caplog.text, name
        assert_only_it_was_hurt(name, number, fine.mails, f"{caplog.text} {number}")


def test_a_message_that_always_raises_is_parked_after_the_last_attempt_of_the_schedule(
    smtp_server, mail_settings, caplog
):
    mail_settings(**smtp_server.fields, from_address="shop@example.com", timeout=30)
    number = store(healthy=2)
    with pytest.MonkeyPatch.context() as patch:
        break_seam(patch, SEAMS["route"], number, RuntimeError("canary"))
        for day in range(len(retry.SCHEDULE) + 3):
            with time_machine.travel(timezone.now() + timedelta(days=2 * day)):
                deliver.deliver_due()
    row = Message.objects.get(pk=number)
    assert (row.status, row.attempt_count) == (Status.FAILED, len(retry.SCHEDULE) + 1)
    assert "RuntimeError" in row.reason
    assert row.attempts.count() == len(retry.SCHEDULE) + 1
    assert len(smtp_server.mails) == 2


def test_a_row_that_the_database_cannot_read_hurts_no_other(smtp_server, mail_settings, caplog, no_pauses):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL stores no text that is not UTF-8")
    mail_settings(**smtp_server.fields, from_address="shop@example.com", timeout=30)
    number = store()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE maillog_message SET subject = CAST(x'ff' AS TEXT) WHERE id = %s", [number])
    deliver.deliver_due()
    row = Message.objects.defer("subject").get(pk=number)
    assert (row.status, row.attempt_count) == (Status.DEFERRED, 1)
    assert "OperationalError" in row.reason
    assert str(number) in caplog.text
    assert len(smtp_server.mails) == HEALTHY


def test_limits_that_are_no_numbers_hurt_only_the_messages_of_that_connection(
    start_smtp, secret, mail_settings, caplog
):
    fine, odd = start_smtp(), start_smtp()
    secret("fine", fine)
    secret("odd", odd, per_hour="many")
    mail_settings(from_address="shop@example.com")
    number = store(connection_hint="odd")
    with pytest.raises(ValueError, match="many"):
        rate_limits.limits_of({"per_hour": "many"})
    deliver.deliver_due()
    assert Message.objects.get(pk=number).status == Status.DEFERRED
    assert_only_it_was_hurt("limits", number, fine.mails, caplog.text)


def test_a_driver_that_exits_ends_neither_the_loop_nor_the_drain(smtp_server, mail_settings, caplog):
    mail_settings(**smtp_server.fields, from_address="shop@example.com", timeout=30)
    number = store()
    with pytest.MonkeyPatch.context() as patch:
        break_seam(patch, SEAMS["send"], number, SystemExit())
        deliver.deliver_due()
    assert_only_it_was_hurt("exit", number, smtp_server.mails, caplog.text)


def test_what_a_driver_reports_twice_or_in_no_known_form_is_settled_once(smtp_server, mail_settings, caplog):
    mail_settings(**smtp_server.fields, from_address="shop@example.com", timeout=30)
    number = store()
    original = Batch.settle

    def settle(self, item, result):
        if item.envelope.id == number:
            original(self, item, "sent, I think")  # type: ignore[arg-type]
            self._on_result(item.envelope, result)
        else:
            original(self, item, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "settle", settle)
        deliver.deliver_due()
    assert "again" in caplog.text
    assert_only_it_was_hurt("twice", number, smtp_server.mails, caplog.text)


# ---------------------------------------------------------------- text from outside


@pytest.mark.parametrize("phase", ["greeting", "ehlo", "starttls", "auth", "rcpt", "content"])
def test_a_reply_that_is_not_utf_8_hurts_nobody_and_can_be_read(
    phase, start_smtp, start_faulty_smtp, secret, mail_settings, admin_client, caplog
):
    odd = start_faulty_smtp(faults={phase: UNGUELTIG}, tls="starttls", username="u")
    fine = start_smtp()
    secret("fine", fine)
    secret("odd", odd)
    mail_settings(from_address="shop@example.com")
    number = store(healthy=200, connection_hint="odd")
    for _round in range(3):
        deliver.deliver_due()
    row = Message.objects.get(pk=number)
    assert Counter(mail.recipients for mail in fine.mails) == {(f"p{n}@example.com",): 1 for n in range(200)}
    assert row.status == (Status.HELD if phase in ("greeting", "ehlo", "starttls", "auth") else Status.FAILED)
    assert "Anmeldung ungültig" in row.reason
    assert "Anmeldung ungültig" in Attempt.objects.get(message=row).reply
    assert caplog.records == [] or max(record.levelno for record in caplog.records) < logging.ERROR
    assert admin_client.get(f"/log/{number}/").status_code == 200
    assert admin_client.get("/mail/queue/").status_code == 200
