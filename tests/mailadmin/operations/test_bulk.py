"""Bulk actions: done batch by batch, each mail once, by one worker at a time, as long as they are allowed."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError
from django.http import QueryDict
from django.utils import timezone

from mailadmin.models import BulkAction
from mailadmin.operations import bulk
from mailadmin.outbox import resending
from maillog.models import AuditEvent, Content, Message
from maillog.retention import deletion
from maillog.search import counts
from maillog.search.filters import MessageFilter
from tests.cases import rolled_back
from tests.factories import make_user
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    monkeypatch.setattr(bulk, "BATCH", 2)


def ordered(action, actor, **fields):
    return bulk.create(action, **{"actor": actor, "total": 5, "up_to": counts.newest_id(), **fields})


def repeated():
    """Return the numbers of the mails that were sent again, in order, each as often as it was."""
    return list(Message.objects.exclude(resent_from=None).order_by("resent_from").values_list("resent_from", flat=True))


def test_all_that_match_are_deleted_and_what_came_later_stays(admin):
    gone = [finished("failed").pk for _ in range(5)]
    kept = finished().pk
    order = ordered("delete", admin, query="status=failed")
    later = finished("failed").pk
    assert bulk.run() == 5
    order.refresh_from_db()
    assert (order.state, order.done, order.failed) == ("done", 5, 0)
    assert set(Message.objects.values_list("pk", flat=True)) == {kept, later}
    assert list(AuditEvent.objects.order_by("mail_number").values_list("mail_number", flat=True)) == gone
    assert not bulk.has_work()


def test_ticked_mails_are_sent_again_each_once(admin):
    numbers = [finished().pk for _ in range(3)]
    other = finished().pk
    Content.objects.filter(pk=numbers[1]).delete()
    order = ordered("resend", admin, ids=numbers)
    bulk.run()
    order.refresh_from_db()
    assert (order.done, order.failed, order.reasons) == (2, 1, {resending.CONTENT_GONE: 1})
    assert repeated() == [numbers[0], numbers[2]]
    assert not Message.objects.filter(resent_from=other).exists()


def test_waiting_mails_are_cancelled_and_failed_ones_made_due(admin):
    waiting = [queued() for _ in range(3)]
    ordered("cancel", admin, query="status=queued")
    bulk.run()
    assert set(Message.objects.filter(pk__in=waiting).values_list("status", flat=True)) == {"cancelled"}
    assert AuditEvent.objects.filter(action="cancelled", actor=admin).count() == Message.objects.count()
    again = finished("failed", settled={"recipients": []})
    ordered("retry", admin, query="status=failed")
    bulk.run()
    assert Message.objects.get(pk=again.pk).status == "queued"


def asked(words):
    return urlencode({"q": words})


def test_an_order_for_what_a_search_finds_touches_exactly_that(admin):
    for words in ["error:greylisted", '"your invoice" status:failed -ben@', "to:ann@ after:2h", "-zeppelin is:test"]:
        with rolled_back(words):
            wanted = [finished("failed", is_test=True, settled={"reason": "451 greylisted"}).pk for _ in range(5)]
            kept = {finished("failed", "ben@example.org", subject="Zeppelin").pk}
            assert bulk.targets("delete", query=asked(words), up_to=counts.newest_id()).count() == 5
            order = ordered("delete", admin, query=asked(words))
            kept.add(finished("failed", is_test=True, settled={"reason": "451 greylisted"}).pk)
            assert bulk.run() == 5
            order.refresh_from_db()
            assert (order.state, order.done, order.failed) == ("done", 5, 0)
            assert set(Message.objects.values_list("pk", flat=True)) == kept
            assert list(AuditEvent.objects.order_by("mail_number").values_list("mail_number", flat=True)) == wanted


def test_what_orders_change_is_found_as_it_is_then(admin):
    failed = [finished("failed", settled={"reason": "550 unknown", "recipients": []}).pk for _ in range(3)]
    everything = asked("error:unknown")

    def found(words):
        return [mail.pk for mail in MessageFilter(QueryDict(asked(words))).result.oldest(20)]

    assert found("error:unknown") == failed
    ordered("resend", admin, query=everything)
    bulk.run()
    assert repeated() == failed
    again = list(Message.objects.exclude(resent_from=None).order_by("pk").values_list("pk", flat=True))
    assert found("invoice actor:admin") == again
    ordered("retry", admin, query=everything)
    bulk.run()
    assert found("error:unknown") == []
    assert found("invoice status:queued") == failed + again
    ordered("cancel", admin, query=asked("invoice -actor:admin"))
    bulk.run()
    assert found("status:cancelled invoice") == failed
    assert found("invoice status:queued") == again


def test_times_count_from_when_the_order_was_given_and_days_are_those_of_its_giver(admin):
    first, second = finished("failed").pk, finished("failed").pk
    Message.objects.filter(pk=first).update(created_at=timezone.now() - timedelta(hours=3))
    Message.objects.filter(pk=second).update(created_at=timezone.now() - timedelta(hours=1))
    order = ordered("delete", admin, query=asked("before:150m"))
    BulkAction.objects.filter(pk=order.pk).update(created_at=order.created_at - timedelta(hours=1))
    bulk.run()
    assert set(Message.objects.values_list("pk", flat=True)) == {first, second}
    Message.objects.filter(pk=first).update(created_at=datetime(2026, 3, 9, 23, 1, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        ordered("delete", admin, query=urlencode({"date_from": "2026-03-10", "date_to": "2026-03-10"}))
    with timezone.override("UTC"):
        bulk.run()
    assert set(Message.objects.values_list("pk", flat=True)) == {second}


def test_the_largest_number_of_a_mail_that_can_be_asked_for_is_no_error():
    finished("failed")
    assert bulk.targets("delete", query=asked("invoice"), up_to=2**63 - 1).count() == 1
    assert len(bulk.targets("delete", query=asked("invoice"), up_to=2**63 - 1).oldest(5)) == 1


def test_a_worker_that_dies_leaves_nothing_done_twice_and_nothing_left_out(admin, monkeypatch):
    numbers = [finished().pk for _ in range(5)]
    order = ordered("resend", admin, ids=numbers)
    act, calls = bulk._apply, []

    def dying(*args):
        done = act(*args)
        calls.append(done)
        if len(calls) == 2:
            raise DatabaseError  # within the transaction of the second batch
        return done

    monkeypatch.setattr(bulk, "_apply", dying)
    with pytest.raises(DatabaseError):
        bulk.run()
    order.refresh_from_db()
    assert (order.state, order.done) == ("running", 2)
    assert bulk.run() == 0, "the lease of the dead worker holds"
    BulkAction.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert bulk.has_work()
    assert bulk.run() == 3
    order.refresh_from_db()
    assert (order.state, order.done) == ("done", 5)
    assert repeated() == numbers


def test_whoever_lost_the_order_writes_nothing(admin, monkeypatch):
    numbers = [finished().pk for _ in range(2)]
    order = ordered("delete", admin, ids=numbers)
    taken = bulk._claim()
    assert taken is not None
    BulkAction.objects.update(claim="another")
    assert bulk._run_batch(*taken) is None
    order.refresh_from_db()
    assert (order.done, order.last_id) == (0, 0)
    assert Message.objects.count() == 2


def test_mails_that_change_meanwhile_are_left_alone_and_counted(admin, monkeypatch):
    numbers = [finished().pk for _ in range(2)]
    order = ordered("delete", admin, ids=numbers)
    find = bulk._next_ids

    def slow(one):
        found = find(one)
        Message.objects.filter(pk=numbers[0]).update(status="queued", next_attempt_at=timezone.now())
        return found

    monkeypatch.setattr(bulk, "_next_ids", slow)
    bulk.run()
    order.refresh_from_db()
    assert (order.done, order.failed, order.reasons) == (1, 1, {bulk.STATE_CHANGED: 1})
    assert list(Message.objects.values_list("pk", flat=True)) == numbers[:1]


def test_an_order_ends_when_its_owner_may_not_do_that_any_more():
    user = make_user("ann@example.com", "maillog.view_log", "maillog.delete_mail")
    finished()
    order = ordered("delete", user)
    user.user_permissions.clear()
    bulk.run()
    order.refresh_from_db()
    assert (order.state, order.note, order.done) == ("stopped", bulk.NOT_ALLOWED, 0)
    other = ordered("delete", user)
    user.delete()
    bulk.run()
    other.refresh_from_db()
    assert other.state == "stopped"
    assert Message.objects.count() == 1


def test_a_stopped_order_goes_no_further(admin):
    finished()
    order = ordered("delete", admin)
    assert bulk.stop(order.pk, by=admin)
    assert not bulk.stop(order.pk, by=admin)
    assert bulk.run() == 0
    order.refresh_from_db()
    assert (order.state, Message.objects.count()) == ("stopped", 1)


def test_a_worker_that_is_asked_to_stop_hands_the_order_on(admin):
    for _ in range(4):
        finished()
    ordered("delete", admin)
    asked = iter([False, False, True, True, True])
    assert bulk.run(should_stop=lambda: next(asked)) == 2
    assert bulk.has_work()
    assert bulk.run() == 2


def test_an_order_that_breaks_is_stopped_with_a_note_and_the_next_one_goes_on(admin, monkeypatch):
    pk = finished().pk
    broken, fine = ordered("delete", admin, ids=[pk]), ordered("resend", admin, ids=[pk])

    def explode(*_args, **_kwargs):
        raise ValueError

    monkeypatch.setattr(deletion, "delete", explode)
    bulk.run()
    broken.refresh_from_db()
    fine.refresh_from_db()
    assert (broken.state, broken.note, fine.state) == ("stopped", bulk.FAILED, "done")


def test_large_contents_make_small_batches(admin, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 100)
    monkeypatch.setattr(bulk, "BATCH_OCTETS", 10)
    numbers = [finished().pk for _ in range(3)]
    order = ordered("resend", admin, ids=numbers)
    assert bulk._next_ids(order) == numbers[:1]
