"""How the databases carry out what the engine asks of them all the time: by an index, never through the whole table.

The statistics are those of the worst moment: PostgreSQL looked at the tables while they were empty, and then the mails
came. (Measured before: a claim then sorted the whole backlog.)
"""

import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog.models import Rollup, Suppression, WaitingPeak
from maillog.queue.claiming import claim_due, recover_expired
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import settle
from maillog.statistics import queries, rollups
from maillog.statistics.rollups import hour_of
from tests.maillog.makers import LEASE, new_message, plan_for_an_empty_log, settlement

WAITING = 4000
FEW = 5  # so few of them that reading the whole table can never be the better way
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def backlog():
    """Thousands of mails of which the planner knows nothing."""
    plan_for_an_empty_log()
    enqueue([new_message(f"customer{number}@example.org") for number in range(WAITING)])
    gone = [Suppression(address=f"gone{number}@example.org", since=timezone.now()) for number in range(WAITING)]
    Suppression.objects.bulk_create(gone)


def plans(work):
    """Return the plan of every statement on the mail log that `work` issues, with the statement."""
    with CaptureQueriesContext(connection) as captured:
        work()
    found = []
    in_order = any("enable_sort" in one["sql"] for one in captured.captured_queries)
    for one in captured.captured_queries:
        statement = one["sql"]
        if "maillog_" in statement and statement.startswith(("SELECT", "UPDATE", "WITH")):
            with transaction.atomic(), connection.cursor() as cursor:
                if in_order:
                    cursor.execute("SET LOCAL enable_sort = off")
                cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {statement}")
                found.append((statement, "\n".join(str(row) for row in cursor.fetchall())))
    return found


def scans(found):
    """Return the statements, with their plans, that read a whole table of mails."""
    whole = re.compile(r"Seq Scan on maillog_(?!label)\w+|SCAN maillog_(?!label)\w+(?! USING INDEX)")
    return [(statement[:200], plan) for statement, plan in found if whole.search(plan)]


def test_a_batch_is_claimed_by_the_index_of_due_times(backlog):
    found = plans(lambda: claim_due(limit=FEW, lease=LEASE, worker="test"))
    assert len(found) >= 4, "look, mark, read mails, content and recipients"
    assert not scans(found), "\n".join(plan for _, plan in scans(found))
    look = found[0][1]
    assert "maillog_due" in look
    assert "Sort" not in look, look
    assert "TEMP B-TREE" not in look, look


def test_a_batch_is_settled_by_its_keys(backlog):
    mails = claim_due(limit=FEW, lease=LEASE, worker="test")
    found = plans(lambda: settle([settlement(mail) for mail in mails]))
    assert len(found) >= 3, "lock, recipients, mails"
    assert not scans(found), "\n".join(plan for _, plan in scans(found))


def test_leases_that_ran_out_are_found_by_the_index(backlog):
    assert not scans(plans(recover_expired))


@pytest.fixture
def sums():
    """Two months of sums, of which the planner knows nothing either."""
    plan_for_an_empty_log()
    last = hour_of(timezone.now())
    Rollup.objects.bulk_create(
        Rollup(span=span, kind=kind, hour=hour // span * span, status="sent", name=name, count=3)
        for span in Rollup.Span
        for hour in range(last - 1400, last, span)
        for kind in Rollup.Kind
        for name in ("1", "2", "3")
    )
    WaitingPeak.objects.bulk_create(WaitingPeak(hour=hour, peak=1) for hour in range(last - 1400, last))


@pytest.mark.parametrize("bounds", [queries.last_hours, queries.last_days])
def test_the_sums_are_read_by_their_index(sums, bounds):
    """The differences that are not added up yet are few, and are all read."""
    edges = bounds(timezone.now())
    found = plans(lambda: (queries.time_slots(edges, timezone.now()), queries.breakdown(edges[0], edges[-1])))
    assert len(found) == 3, "bars, what is behind them, names"
    for statement, plan in scans(found):
        assert "rollupdelta" in plan
        whole = re.compile(r"(Seq Scan on|SCAN) (maillog_(?!rollupdelta)|t\b|w\b)")
        others = [line for line in plan.splitlines() if whole.search(line)]
        assert others == [], statement
    assert any("maillog_rollup_once" in plan or "sqlite_autoindex_maillog_rollup" in plan for _, plan in found)


def test_sums_that_are_too_old_are_found_by_the_index(sums):
    assert not scans(plans(lambda: rollups.delete_old(timezone.now())))
