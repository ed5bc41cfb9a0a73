"""Every phase of an SMTP conversation x every fault, through the whole engine: the table is the specification.

Each cell says what becomes of the mail that met the fault, or, before any mail was begun, of the connection. Mails of a
connection in trouble are held: nothing of them fails. Once the server behaves again everything arrives, with the same
Message-ID and for those recipients alone who have not got it.
"""

import contextlib
import time
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from mailadmin.api import Mail, send_many
from mailadmin.connections import circuit_breaker, revealing
from mailadmin.delivery import maintenance
from mailadmin.delivery.deliver import deliver_due
from mailadmin.drivers import event_loop
from mailadmin.drivers.smtp import pool
from mailadmin.models import ConnectionState
from maillog.models import Attempt, Message, Recipient, Status
from tests.cases import rolled_back
from tests.smtp_faults import DRIP, DROP, EOF, GARBAGE, HANG, FaultyServer, reply

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient")]

FAULTS = {
    "421": reply("421 4.3.2 Bye"),
    "451": reply("451 4.3.0 Later"),
    "550": reply("550 5.7.1 No"),
    "hang": HANG,
    "drop": DROP,
    "EOF": EOF,
    "garbage": GARBAGE,
    "drip": DRIP,
}
TABLE = """
phase      421          451          550          hang         drop         EOF          garbage      drip
greeting   unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable
ehlo       unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable
starttls   unreachable  unreachable  paused       unreachable  unreachable  unreachable  unreachable  unreachable
auth       unreachable  unreachable  paused       unreachable  unreachable  unreachable  unreachable  unreachable
mail       deferred     deferred     failed       deferred     deferred     deferred     deferred     deferred
rcpt       deferred     deferred     failed       deferred     deferred     deferred     deferred     deferred
data       deferred     deferred     failed       deferred     deferred     deferred     deferred     deferred
content    deferred     deferred     failed       uncertain    uncertain    uncertain    uncertain    uncertain
rset       sent         sent         sent         sent         sent         sent         sent         sent
quit       sent         sent         sent         sent         sent         sent         sent         sent
"""
HEAD, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], fault, expected) for row in ROWS for fault, expected in zip(HEAD[1:], row[1:], strict=True)]
BEFORE_THE_MAIL = [cell for cell in CELLS if cell[2] in ConnectionState.State.values]
WITH_A_MAIL = [cell for cell in CELLS if cell[2] in Status.values]
ADDRESSES = ("ann@example.com", "ben@example.com", "cy@example.com")
SECONDS = 20.0  # of patience for each step, on a clock that waits for the server (tests/patience.py)


def test_the_table_is_complete():
    assert ["phase", *FAULTS] == HEAD
    assert len(BEFORE_THE_MAIL) + len(WITH_A_MAIL) == len(ROWS) * len(FAULTS) == 80


@pytest.fixture
def start(mail_settings, monkeypatch):
    """Start a server with STARTTLS and sign-in and these faults: the connection "environment". The last one ends."""
    usual = revealing.revealed  # which would wait ten minutes for the answer to the final dot
    monkeypatch.setattr(revealing, "revealed", lambda connection, content_timeout=0.0: usual(connection))

    with contextlib.ExitStack() as running:

        def start_server(**faults):
            running.close()
            server = FaultyServer(tls="starttls", username="mailer", faults=faults)
            server.start()
            running.callback(server.stop)
            running.callback(lambda: event_loop.run(pool.close_all()))
            mail_settings(**server.fields, from_address="shop@example.com", timeout=SECONDS)
            return server

        yield start_server


def put(*recipients):
    """Queue one mail to each of `recipients` (one address, or several for one mail) and return their rows' ids."""
    mails = (
        Mail(to=[one] if isinstance(one, str) else list(one), subject="Hello", text="x", mode="background")
        for one in recipients
    )
    return send_many(mails)


def deliver(*, later=timedelta(0)):
    with time_machine.travel(timezone.now() + later):
        maintenance.probe_connections()
        deliver_due()


def outcomes(number):
    return dict(Recipient.objects.filter(message=number).values_list("address", "outcome"))


def taken(server, count):
    """Which recipients the server took mails for, in all; it notes a mail a moment after it has answered."""
    deadline = time.monotonic() + 60
    while sum(len(mail.recipients) for mail in server.mails) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return Counter(address for mail in server.mails for address in mail.recipients)


def test_trouble_before_a_mail_is_the_connections(start):
    for phase, fault, expected in BEFORE_THE_MAIL:
        with rolled_back(phase, fault):
            server = start(**{phase: FAULTS[fault]})
            ids = put(*ADDRESSES)
            deliver()
            assert set(Message.objects.values_list("status", flat=True)) == {Status.HELD}
            state = ConnectionState.objects.get()
            assert (state.state, state.reason != "") == (expected, True)
            assert Attempt.objects.count() == 1, "one mail found out, the others were not tried"
            assert taken(server, 0) == {}

            server.faults.clear()
            before = server.connections
            deliver(later=timedelta(minutes=1))
            if expected == ConnectionState.State.PAUSED:
                assert server.connections == before, "a person has to look at it"
                circuit_breaker.resume("environment")
                deliver(later=timedelta(minutes=1))
            assert set(Message.objects.values_list("status", flat=True)) == {Status.SENT}
            assert taken(server, 3) == dict.fromkeys(ADDRESSES, 1)
            assert all(set(outcomes(number).values()) == {"accepted"} for number in ids)


def test_trouble_with_a_mail_is_that_mails_alone(start):
    for phase, fault, expected in WITH_A_MAIL:
        with rolled_back(phase, fault):
            server = start(**{phase: [FAULTS[fault]]})
            ids = put(*ADDRESSES)
            deliver()
            met = Message.objects.exclude(status=Status.SENT)
            assert not ConnectionState.objects.exclude(state=ConnectionState.State.OPEN).exists()
            if expected == Status.SENT:
                assert not met.exists()
                assert taken(server, 3) == dict.fromkeys(ADDRESSES, 1)
                continue
            row = met.get()
            word = {"failed": "refused"}.get(expected, expected)
            assert (row.status, row.reason != "") == (expected, True)
            assert set(outcomes(row.pk).values()) == {word}
            assert (row.attempts.get().outcome, row.attempts.get().phase) == (expected, phase)
            assert (row.possibly_duplicate, row.next_attempt_at is None) == (
                expected == "uncertain",
                expected == "failed",
            )
            assert sum(taken(server, 2).values()) == 2

            deliver(later=timedelta(minutes=2))
            row.refresh_from_db()
            if expected == "failed":
                assert (row.status, row.attempt_count) == (Status.FAILED, 1)
                continue
            assert (row.status, row.attempt_count) == (Status.SENT, 2)
            assert taken(server, 3) == dict.fromkeys(ADDRESSES, 1)
            identity = f"Message-ID: {row.message_id}".encode()
            contents = [content for content in server.contents if identity in content]
            assert len(contents) == (2 if phase == "content" else 1), "every copy has the same Message-ID"
            assert len(ids) == 3


def test_trouble_with_one_recipient_is_that_recipients_alone(start):
    """451 and 550 are said about one recipient; whatever breaks the conversation concerns all who are still open."""
    ann, ben, cy = ADDRESSES
    others, everybody = {ann: 1, cy: 1}, dict.fromkeys(ADDRESSES, 1)
    expected = {
        "451": ("deferred", {ann: "accepted", ben: "deferred", cy: "accepted"}, others),
        "550": ("partly_sent", {ann: "accepted", ben: "refused", cy: "accepted"}, others),
    }
    broken = ("deferred", dict.fromkeys(ADDRESSES, "deferred"), {})
    for fault in FAULTS:
        with rolled_back(fault):
            server = start(**{f"rcpt:{ben}": [FAULTS[fault]]})
            (number,) = put(ADDRESSES)
            deliver()
            status, outcome, arrived = expected.get(fault, broken)
            assert Message.objects.get().status == status
            assert outcomes(number) == outcome
            assert taken(server, len(arrived)) == arrived
            deliver(later=timedelta(minutes=2))
            assert taken(server, 2 if fault == "550" else 3) == (others if fault == "550" else everybody)
            assert Message.objects.get().status == ("partly_sent" if fault == "550" else "sent")


def test_of_250_550_and_451_only_the_451_is_tried_again(start):
    ann, ben, cy = ADDRESSES
    server = start(**{f"rcpt:{ben}": reply("550 5.1.1 No such user"), f"rcpt:{cy}": [reply("451 4.2.1 Greylisted")]})
    (number,) = put(ADDRESSES)
    deliver()
    assert outcomes(number) == {ann: "accepted", ben: "refused", cy: "deferred"}
    row = Message.objects.get()
    assert (row.status, row.attempts.get().outcome) == ("deferred", "partial")
    before = len(server.lines)
    deliver(later=timedelta(minutes=2))
    asked = [line for line in server.lines[before:] if line.startswith("RCPT")]
    assert len(asked) == 1
    assert cy in asked[0]
    assert outcomes(number) == {ann: "accepted", ben: "refused", cy: "accepted"}
    assert taken(server, 2) == {ann: 1, cy: 1}
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == ("partly_sent", 2), "one recipient never gets it"
