"""The log that the benchmarks fill: it is what production would have written, and no search reads it as a whole."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.log import mails, plans, queries
from benchmarks.log_data import fill
from maillog.index import writing
from maillog.models import Attempt, Content, Message, Recipient
from maillog.search.counts import status_counts
from maillog.search.filters import MessageFilter
from maillog.search.paging import page_of
from tests.maillog.makers import plan_for_an_empty_log

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BIG = 20_000


def index_now() -> dict[int, tuple[str, ...]]:
    columns = "id, tokens::text" if connection.vendor == "postgresql" else f"rowid, {', '.join(writing.COLUMNS)}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {writing.TABLE}")
        return {row[0]: row[1:] for row in cursor.fetchall()}


@pytest.mark.django_db
def test_what_is_filled_in_is_indexed_as_a_rebuild_does_it():
    fill(1_000, now=NOW)
    kept = index_now()
    assert len(kept) == 1_000
    writing.rebuild()
    assert index_now() == kept


@pytest.mark.django_db
def test_what_is_filled_in_is_read_as_any_mail_and_others_can_follow():
    fill(300, now=NOW, bodies=False)
    fill(200, now=NOW, seed=2)
    made = list(mails.mails(300, now=NOW))
    stored = Message.objects.order_by("id")
    assert stored.count() == 500
    assert [mail.created_at for mail in stored[:300]] == [mail.created for mail in made]
    assert [mail.to_text for mail in stored[:300]] == [" ".join(mail.to) for mail in made]
    assert Recipient.objects.filter(message__in=stored[:300]).count() == sum(len(mail.to) for mail in made)
    assert Content.objects.count() == 200
    assert Attempt.objects.filter(outcome="sent", code=250).exists()
    assert Message.objects.create(**{**values_of(stored[0]), "subject": "next"}).pk > stored[499].pk


def values_of(mail: Message) -> dict[str, object]:
    return {field.attname: getattr(mail, field.attname) for field in Message._meta.concrete_fields[1:]}


def test_the_same_mails_come_of_the_same_seed():
    assert list(mails.mails(50, now=NOW)) == list(mails.mails(50, now=NOW))
    assert list(mails.mails(50, now=NOW)) != list(mails.mails(50, now=NOW, seed=2))


# ---------------------------------------------------------------- plans


@pytest.fixture
def big(transactional_db):
    """20,000 mails of which the planner knows nothing, as in `test_search_pages`."""
    plan_for_an_empty_log()
    fill(BIG, now=timezone.now(), bodies=False)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('maillog_index_tokens')")
    ids = list(Message.objects.order_by("-id").values_list("id", flat=True))
    some = Message.objects.get(id=ids[BIG // 2])
    order = Message.objects.filter(subject__startswith="Order", id__gt=some.pk).order_by("id")[0]
    return queries.Place(
        deep=ids[390 * queries.PAGE - 1],
        end=ids[-queries.PAGE - 1],
        pages=BIG // queries.PAGE,
        deep_page=391,
        recipient=some.to_text.partition(" ")[0],
        order=order.subject.partition(":")[0],
        failed=Message.objects.filter(status="failed").order_by("id")[0].pk,
        number=some.pk,
        day_from=f"{timezone.localdate() - timedelta(days=60):%Y-%m-%d}",
        day_to=f"{timezone.localdate() - timedelta(days=50):%Y-%m-%d}",
    )


def test_no_page_of_the_list_and_no_number_above_it_reads_the_whole_log(big):
    """One test, because 20,000 mails take their time."""
    no_number_above_the_list_reads_the_whole_log()
    asked = {
        look.name: look.address.partition("?")[2] for look in queries.looks(big) if look.address.startswith("/log/?")
    }
    asked |= {name: queries.asked(query).partition("?")[2] for name, query in queries.pairs(big).items()}
    asked |= {"first page": "", "back": f"after={big.deep}", "back in states": f"q=-status:sent&after={big.deep}"}
    assert len(asked) > 100
    # Before its first analysis PostgreSQL takes what nearly all mails are for what hardly any is, and reads them all.
    common = {name: asked.pop(name) for name in ("sent", "by nobody in person")}
    assert not scanning(asked)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert not scanning(common)


def scanning(asked: dict[str, str]) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the searches that read a whole table, by name, with the plans."""
    wrong = {}
    for name, address in asked.items():
        data = QueryDict(address)
        with CaptureQueriesContext(connection) as captured:
            filters = MessageFilter(data)
            assert filters.is_valid(), (name, filters.form.errors)
            page_of(filters.result, data)
        if found := scans(captured.captured_queries):
            wrong[name] = found
    return wrong


def no_number_above_the_list_reads_the_whole_log():
    with CaptureQueriesContext(connection) as captured:
        counts = status_counts()
    assert str(counts["sent"]) == "10,000+"
    assert not scans(captured.captured_queries)


def scans(captured: list[dict[str, str]]) -> list[tuple[str, list[str]]]:
    """Return what of the statements reads a big table as a whole, with the settings of their transaction in force."""
    before: list[str] = []
    found = []
    for sql in (one["sql"] for one in captured):
        if sql.startswith("SET LOCAL"):
            before.append(sql)
        if "maillog_" in sql and sql.startswith(("SELECT", "WITH")):
            with transaction.atomic(), connection.cursor() as cursor:
                for each in before:
                    cursor.execute(each)
                cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {sql}")
                lines = [str(row[-1]) for row in cursor.fetchall()]
            before = []
            if plans.scans(lines, sql):
                found.append((sql[:300], lines))
    return found
