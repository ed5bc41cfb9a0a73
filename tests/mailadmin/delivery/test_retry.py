"""What follows from the result of an attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mailadmin.delivery import retry
from mailadmin.drivers.base import RecipientResult, Result
from maillog.models import Status
from maillog.outcomes import AttemptRecord
from maillog.queue.claimed_messages import ClaimedMessage, OpenRecipient
from maillog.text import server_reply_line
from tests.cases import case

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def claimed(*addresses, **changes):
    values = {
        "id": 7,
        "claim": "token",
        "sender": "shop@example.org",
        "recipients": tuple(OpenRecipient(id=place, address=one) for place, one in enumerate(addresses, 1)),
        "mime": b"",
        "subject": "Hi",
        "template": "",
        "message_id": "<a@example.org>",
        "attempt_count": 1,
        "worker_deaths": 0,
        "actor_id": None,
        "connection_hint": "",
        "needs_smtputf8": False,
        "is_test": False,
        "is_sensitive": False,
        "mode": "background",
    }
    return ClaimedMessage(**{**values, **changes})


def result(outcome, **recipients):
    said = {
        f"{name}@example.com": RecipientResult(outcome=one, code=code, reply=reply)
        for name, (one, code, reply) in recipients.items()
    }
    return Result(outcome=outcome, recipients=said, started_at=NOW, duration_ms=5, code=451, reply="try later")


RECORD = AttemptRecord(started_at=NOW, duration_ms=5, outcome="sent", driver="smtp", connection="relay", worker="w")


def settle(mail, outcome, **options):
    return retry.settlement(mail, outcome, record=RECORD, now=NOW, **options)


def test_an_accepted_mail_is_sent_and_has_no_reason():
    settled = settle(claimed("ann@example.com"), result("sent", ann=("accepted", 250, "ok")))
    assert (settled.status, settled.reason, settled.next_attempt_at) == (Status.SENT, "", None)
    assert [one.outcome for one in settled.recipients] == ["accepted"]


def test_a_temporary_refusal_waits_for_the_next_try():
    settled = settle(claimed("ann@example.com"), result("deferred", ann=("deferred", 451, "greylisted")))
    assert settled.status == Status.DEFERRED
    assert settled.reason == "451 greylisted"
    assert timedelta(seconds=48) <= settled.next_attempt_at - NOW <= timedelta(seconds=72)


def test_the_last_temporary_refusal_fails():
    mail = claimed("ann@example.com", attempt_count=len(retry.SCHEDULE) + 1)
    assert settle(mail, result("deferred", ann=("deferred", 451, "later"))).status == Status.FAILED


def test_a_test_mail_is_tried_once():
    mail = claimed("ann@example.com", is_test=True)
    settled = settle(mail, result("deferred", ann=("deferred", 451, "later")))
    assert (settled.status, settled.next_attempt_at) == (Status.FAILED, None)


def test_a_partly_deferred_mail_goes_on_to_the_rest():
    mail = claimed("ann@example.com", "bob@example.com", "cat@example.com")
    said = {"ann": ("accepted", 250, "ok"), "bob": ("refused", 550, "unknown"), "cat": ("deferred", 451, "later")}
    settled = settle(mail, result("partial", **said))
    assert settled.status == Status.DEFERRED
    assert settled.next_attempt_at is not None
    assert settled.reason == "451 later", "what it waits for"


def test_a_message_that_some_got_and_some_did_not_ends_as_partly_sent():
    mail = claimed("ann@example.com", "bob@example.com")
    said = {"ann": ("accepted", 250, "ok"), "bob": ("refused", 550, "unknown")}
    settled = settle(mail, result("partial", **said))
    assert (settled.status, settled.reason) == (Status.PARTLY_SENT, "550 unknown")
    assert settled.is_final


def test_what_earlier_attempts_reached_counts_at_the_end():
    refused: dict[str, Any] = {"refusal": "550 unknown"}
    accepted: dict[str, Any] = {"was_accepted": True}
    last = {"attempt_count": len(retry.SCHEDULE) + 1}
    sent = result("sent", cat=("accepted", 250, "ok"))
    failed = result("failed", cat=("refused", 554, "no"))
    later = result("deferred", cat=("deferred", 451, "later"))
    logged = result("logged", cat=("skipped", None, "not sent"))
    for earlier, outcome, status, reason in [
        (refused, sent, Status.PARTLY_SENT, "550 unknown"),
        (accepted, sent, Status.SENT, ""),
        (accepted, failed, Status.PARTLY_SENT, "554 no"),
        (refused, failed, Status.FAILED, "554 no"),
        (accepted | last, later, Status.PARTLY_SENT, "451 later"),
        (accepted | refused | last, later, Status.PARTLY_SENT, "550 unknown"),
        (accepted | refused, later, Status.DEFERRED, "451 later"),
        (accepted, logged, Status.PARTLY_SENT, "451 try later"),
    ]:
        with case(earlier, outcome.outcome):
            settled = settle(claimed("cat@example.com", **earlier), outcome)
            assert (settled.status, settled.reason) == (status, reason)


def test_a_mail_that_may_have_arrived_is_repeated():
    settled = settle(claimed("ann@example.com"), result("uncertain", ann=("uncertain", None, "the answer was lost")))
    assert settled.status == Status.UNCERTAIN
    assert settled.next_attempt_at is not None
    assert not settled.is_final


def test_a_mail_of_a_template_that_must_not_be_repeated_waits_for_somebody():
    mail = claimed("ann@example.com", template="billing/payment")
    uncertain = result("uncertain", ann=("uncertain", None, "the answer was lost"))
    settled = settle(mail, uncertain, ask_before_resend={"billing/payment"})
    assert (settled.status, settled.next_attempt_at) == (Status.UNCERTAIN, None)
    assert settled.is_final


def test_intervals_follow_the_schedule_within_the_jitter():
    for attempt_count in range(1, len(retry.SCHEDULE) + 1):
        with case(attempt_count):
            waits = [retry.next_attempt(attempt_count, now=NOW) - NOW for _ in range(50)]
            interval = retry.SCHEDULE[attempt_count - 1]
            assert all(interval * 0.8 <= wait <= interval * 1.2 for wait in waits)
            assert len(set(waits)) > 1


def test_the_reason_repeats_no_code():
    for code, enhanced, reply, line in [
        (550, "5.1.1", "no such user", "550 5.1.1 no such user"),
        (550, "5.1.1", "5.1.1 no such user", "550 5.1.1 no such user"),
        (550, "5.1.1", "550 5.1.1 no such user", "550 5.1.1 no such user"),
        (None, "", "connection lost\r\n", "connection lost"),
    ]:
        assert server_reply_line(code, enhanced, reply) == line, (code, enhanced, reply, line)
