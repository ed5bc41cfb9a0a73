"""What `settle` writes, and what it leaves alone."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from maillog.models import Attempt, Content, Message
from maillog.outcomes import RecipientOutcome
from maillog.queue.claiming import claim_due, recover_expired
from maillog.queue.settling import release_held, settle
from tests.cases import rolled_back
from tests.maillog.makers import LEASE, attempt, claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_sent_mail_is_finished_with_its_attempt_and_its_recipients():
    pk = queued()
    mail = claimed(pk)
    (one,) = mail.recipients
    reply = "250 2.1.5 ok"
    outcome = RecipientOutcome(id=one.id, outcome="accepted", code=250, enhanced_code="2.1.5", reply=reply)
    assert settle([settlement(mail, recipients=[outcome])]) == {pk}
    row = Message.objects.get(pk=pk)
    assert (row.status, row.claim, row.next_attempt_at, row.attempt_count) == ("sent", "", None, 1)
    assert row.finished_at is not None
    assert (row.driver.text, row.connection.text) == ("smtp", "Relay A")
    recipient = row.recipients.get()
    assert (recipient.outcome, recipient.code, recipient.enhanced_code, recipient.reply) == (
        "accepted",
        250,
        "2.1.5",
        reply,
    )
    record = row.attempts.get()
    assert (record.number, record.reply, record.host) == (1, "250 2.0.0 queued as 4F1", "smtp.example.com:587")


def test_a_deferred_mail_waits_with_reason_and_time():
    later = timezone.now() + timedelta(minutes=7)
    row = finished("deferred", settled={"next_attempt_at": later, "reason": "451 greylisted"})
    assert (row.status, row.next_attempt_at, row.reason, row.finished_at) == ("deferred", later, "451 greylisted", None)


def test_a_late_result_changes_nothing_when_somebody_else_has_taken_over():
    pk = queued()
    slow = claimed(pk)
    with time_machine.travel(timezone.now() + LEASE + timedelta(seconds=1)):
        recover_expired()
        (quick,) = claim_due(limit=5, lease=LEASE, worker="other")
        assert settle([settlement(slow, "failed", reason="550 no")]) == set()
        assert not Attempt.objects.exists()
        assert Message.objects.get(pk=pk).claim == quick.claim
        assert Message.objects.get(pk=pk).recipients.get().outcome == "open"
        assert settle([settlement(quick)]) == {pk}
    assert settle([settlement(slow, "failed")]) == set()
    assert Message.objects.get(pk=pk).status == "sent"
    assert Attempt.objects.get().number == 2


def test_a_late_result_still_counts_when_nobody_has_taken_over():
    mail = claimed(queued())
    with time_machine.travel(timezone.now() + LEASE * 3):
        assert settle([settlement(mail)]) == {mail.id}


def test_two_results_of_one_message_in_one_batch_are_told_apart_by_their_claims():
    pk = queued()
    slow = claimed(pk)
    Message.objects.update(next_attempt_at=timezone.now())
    recover_expired()
    (quick,) = claim_due(limit=5, lease=LEASE, worker="other")
    for order in ([slow, quick], [quick, slow]):
        with rolled_back():
            said = [settlement(one, "sent" if one is quick else "failed") for one in order]
            assert settle(said) == {pk}
            assert Message.objects.get(pk=pk).status == "sent"


def test_one_lost_claim_does_not_hinder_the_rest_of_the_batch():
    mails = [claimed(queued()) for _ in range(3)]
    Message.objects.filter(pk=mails[1].id).update(claim="somebody else's")
    assert settle([settlement(mail) for mail in mails]) == {mails[0].id, mails[2].id}
    assert Attempt.objects.count() == 2


def test_a_mail_held_before_dialing_gets_its_try_back_and_no_attempt():
    pk = queued()
    settle([settlement(claimed(pk), "held", attempt=None, driver="", connection="", reason="No connection.")])
    row = Message.objects.get(pk=pk)
    assert (row.status, row.attempt_count, row.next_attempt_at, row.driver, row.reason) == (
        "held",
        0,
        None,
        None,
        "No connection.",
    )
    assert not Attempt.objects.exists()


def test_released_mails_are_due_at_once():
    settle([settlement(claimed(queued()), "held", attempt=None)])
    failed = finished("failed")
    assert release_held() == 1
    assert release_held() == 0
    (mail,) = claim_due(limit=5, lease=LEASE, worker="test")
    assert mail.attempt_count == 1
    assert mail.id != failed.pk


def test_the_content_of_a_sensitive_mail_goes_with_its_final_state():
    for status in ["sent", "failed", "uncertain", "logged", "silenced", "skipped", "cancelled"]:
        with rolled_back(status):
            finished(status, is_sensitive=True, settled={"attempt": None})
            finished(status, settled={"attempt": None})
            assert Content.objects.count() == 1


def test_the_content_of_a_sensitive_mail_stays_while_it_waits():
    for status in ["deferred", "held", "queued"]:
        with rolled_back(status):
            finished(status, is_sensitive=True, settled={"attempt": None})
            assert Content.objects.count() == 1


def test_states_that_cannot_follow_are_refused_and_nothing_is_written():
    for status in ["sending", "somewhere", "deferred"]:
        with rolled_back(status):
            one, two = claimed(queued()), claimed(queued())
            with pytest.raises(ValueError, match=r"settled as|needs a time"):
                settle([settlement(one), settlement(two, status, next_attempt_at=None)])
            assert set(Message.objects.values_list("status", flat=True)) == {"sending"}


def test_a_strange_or_endless_reply_is_kept_as_far_as_it_fits():
    reply = "550 \0\udc80" + "x" * 5000
    row = finished("failed", settled={"reason": reply, "attempt": attempt(reply=reply, outcome="failed", tls="t" * 99)})
    assert row.reason.startswith("550 ")
    assert len(row.reason) == 500
    assert len(row.attempts.get().reply) == 1000
    assert "\0" not in row.attempts.get().reply


def test_recipients_of_another_mail_cannot_be_changed():
    mine, other = claimed(queued()), queued()
    foreign = Message.objects.get(pk=other).recipients.get()
    settle([settlement(mine, recipients=[RecipientOutcome(id=foreign.pk, outcome="refused")])])
    foreign.refresh_from_db()
    assert foreign.outcome == "open"


def test_attempts_are_numbered_as_they_were_counted():
    pk = queued()
    for minutes in (0, 10, 20):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            settle([settlement(claimed(pk), "deferred")])
    assert list(Attempt.objects.order_by("id").values_list("number", flat=True)) == [1, 2, 3]


def test_a_batch_is_settled_with_a_handful_of_statements(django_assert_max_num_queries):
    mails = [claimed(queued()) for _ in range(40)]
    with django_assert_max_num_queries(16):
        settle([settlement(mail, reason=f"reply {mail.id}") for mail in mails])


def test_nothing_to_settle_is_nothing_to_do(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert settle([]) == set()
