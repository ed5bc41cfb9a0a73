"""Pages of a search: complete both ways, and never by reading the whole log."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from maillog.index import scan, writing
from maillog.models import Label, Message
from maillog.queue.enqueueing import enqueue
from maillog.search import conditions
from tests.maillog.makers import finished, new_message, plan_for_an_empty_log, queued, store_rows
from tests.maillog.search.searching import search, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_pages_of_a_search_lead_to_the_end_and_back(monkeypatch):
    monkeypatch.setattr(scan, "RECENT_ENTRIES", 10)
    monkeypatch.setattr(scan, "MAX_FETCHED", 15)
    every = enqueue([new_message(subject=f"{'odd' if number % 2 else 'even'} {number}") for number in range(60)])
    odd = every[1::2]
    for query in (
        "odd",
        "od",
        "o",
        '"odd"',
        "subject:odd -even",
        "-even",
        "odd status:queued",
        "odd -driver:smtp" if Label.objects.filter(kind="driver") else "odd",
    ):
        walked, before = [], None
        while rows := search(query).page(7, before=before):
            walked += [row.pk for row in rows]
            before = walked[-1]
        assert walked == odd[::-1], query
        back, after = [], 0
        while rows := search(query).oldest(7, after=after):
            back += [row.pk for row in rows]
            after = back[-1]
        assert back == odd, query
        assert [row.pk for row in search(query).page(9, before=odd[20], after=odd[3])] == odd[11:20][::-1]


@pytest.mark.parametrize("query", ["od -zeppelin", "od", "o -zeppelin"])
def test_what_the_newest_nearly_fill_is_looked_for_a_little_further_and_not_fetched_as_a_whole(monkeypatch, query):
    monkeypatch.setattr(scan, "RECENT_ENTRIES", 10)
    odd = enqueue([new_message(subject=f"{'odd' if number % 2 else 'even'} {number}") for number in range(60)])[1::2]
    with CaptureQueriesContext(connection) as captured:
        assert [row.pk for row in search(query).page(7)] == odd[:-8:-1]
    asked = [one["sql"] for one in captured.captured_queries if "FROM maillog_index" in one["sql"]]
    assert len(asked) == 2, "the newest ten, then the next forty or, on SQLite, the index"
    assert not any("WITH" in sql for sql in asked)
    looks_further = connection.vendor == "postgresql" or query == "od -zeppelin"
    assert (" > " in asked[1]) == looks_further


@pytest.mark.parametrize(("others", "found"), [(2, "few have the number"), (20, "many have it")])
def test_a_word_with_a_number_is_found_however_many_have_the_number(monkeypatch, others, found):
    monkeypatch.setattr(scan, "RECENT_ENTRIES", 3)
    monkeypatch.setattr(scan, "MAX_FETCHED", 5)
    (mail,) = enqueue([new_message(subject="Zeppelin 123456 is here")])
    enqueue([new_message(subject=f"Order 123456 of {number}") for number in range(others)])
    enqueue([new_message(subject=f"Zeppelin {number}") for number in range(30)])
    assert [row.pk for row in search("zepp 12345").page(7)] == [mail], found
    assert [row.pk for row in search("zeppelin 123456 -order").page(7)] == [mail], found
    assert search("airship 123456").page(7) == []


def test_of_two_names_the_one_that_fewest_mails_have_is_looked_up(monkeypatch):
    monkeypatch.setattr(conditions, "MAX_CANDIDATES", 3)
    for number in range(9):
        driver, relay = ("log", "") if number % 4 == 0 else ("smtp", "Relay A")
        finished("sent", subject=str(number), template="shop/order", settled={"driver": driver, "connection": relay})
    for query, looked_up, numbers in (
        ('connection:"Relay A" driver:log', "driver", ""),
        ('driver:log connection:"Relay A"', "driver", ""),
        ("template:shop/order driver:log", "driver", "840"),
        ('template:shop/order connection:"Relay A" driver:smtp', "connection", "765321"),
    ):
        assert "".join(subjects(query)) == numbers
        with CaptureQueriesContext(connection) as captured:
            search(query).page(5)
        sql = captured.captured_queries[-1]["sql"]
        hidden = {name for name in ("template", "driver", "connection") if f'+"maillog_message"."{name}_id"' in sql}
        asked = {name for name in ("template", "driver", "connection") if f"{name}:" in query}
        assert asked - hidden == ({looked_up} if connection.vendor == "sqlite" else asked), sql


@pytest.fixture
def many(transactional_db):
    """20,000 mails of which the planner knows nothing, as in `test_plans`; the rows alone, written at once."""
    plan_for_an_empty_log()
    first = Message.objects.get(pk=queued("ann@example.com", subject="Zeppelin"))
    sent = {"status": "sent", "next_attempt_at": None, "driver_id": None}
    store_rows(first, ({**sent, "subject": f"Your invoice {number} is ready"} for number in range(20_000)))
    writing.refresh(Message.objects.filter(id__gt=first.pk).values_list("id", flat=True))
    if connection.vendor == "postgresql":
        # What autovacuum does once the rows written last have piled up: while they wait in a list beside the index,
        # which the planner counts as part of it, reading so small a table as a whole may really be cheaper.
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('maillog_index_tokens')")


def test_no_search_reads_the_whole_log_and_test_mails_have_an_index_of_their_own(many):
    """One test, because 20,000 mails take their time."""
    an_index_finds_test_mails()
    no_search_reads_the_whole_log()


def an_index_finds_test_mails():
    one = queued("ann@example.com", subject="A test", is_test=True)
    for query in ("is:test", "is:test -to:bob"):
        with CaptureQueriesContext(connection) as captured:
            assert [mail.pk for mail in search(query).page(51)] == [one]
        assert "maillog_test_by_id" in "".join(plan_of(each["sql"]) for each in captured.captured_queries), query
    Message.objects.filter(pk=one).delete()


def no_search_reads_the_whole_log():
    finished("failed", "bob@example.com", subject="Your invoice", settled={"reason": "550 5.1.1 no such user"})
    for query in (
        "invoice",
        "zeppelin",
        "nowhere",
        "ann@example.com",
        "invoice status:failed",
        "invoice status:held",
        "invoice status:held,cancelled",
        "error:user",
        "is:test",
        'invoice connection:"Relay A"',
        "-zeppelin",
    ):
        with CaptureQueriesContext(connection) as captured:
            search(query).page(51)
        for one in captured.captured_queries:
            plan = plan_of(one["sql"])
            if "maillog_" in plan or "Seq Scan" in plan:
                assert_walks_an_index(query, one["sql"], plan)


def plan_of(sql: str) -> str:
    if not sql.startswith(("SELECT", "WITH")):
        return ""
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def assert_walks_an_index(query: str, sql: str, plan: str) -> None:
    said = f"{query}\n{sql[:300]}\n{plan}"
    for line in plan.splitlines():
        if "maillog_label" in line:
            continue
        assert "Seq Scan" not in line, said
        if "SCAN maillog_index" in line:
            assert "VIRTUAL TABLE INDEX" in line, said
        elif "SCAN maillog_message" in line:
            assert "USING" in line, said
    if connection.vendor == "sqlite" and "MATCH" in sql:
        assert "TEMP B-TREE" not in plan, said
