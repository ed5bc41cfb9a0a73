"""Who gets which mail."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from maillog.models import Content, Message
from maillog.outcomes import RecipientOutcome
from maillog.queue import claiming
from maillog.queue.claiming import claim_by_id, claim_due, claim_suspect, recover_expired, renew_leases
from maillog.queue.settling import settle
from tests.maillog.makers import LEASE, MIME, attempt, claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def due(limit: int = 100):
    return claim_due(limit=limit, lease=LEASE, worker="test")


def test_a_claimed_mail_brings_what_is_needed_to_send_it():
    pk = queued("ann@example.com", "bob@example.com", connection_hint="Relay B", is_test=True, needs_smtputf8=True)
    (mail,) = due()
    assert mail.id == pk
    assert [one.address for one in mail.recipients] == ["ann@example.com", "bob@example.com"]
    assert (mail.mime, mail.sender, mail.subject, mail.message_id) == (
        MIME,
        "shop@example.com",
        "Your invoice",
        "<1@example.com>",
    )
    assert (mail.attempt_count, mail.connection_hint, mail.is_test, mail.needs_smtputf8) == (1, "Relay B", True, True)


def test_the_attempt_is_counted_and_the_lease_is_written_before_anybody_dials():
    pk = queued()
    before = timezone.now()
    (mail,) = due()
    row = Message.objects.get(pk=pk)
    assert (row.status, row.attempt_count, row.claim) == ("sending", 1, mail.claim)
    assert before + LEASE <= row.next_attempt_at <= timezone.now() + LEASE


def test_a_claimed_mail_is_not_handed_out_again():
    queued()
    assert len(due()) == 1
    assert due() == []


def test_a_mail_whose_time_has_not_come_stays():
    pk = queued(due=timezone.now() + timedelta(hours=1))
    assert due() == []
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert [mail.id for mail in due()] == [pk]


def test_the_longest_due_come_first_and_no_more_than_the_limit():
    now = timezone.now()
    ids = [queued(due=now - timedelta(minutes=minutes)) for minutes in (1, 9, 5)]
    assert [mail.id for mail in due(limit=2)] == [ids[1], ids[2]]
    assert [mail.id for mail in due(limit=2)] == [ids[0]]


@pytest.mark.parametrize("status", ["sent", "failed", "cancelled"])
def test_finished_mails_are_never_claimed(status):
    row = finished(status, settled={"attempt": None})
    assert due() == []
    assert claim_by_id([row.pk], lease=LEASE, worker="test") == []


def test_a_mail_that_may_have_arrived_waits_for_somebody_or_for_its_time():
    row = finished("uncertain", settled={"attempt": None})
    assert due() == []
    assert claim_by_id([row.pk], lease=LEASE, worker="test")
    repeated = finished("uncertain", settled={"next_attempt_at": timezone.now()})
    assert (repeated.possibly_duplicate, repeated.finished_at) == (True, None)
    assert [mail.id for mail in due()] == [repeated.pk]


def test_held_mails_are_claimed_only_on_demand():
    pk = queued(status="held")
    assert due() == []
    assert [mail.id for mail in claim_by_id([pk], lease=LEASE, worker="test")] == [pk]


def test_a_mail_can_be_claimed_on_demand_before_its_time():
    pk = queued(due=timezone.now() + timedelta(hours=1))
    assert [mail.id for mail in claim_by_id([pk, 999_999], lease=LEASE, worker="test")] == [pk]


def test_a_mail_that_somebody_is_sending_is_not_claimed_on_demand():
    pk = queued()
    due()
    assert claim_by_id([pk], lease=LEASE, worker="other") == []


def test_a_mail_whose_worker_died_is_due_again_when_the_lease_is_over():
    pk = queued()
    (first,) = due()
    with time_machine.travel(timezone.now() + LEASE - timedelta(seconds=2)):
        assert recover_expired() == 0
    with time_machine.travel(timezone.now() + LEASE + timedelta(seconds=2)):
        assert recover_expired() == 1
        (second,) = claim_due(limit=5, lease=LEASE, worker="test")
        assert second.worker_deaths == 1
        assert (second.id, second.attempt_count) == (pk, 2)
        assert second.claim != first.claim
        assert settle([settlement(second)]) == {pk}
    row = Message.objects.get(pk=pk)
    assert (row.status, row.worker_deaths, row.possibly_duplicate) == ("sent", 0, True)


def test_a_mail_over_which_two_workers_died_goes_alone_and_those_of_one_death_with_the_others():
    twice, once, again, fresh = queued(), queued(), queued(), queued()
    Message.objects.filter(pk__in=[twice, again]).update(worker_deaths=2)
    Message.objects.filter(pk=once).update(worker_deaths=1)
    assert {mail.id for mail in claim_due(limit=5, lease=LEASE, worker="test")} == {once, fresh}
    assert [mail.id for mail in claim_suspect(lease=LEASE, worker="test")] == [twice]


def test_a_lease_is_renewed_while_its_worker_lives():
    pk = queued()
    (mail,) = due()
    with time_machine.travel(timezone.now() + LEASE - timedelta(seconds=2)):
        assert renew_leases([mail.claim], lease=LEASE) == 1
    with time_machine.travel(timezone.now() + LEASE + timedelta(seconds=2)):
        assert recover_expired() == 0
    assert Message.objects.get(pk=pk).status == "sending"


def test_only_those_who_have_not_got_it_are_handed_out_again():
    queued("ok@example.com", "no@example.com", "later@example.com", "lost@example.com")
    (mail,) = due()
    outcomes = zip(mail.recipients, ["accepted", "refused", "deferred", "uncertain"], strict=True)
    settle(
        [
            settlement(
                mail,
                "deferred",
                recipients=[RecipientOutcome(id=one.id, outcome=outcome) for one, outcome in outcomes],
                attempt=attempt(outcome="partial"),
            )
        ]
    )
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        (again,) = due()
    assert [one.address for one in again.recipients] == ["later@example.com", "lost@example.com"]
    assert again.refusal
    assert not mail.refusal


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_mail_whose_content_is_lost_fails_with_that_reason_and_the_others_go_on(damage):
    lost, fine = queued(), queued()
    rows = Content.objects.filter(message_id=lost)
    rows.delete() if damage == "gone" else rows.update(mime=b"not zlib")
    assert [mail.id for mail in due()] == [fine]
    row = Message.objects.get(pk=lost)
    assert (row.status, row.next_attempt_at, row.claim) == ("failed", None, "")
    assert "content" in row.reason


def test_a_mail_without_open_recipients_is_not_sent_to_nobody():
    accepted, refused = queued(), queued()
    Message.objects.get(pk=accepted).recipients.update(outcome="accepted")
    Message.objects.get(pk=refused).recipients.update(outcome="refused")
    assert due() == []
    assert [Message.objects.get(pk=pk).status for pk in (accepted, refused)] == ["sent", "failed"]


@pytest.mark.django_db(transaction=True)
def test_a_claim_inside_a_transaction_is_refused_because_it_would_not_be_written_before_dialing():
    pk = queued()
    with pytest.raises(RuntimeError), transaction.atomic():
        due()
    assert claimed(pk).attempt_count == 1


def test_claiming_a_full_batch_takes_few_queries(django_assert_max_num_queries):
    for _ in range(30):
        queued()
    # Savepoint and release included, and the sender's name, which is asked for once.
    with django_assert_max_num_queries(10):
        assert len(due()) == 30


def test_a_batch_holds_no_more_octets_than_fit_but_at_least_one_mail(monkeypatch):
    monkeypatch.setattr(claiming, "MAX_BYTES", 2 * len(MIME))
    first, second, third = queued(), queued(), queued()
    assert [mail.id for mail in due()] == [first, second]
    monkeypatch.setattr(claiming, "MAX_BYTES", 1)
    assert [mail.id for mail in due()] == [third]


def test_mails_that_are_asked_for_come_however_large_they_are(monkeypatch):
    monkeypatch.setattr(claiming, "MAX_BYTES", 1)
    ids = [queued(), queued(), queued()]
    assert [mail.id for mail in claim_by_id(ids, lease=LEASE, worker="test")] == ids
