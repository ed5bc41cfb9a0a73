"""Cancel and retry: which states they touch, what they leave behind, whole selections, and races with workers."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from maillog.models import Content, Message, Recipient, Status
from maillog.models.rollup import RollupDelta
from maillog.outcomes import RecipientOutcome
from maillog.queue.actions import (
    CANCELLABLE,
    RETRIED_BY_DEFAULT,
    RetryResult,
    Selection,
    cancel,
    cancel_all,
    retry_all,
    retry_now,
)
from maillog.queue.claiming import claim_by_id, claim_due, recover_expired
from maillog.queue.settling import release_held, settle
from maillog.retriable import WAITING
from tests.cases import rolled_back
from tests.maillog.makers import LEASE, claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

UNTOUCHABLE = [Status.SENDING, Status.SENT, Status.LOGGED, Status.SILENCED, Status.SKIPPED, Status.CANCELLED]


def mail(status, **fields):
    """Store a mail in any state, by the ways in which it gets there."""
    if status == Status.QUEUED:
        return queued(due=timezone.now() + timedelta(hours=1), **fields)
    pk = queued(**fields)
    if status == Status.CANCELLED:
        cancel([pk])
    elif status == Status.SENDING:
        claimed(pk)
    elif status in {Status.HELD, Status.SKIPPED, Status.LOGGED, Status.SILENCED}:
        settle([settlement(claimed(pk), status, attempt=None, reason="x")])
    else:
        settle([settlement(claimed(pk), status, reason="x")])
    assert Message.objects.get(pk=pk).status == status
    return pk


def row(pk):
    return Message.objects.get(pk=pk)


# ---------------------------------------------------------------- one mail, every state


def test_a_waiting_mail_can_be_cancelled():
    for status in CANCELLABLE:
        with rolled_back(status):
            pk = mail(status)
            assert cancel([pk], reason="Cancelled by Ann.") == 1
            after = row(pk)
            assert (after.status, after.reason, after.next_attempt_at) == ("cancelled", "Cancelled by Ann.", None)
            assert bool(after.claim) == (status == Status.SENDING), "what its worker reports still counts"
            assert after.finished_at
            assert claim_by_id([pk], lease=LEASE, worker="test") == []


def test_what_has_ended_cannot_be_cancelled():
    for status in [*sorted(set(UNTOUCHABLE) - {Status.SENDING}), Status.FAILED]:
        with rolled_back(status):
            pk = mail(status)
            before = Message.objects.values().get(pk=pk)
            assert cancel([pk]) == 0
            assert Message.objects.values().get(pk=pk) == before


def test_a_waiting_mail_is_due_at_once_when_it_is_retried():
    for status in WAITING:
        with rolled_back(status):
            pk = mail(status)
            Message.objects.update(worker_deaths=2)
            assert retry_now([pk]) == RetryResult(due=1)
            after = row(pk)
            assert (after.status, after.reason, after.worker_deaths, after.finished_at) == ("queued", "", 0, None)
            assert after.possibly_duplicate == (status == Status.UNCERTAIN)
            assert [one.id for one in claim_due(limit=5, lease=LEASE, worker="test")] == [pk]


def test_what_is_being_sent_or_has_ended_well_cannot_be_retried():
    for status in UNTOUCHABLE:
        with rolled_back(status):
            pk = mail(status)
            before = Message.objects.values().get(pk=pk)
            assert retry_now([pk]) == RetryResult()
            assert Message.objects.values().get(pk=pk) == before


def test_a_retried_mail_that_was_due_keeps_its_place():
    pk = queued(due=timezone.now() - timedelta(minutes=5))
    before = row(pk).next_attempt_at
    retry_now([pk])
    assert row(pk).next_attempt_at == before


def test_a_failed_mail_goes_only_to_the_recipients_who_are_still_open():
    pk = queued("refused@example.com", "late@example.com", "done@example.com")
    taken = claimed(pk)
    said = dict(zip(("refused", "deferred", "accepted"), taken.recipients, strict=True))
    outcomes = [RecipientOutcome(id=one.id, outcome=outcome) for outcome, one in said.items()]
    settle([settlement(taken, "failed", recipients=outcomes)])
    assert retry_now([pk]) == RetryResult(due=1)
    (again,) = claim_due(limit=5, lease=LEASE, worker="test")
    assert [one.address for one in again.recipients] == ["late@example.com"]
    assert again.refusal


def test_a_failed_mail_whose_recipients_all_answered_is_left_and_counted():
    pk = finished("failed").pk
    assert retry_now([pk]) == RetryResult(no_recipients_left=1)
    assert row(pk).status == Status.FAILED


def test_a_failed_mail_whose_content_is_gone_is_left_and_counted():
    pk = finished("failed", is_sensitive=True).pk
    Recipient.objects.update(outcome=Recipient.Outcome.DEFERRED)
    assert not Content.objects.exists()
    assert retry_now([pk]) == RetryResult(content_missing=1)
    assert row(pk).status == Status.FAILED


def test_a_parked_mail_gets_another_chance():
    pk = queued()
    settle([settlement(claimed(pk), "failed", attempt=None, recipients=[], reason="Parked")])
    Message.objects.update(worker_deaths=3)
    assert retry_now([pk]) == RetryResult(due=1)
    assert row(pk).worker_deaths == 0


def test_cancelling_drops_what_a_sensitive_mail_said_and_keeps_the_others():
    secret, plain = queued(is_sensitive=True), queued()
    sending = queued(is_sensitive=True)
    claimed(sending)
    assert cancel([secret, plain, sending]) == 3
    assert set(Content.objects.values_list("message_id", flat=True)) == {plain}


def test_numbers_that_no_mail_has_touch_nothing():
    assert cancel([1, 2, 10**15]) == 0
    assert retry_now([1, 2, 10**15]) == RetryResult()
    assert cancel([]) == 0


def test_a_slow_workers_result_undoes_a_cancellation_only_if_the_message_has_been_sent():
    for result, status, attempts in [
        ("sent", Status.SENT, 1),
        ("uncertain", Status.UNCERTAIN, 1),
        ("failed", Status.CANCELLED, 1),
        ("deferred", Status.CANCELLED, 1),
        ("held", Status.CANCELLED, 0),
    ]:
        pk = queued()
        (slow,) = claim_by_id([pk], lease=timedelta(0), worker="slow")
        recover_expired()
        assert cancel([pk], reason="by Ann") == 1
        said = settlement(slow, result, **({} if attempts else {"attempt": None}))
        assert settle([said]) == {pk}
        assert (row(pk).status, row(pk).attempts.count(), row(pk).attempt_count) == (status, attempts, attempts)
        assert (row(pk).reason == "by Ann") == (status == Status.CANCELLED)
        assert row(pk).next_attempt_at is None
        assert settle([said]) == set(), "once is enough"
    counts = Counter[str]()
    for kind, count in RollupDelta.objects.values_list("status", "count"):
        counts[kind] += count
    assert +counts == {"sent": 1, "uncertain": 1, "cancelled": 3}


# ---------------------------------------------------------------- many


def test_all_that_wait_are_cancelled_and_nothing_else():
    ids = {status: mail(status) for status in Status}
    assert cancel_all(Selection(statuses=CANCELLABLE), reason="x") == 5
    for status, pk in ids.items():
        assert row(pk).status == (Status.CANCELLED if status in CANCELLABLE else status)


def test_all_that_wait_are_retried_without_what_is_scheduled_or_uncertain():
    ids = {status: mail(status) for status in Status}
    assert retry_all(Selection(statuses=RETRIED_BY_DEFAULT)) == RetryResult(due=2)
    for status, pk in ids.items():
        assert row(pk).status == (Status.QUEUED if status in RETRIED_BY_DEFAULT else status)
    assert row(ids[Status.QUEUED]).next_attempt_at > timezone.now()


def test_a_selection_takes_one_connection_and_ends_at_the_newest_mail_that_was_shown():
    def held(name):
        pk = queued()
        settle([settlement(claimed(pk), "held", attempt=None, connection=name)])
        return pk

    first, _other, second, later = held("Relay A"), held("Relay B"), held("Relay A"), held("Relay A")
    selection = Selection(statuses=(Status.HELD,), connection="Relay A", up_to=second)
    assert selection.count() == 2
    assert retry_all(selection) == RetryResult(due=2)
    assert set(Message.objects.filter(status="queued").values_list("id", flat=True)) == {first, second}
    assert row(later).status == Status.HELD
    assert Selection(statuses=(Status.HELD,), connection="Relay X").count() == 0


def test_more_than_one_batch_is_done_and_a_limit_ends_it_after_a_batch():
    sender = row(finished("sent").pk).sender_id
    Message.objects.bulk_create(
        Message(
            status=Status.HELD,
            subject=str(n),
            to_text="a@example.com",
            sender_id=sender,
            created_at=timezone.now(),
            mode="background",
            message_id=f"<{n}@x>",
        )
        for n in range(1200)
    )
    selection = Selection(statuses=(Status.HELD,))
    assert retry_all(selection, limit=600) == RetryResult(due=1000)
    assert selection.count() == 200
    assert cancel_all(selection) == 200
    assert cancel_all(Selection(statuses=(Status.QUEUED,)), limit=1) == 500


# ---------------------------------------------------------------- races


def at_once(*jobs):
    gate = threading.Barrier(len(jobs))

    def run(job):
        try:
            gate.wait(timeout=120)
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@pytest.mark.django_db(transaction=True)
def test_what_somebody_cancels_is_cancelled_although_a_worker_claims_it():
    for _ in range(5):
        ids = [queued() for _ in range(30)]
        _claims, cancelled = at_once(
            lambda: [one.id for _ in range(6) for one in claim_due(limit=5, lease=LEASE, worker="test")],
            lambda ids=ids: sum(cancel(ids[n : n + 5]) for n in range(0, 30, 5)),
        )
        assert cancelled == 30
        assert set(Message.objects.filter(id__in=ids).values_list("status", flat=True)) == {Status.CANCELLED}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_cancel_and_retry_the_same_mail_the_last_one_counts_and_no_result_is_lost():
    for _ in range(10):
        pk = queued()
        (held,) = claim_by_id([pk], lease=LEASE, worker="test")
        settle([settlement(held, "held", attempt=None)])
        cancelled, retried = at_once(lambda pk=pk: cancel([pk]), lambda pk=pk: retry_now([pk]).due)
        assert cancelled == 1
        assert retried in {0, 1}
        assert row(pk).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_releasing_what_is_held_and_cancelling_it_at_once_loses_no_mail():
    for _ in range(5):
        ids = [mail(Status.HELD) for _ in range(40)]
        cancelled, _ = at_once(lambda ids=ids: cancel(ids), release_held)
        assert cancelled == 40
        assert Message.objects.filter(id__in=ids, status=Status.CANCELLED).count() == 40


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_is_retried_by_two_is_sent_once():
    for _ in range(5):
        pk = mail(Status.DEFERRED)
        at_once(lambda pk=pk: retry_now([pk]), lambda pk=pk: retry_now([pk]))
        first, second = at_once(*[lambda: claim_due(limit=5, lease=LEASE, worker="test")] * 2)
        assert len(first) + len(second) == 1
