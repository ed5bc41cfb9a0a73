"""How the databases answer what the page about one address asks: by an index, never through the whole log.

20,000 mails, 4,000 of them to one address. The statistics are those of an empty log, the worst moment, and then those
of the full one.
"""

from dataclasses import asdict

import pytest
from django.db import connection
from django.utils import timezone

from maillog import suppressions
from maillog.models import Attempt, Suppression
from maillog.queue.enqueueing import enqueue
from maillog.recipients import duplicates, history
from maillog.sql.batches import insert_rows
from tests.maillog.makers import attempt, new_message, plan_for_an_empty_log
from tests.maillog.search.test_plans import plans, scans

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
FEW = 20
BUSY, RARE = "busy@example.org", "customer77@example.org"


@pytest.fixture
def log(monkeypatch):
    """A full log, of which the page looks at few mails only: of 20,000, reading all may well be better than 1,000."""
    monkeypatch.setattr(history, "MOST_EXAMINED", FEW)
    monkeypatch.setattr(history, "MOST_WAITING_EXAMINED", FEW)
    monkeypatch.setattr(duplicates, "MOST_EXAMINED", FEW)
    plan_for_an_empty_log()
    now = timezone.now()
    numbers = enqueue(
        [new_message(BUSY if number % 5 == 0 else f"customer{number}@example.org") for number in range(20_000)]
    )
    tried = asdict(attempt(started_at=now))
    del tried["transcript"]  # of another table
    insert_rows(
        Attempt,
        ({**tried, "message_id": one, "number": 1} for one in numbers),
        columns=[*tried, "message_id", "number"],
    )
    Suppression.objects.bulk_create(
        [Suppression(address=f"gone{number}@example.org", since=now) for number in range(5_000)]
    )


def asked(address):
    """Ask all that the page asks of the log about `address`."""
    known = history.history(address)
    history.next_due(known.waiting)
    history.delivery(known.entries[0])
    first = history.page_of_deliveries(address, {})
    history.page_of_deliveries(address, {"before": str(first.deliveries[-1].recipient.pk)})
    history.page_of_deliveries(address, {"after": str(first.deliveries[-1].recipient.pk)})
    duplicates.duplicates_of(address)
    suppressions.history_of(address)
    suppressions.find_suppressed([address])


def no_table_is_read_as_a_whole():
    for address in (RARE, BUSY):
        found = plans(lambda address=address: asked(address))
        assert len(found) >= 12
        assert not scans(found), "\n".join(f"{statement}\n{plan}" for statement, plan in scans(found))


def newest_mails_are_read_in_order():
    found = plans(lambda: history.page_of_deliveries(BUSY, {"before": str(2**40)}))
    (in_order,) = [(statement, plan) for statement, plan in found if "search_address" in statement]
    assert "Sort" not in in_order[1], in_order
    assert "TEMP B-TREE" not in in_order[1], in_order


def near_spellings_are_found_by_the_index():
    found = plans(lambda: history.similar_addresses("zoe@example.com"))
    assert len(found) == 2
    assert all("maillog_recipient_address" in plan for _, plan in found), found


def a_batch_of_addresses_is_looked_up_by_the_index():
    found = plans(lambda: suppressions.find_suppressed(f"customer{number}@example.org" for number in range(10)))
    assert len(found) == 1
    assert not scans(found), found


def test_the_page_about_an_address_asks_indexes_alone(log):
    """One test, because 20,000 mails take their time: whether the planner believes the log empty, or knows it.

    As long as it believes so, PostgreSQL sorts the few rows that it expects of one address.
    """
    for is_known in (False, True):
        no_table_is_read_as_a_whole()
        if is_known or connection.vendor == "sqlite":
            newest_mails_are_read_in_order()
        near_spellings_are_found_by_the_index()
        a_batch_of_addresses_is_looked_up_by_the_index()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
