"""The sentence about a mail, for every state."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from maillog.explanations.verdict import SENTENCES, reply_line, verdict
from maillog.models import Message, Status
from maillog.outcomes import RecipientOutcome
from maillog.queue.actions import cancel
from maillog.queue.settling import settle
from tests.cases import case
from tests.maillog.makers import attempt, claimed, finished, queued, recipient, settlement

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def sentence(mail: Message, **fields) -> str:
    return verdict(mail, **fields).sentence


def test_every_state_has_a_sentence():
    assert set(SENTENCES) == set(Status)


def test_accepted_names_the_server_and_quotes_it():
    mail = finished("sent")
    assert sentence(mail) == "Accepted by smtp.example.com:587 (250 2.0.0 queued as 4F1)."
    assert verdict(mail).tone == "good"


def test_accepted_for_several_recipients_says_how_many_and_who_was_left_out():
    mail = finished(
        "sent",
        recipients=[
            recipient("a@example.com"),
            recipient("b@example.com"),
            recipient("c@example.com", skipped="Not on the allow-list."),
        ],
    )
    assert sentence(mail) == "Accepted by smtp.example.com:587 for all 2 recipients (250 2.0.0 queued as 4F1)."
    assert verdict(mail).advice == "1 recipient was left out; see below."


def test_refused_quotes_the_server_and_says_that_it_is_over():
    mail = finished(
        "failed",
        settled={"attempt": attempt(outcome="failed", code=550, enhanced_code="5.1.1", reply="no such user")},
    )
    assert sentence(mail) == (
        "Refused by smtp.example.com:587: the mailbox does not exist (550 5.1.1 no such user). It will not be retried."
    )
    assert verdict(mail).tone == "bad"


def test_a_partly_refused_mail_says_who_many_have_got_it():
    pk = queued("a@example.com", "b@example.com", "c@example.com")
    mail = claimed(pk)
    first, second, third = [one.id for one in mail.recipients]
    settle(
        [
            settlement(
                mail,
                "failed",
                attempt=attempt(outcome="partial"),
                recipients=[
                    RecipientOutcome(id=first, outcome="accepted"),
                    RecipientOutcome(id=second, outcome="accepted"),
                    RecipientOutcome(
                        id=third, outcome="refused", code=550, enhanced_code="5.1.1", reply="no such user"
                    ),
                ],
            )
        ]
    )
    assert sentence(Message.objects.get(pk=pk)) == (
        "Accepted for 2 of 3 recipients. Refused by smtp.example.com:587: "
        "the mailbox does not exist (550 5.1.1 no such user). It will not be retried."
    )


def test_given_up_says_after_how_many_tries():
    pk = queued()
    for status in ("deferred", "failed"):
        record = attempt(outcome="deferred", code=None, enhanced_code="", reply="timed out", host="")
        mail = claimed(pk)
        outcomes = [RecipientOutcome(id=one.id, outcome="deferred") for one in mail.recipients]
        settle([settlement(mail, status, attempt=record, recipients=outcomes)])
    assert sentence(Message.objects.get(pk=pk)) == "Given up after 2 attempts: timed out. It will not be retried."


def test_a_mail_that_failed_without_a_server_says_why():
    mail = finished("failed", settled={"attempt": None, "recipients": [], "reason": "The sender is not valid."})
    assert sentence(mail) == "Not delivered: The sender is not valid. It will not be retried."


def test_put_off_says_when_the_next_try_is_in_the_time_zone_in_force():
    mail = finished(
        "deferred",
        settled={
            "next_attempt_at": NOON + timedelta(minutes=5),
            "attempt": attempt(outcome="deferred", code=451, enhanced_code="4.7.1", reply="greylisted"),
        },
    )
    with timezone.override("Europe/Berlin"):
        assert sentence(mail, now=NOON) == (
            "Deferred by smtp.example.com:587: greylisting, which delays mail from unknown senders "
            "(451 4.7.1 greylisted). Next attempt 13:05."
        )
    mail.next_attempt_at = NOON + timedelta(days=1)
    assert sentence(mail, now=NOON).endswith("Next attempt 21 Nov, 12:00.")
    mail.next_attempt_at = NOON
    assert sentence(mail, now=NOON).endswith("The next attempt is due.")


def test_held_says_what_for_and_that_nothing_is_lost():
    mail = finished("held", settled={"attempt": None, "reason": "the connection is paused"})
    assert sentence(mail) == "Held: the connection is paused."
    assert "Nothing is lost" in verdict(mail).advice


def test_queued_says_now_or_when():
    mail = Message.objects.get(pk=queued(due=NOON))
    assert sentence(mail, now=NOON) == "Queued. The next free worker sends it."
    assert sentence(mail, now=NOON - timedelta(hours=2)) == "Queued, to be sent at 12:00."


def test_sending_notices_a_worker_that_did_not_report_back():
    pk = queued()
    claimed(pk)
    mail = Message.objects.get(pk=pk)
    assert sentence(mail) == "It is being sent now (attempt 1)."
    late = verdict(mail, now=timezone.now() + timedelta(hours=1))
    assert late.sentence == "A worker began to send it and did not report back."
    assert "twice" in late.advice


def test_uncertain_says_that_nobody_knows():
    mail = finished("uncertain")
    assert sentence(mail) == (
        "The whole message was sent to smtp.example.com:587, but the reply was lost: it may or may not have arrived."
    )
    assert verdict(mail).advice == ("It is not sent again automatically. Ask the recipient before you send it again.")


def test_mails_that_were_not_meant_to_leave_say_so():
    for status, words in [
        ("logged", "Recorded and not sent"),
        ("silenced", "Everything was done except the delivery"),
        ("cancelled", "Cancelled before it was sent."),
    ]:
        assert words in sentence(finished(status, settled={"attempt": None})), (status, words)


def test_skipped_gives_the_reason():
    mail = finished("skipped", settled={"attempt": None, "reason": "Mail is switched off"})
    assert sentence(mail) == "Not sent: Mail is switched off."


def test_codes_are_quoted_once_whether_the_reply_repeats_them_or_not():
    for reply in [
        "no such user",
        "5.1.1 no such user",
        "550 5.1.1 no such user",
        "550-5.1.1 no such\r\n user",
        "550 no such user",
    ]:
        assert reply_line(550, "5.1.1", reply) == "550 5.1.1 no such user", reply


def test_an_endless_reply_is_cut_in_the_sentence():
    mail = finished("failed", settled={"attempt": attempt(outcome="failed", code=550, reply="x" * 900)})
    assert len(sentence(mail)) < 350


# ---------------------------------------------------------------- possibly twice


def test_an_uncertain_mail_that_is_repeated_says_when_and_one_that_is_not_says_so():
    repeated = finished("uncertain", settled={"next_attempt_at": timezone.now() + timedelta(minutes=5)})
    assert "It is sent again (" in verdict(repeated).advice
    assert "with the same Message-ID" in verdict(repeated).advice
    due = verdict(repeated, now=timezone.now() + timedelta(minutes=6))
    assert "with the next free worker" in due.advice
    assert "It is not sent again automatically." in verdict(finished("uncertain")).advice


def test_what_was_sent_again_after_a_lost_answer_says_so_in_every_state():
    for status, words in [
        ("queued", "It may arrive twice"),
        ("deferred", "It may arrive twice"),
        ("held", "It may arrive twice"),
        ("sent", "Possibly delivered twice"),
        ("failed", "it may have arrived all the same"),
    ]:
        with case(status, words):
            settled = {"attempt": None} if status in {"held", "queued"} else {}
            mail = finished(status, settled=settled)
            assert words not in verdict(mail).advice
            mail.possibly_duplicate = True
            assert words in verdict(mail).advice


def test_a_cancelled_mail_that_may_have_arrived_is_not_called_unsent():
    mail = finished("uncertain")
    cancel([mail.pk], reason="Cancelled by Ann.")
    mail = Message.objects.get(pk=mail.pk)
    assert sentence(mail) == "Cancelled, but an earlier attempt may have reached the recipient."
    assert verdict(mail).advice == "Cancelled by Ann."


def test_a_cancelled_mail_that_some_recipients_have_says_how_many():
    pk = queued("a@example.com", "b@example.com")
    taken = claimed(pk)
    outcomes = zip(taken.recipients, ("accepted", "deferred"), strict=True)
    settle(
        [settlement(taken, "deferred", recipients=[RecipientOutcome(id=one.id, outcome=it) for one, it in outcomes])]
    )
    cancel([pk])
    assert sentence(Message.objects.get(pk=pk)) == "Accepted for 1 of 2 recipients. Cancelled for the others."
