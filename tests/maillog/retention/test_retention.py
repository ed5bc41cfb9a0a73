"""Mails are kept by rules: what is too old goes, what waits stays, whatever the moment at which it is looked at."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from maillog import audit_log
from maillog.models import Attempt, AuditEvent, Content, Message, PruneRun, Recipient
from maillog.queue.actions import retry_now
from maillog.retention import deletion, forecast, pruning, rules
from tests.factories import make_user
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(pruning, "MIN_PAUSE", 0)


def aged(days, status="sent", **fields):
    """Store a mail that ended, of so many days ago. Older ones must be made first: ids are in time order."""
    mail = finished(status, **fields)
    Message.objects.filter(pk=mail.pk).update(created_at=timezone.now() - timedelta(days=days))
    return mail.pk


def there():
    return set(Message.objects.values_list("pk", flat=True)), set(Content.objects.values_list("pk", flat=True))


def test_bodies_go_first_and_rows_later_each_by_the_rule_of_its_state():
    old, old_failed = aged(400), aged(400, "failed")
    bodiless, failed = aged(40), aged(40, "failed")
    young = aged(20)
    done = pruning.prune(now=timezone.now())
    assert there() == ({bodiless, failed, young}, {failed, young})
    assert done.rows == {"sent": 1, "failed": 1}
    assert done.bodies == {"sent": 2, "failed": 1}
    assert not Recipient.objects.filter(message_id__in=[old, old_failed]).exists()
    assert not Attempt.objects.filter(message_id__in=[old, old_failed]).exists()


def test_what_waits_is_never_removed_however_old_it_is():
    kept = {aged(4000, status) for status in ("held", "deferred", "uncertain")} | {queued()}
    Message.objects.filter(status="uncertain").update(next_attempt_at=timezone.now())
    Message.objects.update(created_at=timezone.now() - timedelta(days=4000))
    pruning.prune(now=timezone.now())
    assert there() == (kept, kept)


def test_an_uncertain_mail_that_nobody_tries_again_ages_like_the_others():
    pk = aged(4000, "uncertain")
    Message.objects.filter(pk=pk).update(next_attempt_at=None)
    assert pruning.prune(now=timezone.now()).rows == {"uncertain": 1}
    assert there() == (set(), set())


def test_a_rule_without_days_keeps_for_ever():
    rules.save_rules({**rules.DEFAULTS, "row_sent": None, "body_sent": None}, by="Ann")
    pk = aged(4000)
    pruning.prune(now=timezone.now())
    assert there() == ({pk}, {pk})


def test_a_failed_mail_that_somebody_makes_due_meanwhile_stays():
    pk = aged(400, "failed")
    Recipient.objects.update(outcome="deferred")
    (chosen,) = [one for one in rules.expired(timezone.now()) if one.deletes_row and one.status == "failed"]
    assert chosen.after(0, 10) == [pk]
    assert retry_now([pk]).due == 1
    assert deletion.delete_rows([pk]) == []
    assert deletion.delete_contents([pk]) == 0
    assert there() == ({pk}, {pk})


def test_more_than_a_batch_goes_in_several_and_a_stop_between_two_is_heeded(monkeypatch):
    monkeypatch.setattr(pruning, "MIN_SIZE", 2)
    monkeypatch.setattr(pruning, "MAX_SIZE", 2)
    for _ in range(5):
        aged(400)
    asked = iter([False, False, True, *[True] * 100])
    assert pruning.prune(now=timezone.now(), should_stop=lambda: next(asked)).bodies == {"sent": 4}
    assert pruning.prune(now=timezone.now()).rows == {"sent": 5}
    assert there() == (set(), set())


def test_the_worker_removes_once_an_hour_and_only_one_of_several_does(jobs):
    pk = aged(400)
    now = timezone.now()
    assert pruning.is_due(now)
    assert pruning.prune_hourly().rows == {"sent": 1}
    assert not pruning.is_due(now)
    assert pruning.prune_hourly() is None
    PruneRun.objects.update(started_at=now - timedelta(minutes=61))
    assert pruning.is_due(now)
    assert pruning.prune_hourly().rows == {}
    assert pk not in there()[0]


def test_the_command_removes_and_with_dry_run_only_counts():
    aged(400)
    out = StringIO()
    call_command("prune_maillog", "--dry-run", stdout=out)
    assert "Sent: 1 bodies, 1 rows would be deleted." in out.getvalue()
    assert Message.objects.count() == 1
    out = StringIO()
    call_command("prune_maillog", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {
        "dry_run": False,
        "bodies": {"sent": 1},
        "rows": {"sent": 1},
        "audit_events": 0,
        "records": 0,
    }
    assert Message.objects.count() == 0
    assert PruneRun.objects.get().rows == 1


def test_the_trail_outlives_the_mail_and_ages_itself():
    user = make_user()
    pk = finished().pk
    assert deletion.delete([pk], actor=user) == [pk]
    pruning.prune(now=timezone.now())
    assert list(AuditEvent.objects.values_list("mail_number", "action", "actor_name")) == [(pk, "deleted", str(user))]
    assert pruning.prune(now=timezone.now() + timedelta(days=731)).audit_events == 1
    assert not AuditEvent.objects.exists()


def test_what_has_not_ended_is_not_deleted_and_leaves_no_line():
    pk = queued()
    assert deletion.delete([pk], actor=make_user()) == []
    assert not AuditEvent.objects.exists()


def test_looks_of_one_person_within_ten_minutes_are_one_line():
    ann, ben = make_user("ann@example.com"), make_user("ben@example.com")
    for who in (ann, ann, ben):
        audit_log.record_view(7, actor=who)
    audit_log.record_view(7, actor=ann, downloaded=True)
    assert [line.action for line in audit_log.events_of(7, include_views=True)] == ["downloaded", "viewed", "viewed"]
    assert audit_log.events_of(7, include_views=False) == []


# ---------------------------------------------------------------- the forecast


def test_a_small_log_is_counted_exactly():
    aged(40)
    aged(1)
    aged(1, "failed")
    Content.objects.filter(pk=Message.objects.order_by("pk").first().pk).delete()
    found = forecast.forecast(timezone.now())
    assert found.exact
    assert (found.now.rows, found.now.bodies) == (3, 2)
    assert found.now.total_bytes > 0
    assert found.per_day.rows == round(2 / 7)


def test_the_end_is_what_comes_each_day_times_the_days_it_is_kept():
    for _ in range(14):
        aged(6)
    found = forecast.forecast(timezone.now())
    assert found.per_day.rows == round(14 / 6)
    assert found.limit.rows == pytest.approx(14 / 6 * 365, abs=2)
    assert found.limit.bodies == pytest.approx(14 / 6 * 30, abs=2)


def test_a_large_log_is_sampled(monkeypatch):
    monkeypatch.setattr(forecast, "SAMPLE_SIZE", 10)
    for _ in range(60):
        aged(1)
    found = forecast.forecast(timezone.now())
    assert not found.exact
    assert found.now.rows == pytest.approx(60, abs=6)


def test_an_empty_log_and_a_rule_without_end_have_no_limit():
    found = forecast.forecast(timezone.now())
    assert (found.now.rows, found.limit) == (0, None)
    aged(1)
    rules.save_rules({**rules.DEFAULTS, "row_sent": None, "body_sent": None}, by="Ann")
    assert forecast.forecast(timezone.now()).limit is None
