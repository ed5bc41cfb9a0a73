"""New messages and what belongs to them are written together, each part to the right message."""

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from maillog.content.storage import unpack
from maillog.models import Content, Message, Recipient
from maillog.queue import enqueueing
from maillog.queue.enqueueing import enqueue
from tests.maillog.makers import new_message, queued, recipient
from tests.maillog.search.searching import subjects

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TOO_LARGE = 1 << 70  # for any integer column
SKIPPED = {"recipients": [recipient(skipped="Not allowed.")], "status": "skipped", "reason": "Not allowed."}


def some_messages(count: int):
    """Return messages that differ in every table: one to four recipients; every fifth is final and keeps no content."""
    for number in range(count):
        addresses = [f"r{copy}.of{number}@example.com" for copy in range(number % 4 + 1)]
        skipped = {**SKIPPED, "is_sensitive": True} if number % 5 == 4 else {}
        yield new_message(*addresses, subject=f"Subject{number:03}", mime=b"content %d" % number, **skipped)


def stored(pk: int) -> dict[str, object]:
    return {
        "subject": Message.objects.get(pk=pk).subject,
        "recipients": list(Recipient.objects.filter(message_id=pk).order_by("id").values_list("address", flat=True)),
        "content": [unpack(one.mime) for one in Content.objects.filter(message_id=pk)],
    }


def test_every_part_belongs_to_its_message_in_order():
    given = [*some_messages(23)]
    ids = enqueue(given)
    for pk, message in zip(ids, given, strict=True):
        assert stored(pk) == {
            "subject": message.subject,
            "recipients": [one.address for one in message.recipients],
            "content": [] if message.is_sensitive else [message.mime],
        }
        assert subjects(message.subject) == [message.subject]


def test_batches_are_split_by_number_and_by_octets(monkeypatch):
    for name, limit in (("BATCH", 4), ("BATCH_OCTETS", 25)):
        with monkeypatch.context() as patch:
            patch.setattr(enqueueing, name, limit)
            ids = enqueue([*some_messages(11)])
            assert [Message.objects.get(pk=pk).subject for pk in ids] == [f"Subject{number:03}" for number in range(11)]


def test_any_number_of_messages_takes_one_statement_on_postgres_and_one_per_table_on_sqlite():
    queued()  # labels are known from here on
    for count in (1, 200):
        with CaptureQueriesContext(connection) as captured:
            enqueue([new_message() for _ in range(count)])
        written = sum("INSERT" in query["sql"] for query in captured)
        assert written == (1 if connection.vendor == "postgresql" else 4)


@pytest.mark.django_db(transaction=True)
def test_one_batch_outside_a_transaction_is_one_of_its_own_and_leaves_nothing_if_it_fails():
    queued()
    with CaptureQueriesContext(connection) as captured:
        queued("ann@example.com", "bob@example.com")
    assert any(query["sql"].startswith("BEGIN") for query in captured) == (connection.vendor == "sqlite")
    before = Recipient.objects.count()
    with pytest.raises((DataError, OverflowError)):
        queued(resent_from=TOO_LARGE)
    assert Recipient.objects.count() == before


def test_a_callers_transaction_goes_on_after_messages_that_could_not_be_stored():
    with pytest.raises((DataError, OverflowError)):
        queued(resent_from=TOO_LARGE)
    assert Message.objects.get(pk=queued()).status == "queued"
