"""The verdict on an address: one or two sentences, what follows from them, and the steps."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from maillog import suppressions
from maillog.models import Message
from maillog.outcomes import RecipientOutcome
from maillog.queue.settling import settle
from maillog.recipients import history as people
from maillog.recipients.recipient_steps import looks_unreachable, recipient_steps
from maillog.recipients.recipient_verdict import RecipientCase, recipient_verdict
from tests.cases import rolled_back
from tests.maillog.makers import attempt, claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db
ANN = "ann@example.com"
UNKNOWN: dict[str, Any] = {"code": 550, "enhanced_code": "5.1.1", "reply": "550 5.1.1 no such user"}


def case(address=ANN):
    history = people.history(address)
    soonest = people.next_due(history.waiting) if history.waiting else None
    return RecipientCase(
        history=history,
        newest=people.delivery(history.streak[0]) if history.streak else None,
        next_waiting=people.delivery(soonest) if soonest else None,
        suppression=suppressions.in_force(address),
        now=timezone.now(),
    )


def said(address=ANN):
    return recipient_verdict(case(address))


def refused(*addresses, **answer):
    answer = {**UNKNOWN, **answer}
    pk = queued(*(addresses or (ANN,)))
    mail = claimed(pk)
    rows = [RecipientOutcome(id=one.id, outcome="refused", **answer) for one in mail.recipients]
    ended = attempt(outcome="failed", phase="rcpt", host="mx.example.com", **answer)
    settle([settlement(mail, "failed", recipients=rows, attempt=ended, reason=answer["reply"])])
    return pk


# ---------------------------------------------------------------- sentences


def test_no_mail_at_all():
    verdict = said()
    assert (verdict.sentence, verdict.tone) == ("No message in the log is addressed to it.", "muted")
    assert len(recipient_steps(case())) == 2


def test_everything_got_through():
    with time_machine.travel(timezone.now() - timedelta(minutes=4), tick=False):
        for _ in range(12):
            finished("sent", settled={"attempt": attempt(host="mx.example.com", reply="250 2.0.0 ok")})
    verdict = said()
    ago = "4\N{NO-BREAK SPACE}minutes ago"
    assert verdict.sentence == (
        f"Everything got through: 12 messages accepted, the newest {ago} by mx.example.com (250 2.0.0 ok)."
    )
    assert (verdict.tone, verdict.advice) == ("good", "")
    assert "spam folder" in recipient_steps(case())[0]


def test_one_mail_got_through():
    finished("sent", settled={"attempt": attempt(host="mx.example.com", reply="250 2.0.0 ok")})
    assert said().sentence.startswith("Everything got through: 1 message accepted ")


def test_the_last_mails_were_refused_and_what_that_means():
    finished("sent")
    for _ in range(3):
        refused()
    verdict = said()
    assert verdict.sentence == (
        "The last 3 messages were refused by mx.example.com: the mailbox does not exist (550 5.1.1 no such user)."
    )
    assert (verdict.tone, verdict.advice) == ("bad", "Before that, 1 message was accepted.")


def test_an_answer_that_nobody_can_read_is_given_as_it_is():
    refused(code=599, enhanced_code="", reply="599 %s {odd} <b>")
    assert said().sentence == "The last message was refused by mx.example.com (599 %s {odd} <b>)."


def test_the_newest_got_through_after_some_did_not():
    refused()
    finished("sent", settled={"attempt": attempt(host="mx.example.com")})
    verdict = said()
    assert verdict.sentence.startswith("The newest message got through: accepted ")
    assert verdict.advice == "Of the earlier ones, 1 did not get through."


def test_mails_wait_and_until_when():
    queued()
    now = timezone.now()
    settle([settlement(claimed(queued()), "deferred", reason="451 4.7.1 later", next_attempt_at=now)])
    Message.objects.filter(status="queued").update(next_attempt_at=now + timedelta(hours=30))
    Message.objects.filter(status="deferred").update(next_attempt_at=now + timedelta(minutes=1))
    verdict = said()
    assert verdict.sentence.startswith("2 messages are waiting: 451 4.7.1 later. The next attempt is at ")
    assert verdict.tone == "warn"
    assert recipient_steps(case()) == ["Nothing needs to be done: it is retried automatically."]


def test_a_held_mail_says_what_it_waits_for():
    settle([settlement(claimed(queued()), "held", attempt=None, reason="The sign-in is refused.")])
    assert said().sentence == "1 message is waiting: The sign-in is refused."
    assert "the queue names the connection" in recipient_steps(case())[0]


def test_what_waits_is_said_before_what_has_ended():
    refused()
    queued()
    assert said().sentence.startswith("1 message is waiting. The last message was refused by")
    assert said().tone == "bad"


def test_suppressed_is_said_first_and_but_once():
    refused()
    suppressions.suppress(ANN, by=None, by_name="Eve", reason="moved away")
    assert said().sentence.startswith("This address has been suppressed since ")
    assert " by Eve: moved away. It gets no email. The last message was refused" in said().sentence
    queued()
    assert said().sentence.endswith("It gets no email.")
    assert said().tone == "warn"
    assert "want email again" in recipient_steps(case())[0]


def test_left_out_by_a_suppression_that_is_lifted():
    row, _ = suppressions.suppress(ANN, by=None, by_name="Eve")
    queued()
    suppressions.lift(row.pk, by_name="Eve")
    assert said().sentence.startswith("The last message was not sent to it: Suppressed since ")
    assert recipient_steps(case()) == ["If the person should get it, resend the message from its page."]


def test_other_ends():
    for status, begins, tone in [
        ("uncertain", "The newest message was sent to smtp.example.com:587, but its final reply was lost", "warn"),
        ("cancelled", "The last message was cancelled", "muted"),
        ("logged", "The last message was recorded but not delivered", "info"),
        ("failed", "The last message failed: 451 busy.", "bad"),
    ]:
        with rolled_back(status):
            mail = claimed(queued())
            outcome = {"logged": "skipped", "failed": "deferred", "uncertain": "uncertain"}.get(status, "open")
            reply = "451 busy" if status == "failed" else ""
            rows = [RecipientOutcome(id=mail.recipients[0].id, outcome=outcome, reply=reply)]
            tried = attempt(outcome=status, phase="connect", code=None, enhanced_code="")
            ended = None if status == "cancelled" else tried
            settle([settlement(mail, status, recipients=rows, attempt=ended)])
            verdict = said()
            assert verdict.sentence.startswith(begins)
            assert verdict.tone == tone
            assert recipient_steps(case())


def test_each_recipient_has_a_verdict_of_its_own():
    pk = queued(ANN, "ben@example.com")
    mail = claimed(pk)
    ann, ben = mail.recipients
    rows = [RecipientOutcome(id=ann.id, outcome="accepted"), RecipientOutcome(id=ben.id, outcome="refused", **UNKNOWN)]
    settle([settlement(mail, "failed", recipients=rows, attempt=attempt(outcome="partial"))])
    assert said().tone == "good"
    assert said("ben@example.com").tone == "bad"


def test_more_than_is_looked_at_is_said(monkeypatch):
    monkeypatch.setattr(people, "MOST_EXAMINED", 2)
    for _ in range(3):
        finished("sent")
    assert "2+ messages accepted" in said().sentence


# ---------------------------------------------------------------- suppressing is advised, never done


def test_refused_twice_because_it_takes_no_mail_at_all():
    for enhanced in ["5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"]:
        with rolled_back(enhanced):
            refused(enhanced_code=enhanced)
            assert not looks_unreachable(case())
            refused(enhanced_code=enhanced)
            assert looks_unreachable(case())
            assert "suppress it" in recipient_steps(case())[-1]
            assert suppressions.in_force(ANN) is None


def test_words_tell_it_where_the_codes_do_not():
    for _ in range(2):
        refused(enhanced_code="", reply="550 User unknown")
    assert looks_unreachable(case())
    assert "mx.example.com: the mailbox does not exist (550 User unknown)" in said().sentence


def test_one_of_two_refusals_is_not_enough():
    refused()
    refused(enhanced_code="5.7.1", reply="550 5.7.1 blocked using zen.spamhaus.org")
    refused()
    assert not looks_unreachable(case())


def test_a_full_mailbox_or_a_later_acceptance_is_no_reason():
    for _ in range(3):
        refused(enhanced_code="5.2.2")
    assert not looks_unreachable(case())
    refused()
    refused()
    finished("sent")
    assert not looks_unreachable(case())
