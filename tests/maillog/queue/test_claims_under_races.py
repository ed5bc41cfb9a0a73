"""Several at once: threads with connections of their own, on the engine that the tests run on."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from maillog import labels
from maillog.labels import label_id
from maillog.models import Attempt, Label, Message
from maillog.queue.claiming import claim_by_id, claim_due, recover_expired
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import settle
from tests.maillog.makers import LEASE, new_message, queued, settlement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def at_once(*jobs):
    """Run the jobs in threads that start together, and return their results; the first error is raised."""
    gate = threading.Barrier(len(jobs))

    def run(job):
        try:
            gate.wait(timeout=120)
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_no_mail_is_claimed_by_two_workers():
    ids = enqueue([new_message() for _ in range(200)])

    def work():
        mine = []
        while mails := claim_due(limit=7, lease=LEASE, worker="test"):
            mine += mails
        return mine

    results = at_once(work, work, work, work)
    counts = Counter(mail.id for mails in results for mail in mails)
    assert set(counts) == set(ids)
    assert set(counts.values()) == {1}
    assert set(Message.objects.values_list("attempt_count", flat=True)) == {1}


def test_one_of_two_who_press_retry_now_gets_the_mail():
    for _ in range(10):
        pk = queued()
        claim = lambda pk=pk: claim_by_id([pk], lease=LEASE, worker="test")  # noqa: E731
        assert sorted(len(mails) for mails in at_once(claim, claim)) == [0, 1]


def test_of_two_results_for_one_mail_only_the_holders_is_written():
    for _ in range(5):
        pk = queued()
        (slow,) = claim_by_id([pk], lease=timedelta(0), worker="slow")
        recover_expired()
        (quick,) = claim_due(limit=5, lease=LEASE, worker="quick")
        late, own = at_once(
            lambda slow=slow: settle([settlement(slow, "failed")]), lambda quick=quick: settle([settlement(quick)])
        )
        assert (late, own) == (set(), {pk})
        assert Message.objects.get(pk=pk).status == "sent"
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"sent"}


def test_two_who_use_the_same_key_at_once_store_one_mail():
    for number in range(10):
        message = new_message(idempotency_key=f"order-{number}", fingerprint="f")
        first, second = at_once(lambda m=message: enqueue([m]), lambda m=message: enqueue([m]))
        assert first == second
    assert Message.objects.count() == 10


def test_two_who_make_the_same_name_at_once_share_it():
    for number in range(10):
        labels.clear_cache()
        one, two = at_once(*[lambda n=number: label_id("template", f"t{n}")] * 2)
        assert one == two
    assert Label.objects.filter(kind="template").count() == 10


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer: the second waits")
def test_a_claimer_passes_over_what_another_is_claiming():
    pk, free = queued(), queued()
    with transaction.atomic():
        Message.objects.select_for_update().get(pk=pk)
        (mails,) = at_once(lambda: claim_due(limit=5, lease=LEASE, worker="other"))
        assert [mail.id for mail in mails] == [free]
