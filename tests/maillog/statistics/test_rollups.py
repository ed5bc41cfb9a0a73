"""The sums behind the overview: whatever happens to mails, they say what the log says, and go on saying it."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maillog import labels
from maillog.explanations.error_kinds import error_kind
from maillog.explanations.explanation import explain
from maillog.models import FINAL, Attempt, Content, Label, Message, Rollup, RollupDelta, RollupLock, Status, WaitingPeak
from maillog.queue.actions import cancel, retry_now
from maillog.queue.claiming import claim_by_id, recover_expired
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import release_held, settle
from maillog.retention import deletion
from maillog.statistics import queries, rebuild, rollups
from maillog.statistics.rollups import BUCKET_BOUNDS, bucket_of, hour_of
from tests.maillog.makers import LEASE, attempt, claimed, finished, new_message, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

REFUSED = "550 5.1.1 no such user here"


def refuse(mail, reason=REFUSED, **fields):
    """Say that it failed, with recipients that are left to be tried if somebody asks for it."""
    return settlement(mail, "failed", reason=reason, **{"recipients": (), **fields})


def naive(kind):
    """Count the log itself, mail by mail, as the sums of hours should have it."""
    found = Counter()
    for mail in Message.objects.exclude(finished_at=None).select_related("template", "connection"):
        assert mail.finished_at
        # One that is in hand again after it had ended was uncertain.
        status = mail.status if mail.status in FINAL else Status.UNCERTAIN.value
        phase = Attempt.objects.filter(message=mail).order_by("-id").values_list("phase", flat=True).first()
        names = {
            "status": "",
            "template": mail.template_id and str(mail.template_id),
            "connection": mail.connection_id and str(mail.connection_id),
            "error": status == "failed"
            and (error_kind(mail.reason) or explain(phase or "", None, "", "").key or "other"),
            "time": status == "sent" and str(bucket_of((mail.finished_at - mail.created_at).total_seconds())),
        }
        if names[kind] not in (None, False):
            found[hour_of(mail.finished_at), status, str(names[kind])] += 1
    return found


def kept(kind, span=Rollup.Span.HOUR):
    rows = Rollup.objects.filter(kind=kind, span=span, count__gt=0)
    assert not Rollup.objects.filter(count__lt=0).exists()
    sums = rows.values_list("hour", "status", "name", "count")
    return Counter({(hour, status, name): count for hour, status, name, count in sums})


def by_day(hours):
    days = Counter()
    for (hour, status, name), count in hours.items():
        days[hour // 24 * 24, status, name] += count
    return days


def read(now):
    """Return what a reader sees of two days, by status."""
    found = Counter()
    for slot in queries.time_slots(queries.last_hours(now, 48), now)[0]:
        found.update(slot.ended)
    return Counter({name: count for name, count in found.items() if count})


def check(now):
    """The reader, before and after the differences are added, and all sums say what the log says."""
    expected = Counter()
    for (_, status, _), count in naive("status").items():
        expected[status] += count
    assert read(now) == expected
    while rollups.fold_deltas():
        pass
    assert not RollupDelta.objects.exists()
    assert read(now) == expected
    for kind in Rollup.Kind:
        assert kept(kind) == naive(kind), kind
        assert kept(kind, Rollup.Span.DAY) == by_day(naive(kind)), kind


# ---------------------------------------------------------------- any history

ENDS = ["sent", "failed", "silent", "parked", "uncertain", "again", "deferred", "held", "logged", "silenced"]
STEPS = st.one_of(
    st.tuples(st.just("queue"), st.sampled_from(["", "shop/invoice", "account/welcome"])),
    st.tuples(st.just("settle"), st.sampled_from(ENDS)),
    st.tuples(st.sampled_from(["skip", "cancel", "retry", "fold", "claim", "lose", "release", "damage"]), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 30, 1800, 3600 * 5])),
)


class History:
    """A log to which something happens step by step. What is chosen among the mails is up to `pick`."""

    def __init__(self, clock, pick):
        self.clock, self.pick = clock, pick

    def one(self, *statuses):
        ids = list(Message.objects.filter(status__in=statuses).order_by("id").values_list("id", flat=True))
        return [ids[self.pick % len(ids)]] if ids else []

    def queue(self, template):
        enqueue([new_message(template=template), new_message()])

    def skip(self, _):
        enqueue([new_message(status=Status.SKIPPED, reason="Nobody is left."), new_message()])

    def claim(self, _):
        claim_by_id(self.one("queued", "deferred", "held", "uncertain"), lease=LEASE, worker="test")

    def settle(self, how):
        mails = claim_by_id(self.one("queued", "deferred", "held", "uncertain"), lease=LEASE, worker="test")
        connection_name = f"Relay {'AB'[self.pick % 2]}"
        for mail in mails:
            settle([self.said(mail, how, connection_name)])

    def said(self, mail, how, name):
        match how:
            case "failed":
                return refuse(mail, connection=name)
            case "silent":
                return refuse(mail, reason="no answer", attempt=attempt(outcome="failed", phase="connect", code=None))
            case "parked":
                return refuse(mail, reason="Parked", attempt=None)
            case "again":
                return settlement(mail, "uncertain", next_attempt_at=timezone.now())
            case _:
                return settlement(mail, how, connection=name)

    def cancel(self, _):
        cancel(self.one("queued", "deferred", "held", "uncertain"))

    def retry(self, _):
        retry_now(self.one("failed", "uncertain", "held"))

    def fold(self, _):
        rollups.fold_deltas()

    def lose(self, _):
        self.clock.shift(LEASE + timedelta(seconds=1))
        recover_expired()

    def release(self, _):
        release_held()

    def damage(self, _):
        ids = self.one("queued", "uncertain")
        Content.objects.filter(message_id__in=ids).delete()
        claim_by_id(ids, lease=LEASE, worker="test")

    def wait(self, seconds):
        self.clock.shift(timedelta(seconds=seconds))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(STEPS, st.integers(0, 20)), min_size=1, max_size=25))
@pytest.mark.django_db(transaction=True)
def test_after_any_history_the_sums_say_what_the_log_says(steps):
    Message.objects.all().delete()
    for model in (Rollup, RollupDelta):
        model.objects.all().delete()
    labels.clear_cache()
    with time_machine.travel("2026-03-10T22:10:00Z", tick=False) as clock:
        for (name, choice), pick in steps:
            getattr(History(clock, pick), name)(choice)
        now = timezone.now()
        if Message.objects.filter(finished_at__lt=now - timedelta(hours=47)).exists():
            return
        check(now)
        rebuild.rebuild()
        check(now)


# ---------------------------------------------------------------- one by one


def test_a_batch_that_ended_alike_is_one_row():
    mails = claim_by_id(enqueue([new_message() for _ in range(50)]), lease=LEASE, worker="test")
    with time_machine.travel(timezone.now() + timedelta(seconds=40), tick=False):
        settle([settlement(mail) for mail in mails])
    assert sum(RollupDelta.objects.values_list("count", flat=True)) == 50
    assert RollupDelta.objects.count() == 1


def test_settling_what_goes_on_writes_nothing():
    settle([settlement(claimed(queued()), "deferred")])
    assert not RollupDelta.objects.exists()


def test_a_failed_mail_that_is_tried_again_is_taken_back_from_the_hour_in_which_it_failed():
    with time_machine.travel("2026-03-10T10:30:00Z", tick=False) as clock:
        pk = queued()
        settle([refuse(claimed(pk))])
        clock.shift(timedelta(hours=2))
        retry_now([pk])
        settle([settlement(claimed(pk))])
        slots, _ = queries.time_slots(queries.last_hours(timezone.now()), timezone.now())
    assert [(one.sent, one.failed) for one in slots][-3:] == [(0, 0), (0, 0), (1, 0)]


def test_what_is_removed_from_the_log_stays_counted():
    ids = [finished("sent").pk, finished("failed", settled={"reason": REFUSED}).pk]
    deletion.delete_rows(ids)
    assert not Message.objects.exists()
    for _ in range(2):
        ended = queries.ended_in_last_day(timezone.now())
        assert (ended["sent"], ended["failed"]) == (1, 1)
        rollups.fold_deltas()


def test_a_rollback_leaves_no_trace():
    with transaction.atomic():
        enqueue([new_message(status=Status.SKIPPED, reason="Nobody is left.")])
        transaction.set_rollback(True)
    assert not RollupDelta.objects.exists()


def test_the_kind_of_an_error_is_the_codes_it_begins_with_and_what_they_mean():
    for reason, kind in [
        (REFUSED, "550 5.1.1 mailbox-missing"),
        ("421 try again later", "421 busy"),
        ("554", "554 refused"),
        ("550 5.1.1000 odd", "550 refused"),
        ("Connection refused", ""),
        ("5501 things", ""),
        ("999 things", ""),
        ("", ""),
    ]:
        assert error_kind(reason) == kind, reason


@given(st.floats(0, 3e7, allow_nan=False))
def test_a_bucket_is_a_quarter_longer_than_the_one_before(seconds):
    bucket = bucket_of(seconds)
    if bucket == len(BUCKET_BOUNDS):
        assert seconds > BUCKET_BOUNDS[-1]
        return
    assert seconds <= BUCKET_BOUNDS[bucket]
    if bucket:
        assert seconds > BUCKET_BOUNDS[bucket - 1]
        assert BUCKET_BOUNDS[bucket] / BUCKET_BOUNDS[bucket - 1] < 1.26


@given(st.lists(st.floats(0.001, 9e6), min_size=1, max_size=300))
def test_percentiles_are_true_to_the_width_of_a_bucket(times):
    found = queries.percentiles(Counter(map(bucket_of, times)))
    ordered = sorted(times)
    for percent, told in found.items():
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        assert exact <= told * (1 + 1e-9)
        assert told <= max(exact, 0.001) * 1.26
    assert list(found) == [50, 95, 99]


def test_no_mail_has_no_percentiles():
    assert queries.percentiles(Counter()) == {}
    assert queries.percentiles(Counter({3: 0})) == {}


def test_what_waits_is_remembered_by_the_most_in_an_hour():
    with time_machine.travel("2026-03-10T10:30:00Z", tick=False) as clock:
        for number in (0, 7, 3):
            rollups.record_waiting(number, timezone.now())
        clock.shift(timedelta(hours=1))
        rollups.record_waiting(2, timezone.now())
        slots, _ = queries.time_slots(queries.last_hours(timezone.now()), timezone.now())
        waiting = [one.waiting for one in slots]
    assert waiting[-3:] == [None, 7, 2]
    assert WaitingPeak.objects.count() == 2


def test_sums_of_forty_days_ago_go_and_younger_ones_stay():
    now = timezone.now()
    for days in (0, 30, 39, 41, 100):
        with time_machine.travel(now - timedelta(days=days), tick=False):
            finished("sent", template="shop/invoice")
            rollups.record_waiting(1, timezone.now())
    rollups.fold_deltas()
    assert rollups.delete_old(now) > 0
    hours = Rollup.objects.filter(kind="status", span=1)
    assert sum(hours.values_list("count", flat=True)) == 3
    assert WaitingPeak.objects.count() == 3
    assert rollups.delete_old(now) == 0


def test_leaders_are_the_same_by_days_and_hours_as_by_hours_alone():
    with time_machine.travel("2026-03-10T21:30:00Z", tick=False) as clock:
        for hours in (1, 3, 20, 30, 50):
            finished("sent", template=f"shop/t{hours % 3}")
            settle([refuse(claimed(queued(template="shop/t1")))])
            clock.shift(timedelta(hours=hours))
            rollups.fold_deltas() if hours != 20 else None
        end = timezone.now() + timedelta(hours=1)
        for count in range(1, 110, 7):
            first = end - timedelta(hours=count)
            told = queries.breakdown(first, end)
            since = queries.last_hours(end, count + 1)[0]
            mails = list(Message.objects.filter(finished_at__gte=since).select_related("template"))
            assert {one.name: one.total for one in told.templates} == Counter(one.template.text for one in mails)
            assert sum(number for _, number in told.errors) == sum(one.status == "failed" for one in mails)


# ---------------------------------------------------------------- several at once


@pytest.mark.django_db(transaction=True)
def test_two_who_add_up_at_once_add_every_difference_once():
    for _ in range(60):
        finished("sent", template="shop/invoice")
    failures = []
    start = threading.Barrier(3)

    def work(do):
        try:
            start.wait()
            for _ in range(20):
                do()
        except Exception as error:  # noqa: BLE001  (told to the test)
            failures.append(error)
        finally:
            connection.close()

    works = (rollups.fold_deltas, rollups.fold_deltas, lambda: finished("sent"))
    threads = [threading.Thread(target=work, args=(do,)) for do in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    check(timezone.now())
    assert queries.ended_in_last_day(timezone.now())["sent"] == 80


@pytest.mark.django_db(transaction=True)
def test_counting_anew_while_mails_are_sent_loses_and_doubles_none(monkeypatch):
    monkeypatch.setattr(rebuild, "BLOCK", 10)
    monkeypatch.setattr(rollups, "BLOCK", 10)
    ids = enqueue([new_message() for _ in range(60)])
    settle([settlement(mail) for mail in claim_by_id(ids[:30], lease=LEASE, worker="test")])
    Rollup.objects.all().delete()
    rest = iter(ids[30:])

    def meanwhile(_done):
        retry_now([queued()])
        settle([settlement(claimed(next(rest)))])
        settle([refuse(claimed(queued()))])
        assert rollups.fold_deltas() == 0, "nobody adds up meanwhile"

    rebuild.rebuild(meanwhile)
    assert RollupDelta.objects.exists(), "what ended behind the reader's back"
    check(timezone.now())


@pytest.mark.django_db(transaction=True)
def test_two_do_not_count_anew_at_once_and_a_dead_one_is_got_over():
    finished("sent")
    with pytest.raises(rebuild.RebuildInProgressError):
        rebuild.rebuild(lambda _done: rebuild.rebuild())
    with pytest.raises(CommandError):
        call_command("rebuild_rollups")
    assert rollups.fold_deltas() == 0
    RollupLock.objects.update(rebuilding_until=timezone.now() - timedelta(seconds=1))
    assert rollups.fold_deltas() == 1
    call_command("rebuild_rollups")
    call_command("rebuild_rollups")
    check(timezone.now())


def test_the_command_counts_a_log_that_has_no_sums_yet(capsys):
    finished("sent", template="shop/invoice")
    Message.objects.update(finished_at=timezone.now() - timedelta(days=50))
    finished("failed", settled={"reason": REFUSED})
    for model in (Rollup, RollupDelta):
        model.objects.all().delete()
    call_command("rebuild_rollups")
    assert "the last 40 days: 1" in capsys.readouterr().out
    told = queries.breakdown(timezone.now() - timedelta(hours=3), timezone.now() + timedelta(hours=1))
    assert told.errors == [("550 5.1.1 mailbox-missing", 1)]
    assert Label.objects.filter(text="shop/invoice").exists()
