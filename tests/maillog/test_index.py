"""The search index: what it finds, that it keeps step with the rows, and how the databases walk it."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog import indexing, matching
from maillog.models import Label, Message
from maillog.queueing import MESSAGE_DEFAULTS
from maillog.recording import cancel, claim_due, claim_these, enqueue, recover_expired, retry_now, settle
from maillog.search import MailFilter
from tests.factories import make_user
from tests.maillog.makers import (
    LEASE,
    claimed,
    finished,
    new_message,
    plan_for_an_empty_log,
    queued,
    settlement,
)

pytestmark = pytest.mark.django_db


def search(query: str):
    data = QueryDict(mutable=True)
    data["q"] = query
    filters = MailFilter(data)
    assert filters.is_valid(), filters.form.errors
    return filters.found


def subjects(query: str) -> list[str]:
    found = [mail.subject for mail in search(query).page(1000)]
    assert found == [mail.subject for mail in search(query).oldest(1000)][::-1]
    assert found == [mail.subject for mail in search(query).everything().order_by("-id")]
    return found


def problem(query: str) -> str:
    data = QueryDict(mutable=True)
    data["q"] = query
    return str(MailFilter(data).problem)


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize(
    "query",
    [
        "ann@",
        "ann.miller@example.com",
        "ann.miller@exam",
        "example.c",
        "MILLER",
        '"Ärger im Lager"',
        "arger lag",
        "to:ann",
        "to:miller@",
        "subject:lager",
        "from:shop@example.net",
        "shop@example.net",
        "error:greylisted",
        '"come back"',
        "451",
        "actor:bea",
        "actor:bea@example.org",
        "template:shop/order",
        "template:shop/order lager",
        "driver:smtp",
        'connection:"Relay A"',
        'connection:"Relay A" lager',
        "tag:bulk",
        "tag:Campaign/7",
        "status:deferred",
        "status:deferred lager",
        "status:deferred driver:smtp lager",
        "status:deferred,failed lager",
        'error:greylisted connection:"Relay A"',
        "error:greylisted driver:smtp",
        "-error:mailbox -driver:log",
        "g",
        "gr come",
        "is:sensitive",
        "has:attachment",
        "-is:test",
        "-to:bob",
        "lager -bob -status:sent",
        "-status:sent",
        "-template:shop/other",
        "after:1h",
        "-before:1h",
        "before:2990-01-01 lager",
        "Ärger & Lager",
        "-actor:system",
    ],
)
def test_one_mail_is_found_by_each_of_its_parts_and_the_other_is_not(query):
    other = finished(
        "sent",
        "bob@customer.invalid",
        subject="Something else",
        sender="news@example.org",
        template="shop/other",
        tags=["test"],
        is_test=True,
        settled={"driver": "log", "connection": "Relay B"},
    )
    Message.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=2))
    finished(
        "deferred",
        "Ann.Miller@example.com",
        subject="Ärger im Lager",
        sender="shop@example.net",
        template="shop/order",
        tags=["bulk", "campaign/7"],
        actor=make_user("bea@example.org"),
        is_sensitive=True,
        has_attachment=True,
        settled={"reason": "451 4.7.1 Greylisted, come back later"},
    )
    assert subjects(query) == ["Ärger im Lager"]


def test_an_error_is_found_with_the_driver_and_the_connection_it_came_through_and_with_no_other():
    for driver, relay, reason in (("smtp", "Relay A", "550 No such user"), ("ses", "Relay B", "554 Spam")):
        finished("failed", subject=relay, settled={"driver": driver, "connection": relay, "reason": reason})
    assert subjects("error:spam driver:ses") == ["Relay B"]
    assert subjects("status:failed user driver:smtp") == ["Relay A"]
    assert subjects("error:spam driver:smtp") == []
    assert subjects('status:failed user connection:"Relay B"') == []


@pytest.mark.parametrize("query", ["nn@", "miller lager2", '"lager arger"', "tag:bul", "subject:ann", '"exam"', "t1"])
def test_words_are_found_from_their_beginning_and_nothing_else_is(query):
    finished("sent", "ann@example.com", subject="Arger Lager", tags=["bulk"], template="x")
    assert subjects(query) == []


def test_a_mail_is_found_by_its_number():
    first, second = queued(subject="a"), queued(subject="b")
    assert subjects(f"id:{first}") == ["a"]
    assert subjects(f"-id:{second}") == ["a"]


def test_a_name_that_no_mail_has_is_said_with_the_nearest():
    finished("sent", template="account/welcome")
    assert "Did you mean template:account/welcome?" in problem("x template:welcome")
    assert 'Did you mean -connection:"Relay A"?' in problem("-connection:relayA")
    assert "No mail has the driver “pigeon” (character 1)." in problem("driver:pigeon")


def test_days_begin_in_the_time_zone_in_force():
    pk = queued(subject="early on the 10th in Berlin")
    Message.objects.filter(pk=pk).update(created_at=datetime(2026, 3, 9, 23, 1, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        assert subjects("after:2026-03-10 before:2026-03-11") != []
        assert subjects("before:2026-03-10") == []


def test_times_that_nothing_lies_in_find_nothing():
    Message.objects.filter(pk=queued()).update(created_at=timezone.now() - timedelta(days=2))
    for query in (
        "after:1h",
        "invoice after:1h",
        "invoice after:1h status:queued",
        "invoice before:3d",
        "after:1d before:1d",
    ):
        assert subjects(query) == [], query
    assert subjects("invoice after:3d before:1d status:queued -ann@x") == ["Your invoice"]


# ---------------------------------------------------------------- in step with the rows


def index_now() -> dict[int, tuple[str, ...]]:
    columns = "id, words::text" if connection.vendor == "postgresql" else f"rowid, {', '.join(indexing.COLUMNS)}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {indexing.TABLE}")
        return {row[0]: row[1:] for row in cursor.fetchall()}


def assert_in_step():
    kept = index_now()
    indexing.rebuild()
    assert kept == index_now()


def test_every_way_of_a_mail_leaves_the_index_as_a_rebuild_makes_it():
    for status in ("sent", "failed", "deferred", "uncertain"):
        finished(status, settled={"reason": f"451 {status}"})
    skipped = queued(status="skipped", reason="not on the list")
    assert [mail.pk for mail in search("error:list").page(5)] == [skipped]
    retried = finished("deferred", settled={"reason": "451 greylisted"})
    assert subjects("greylisted") == ["Your invoice"]
    retry_now([retried.pk])
    assert subjects("greylisted") == []
    settle([settlement(claimed(retried.pk), "failed", reason="550 unknown", next_attempt_at=None)])
    assert subjects("error:unknown status:failed") == ["Your invoice"]
    gone = finished("deferred", settled={"reason": "451 later"})
    settle([settlement(claimed(gone.pk), "sent")])
    assert subjects("error:later") == []
    cancel([queued()], reason="Cancelled by Mona.")
    assert subjects("mona") == ["Your invoice"]
    assert_in_step()


def test_a_mail_whose_worker_died_and_then_was_retried_keeps_no_old_error():
    mail = finished("deferred", settled={"reason": "451 greylisted"})
    claimed(mail.pk)
    Message.objects.filter(pk=mail.pk).update(next_attempt_at=timezone.now() - timedelta(minutes=1))
    recover_expired()
    retry_now([mail.pk])
    settle([settlement(claimed(mail.pk), "sent")])
    assert subjects("greylisted") == []
    assert_in_step()


def test_a_mail_that_has_nothing_to_send_is_found_by_that():
    pk = queued()
    Message.objects.get(pk=pk).content.delete()
    assert claim_these([pk], lease=LEASE, worker="test") == []
    assert subjects("error:gone status:failed") == ["Your invoice"]


def test_sending_a_mail_writes_nothing_into_the_index():
    mail = claimed(queued())
    with CaptureQueriesContext(connection) as captured:
        settle_inside_a_test(mail)
    assert not [one for one in captured.captured_queries if indexing.TABLE in one["sql"]]


def settle_inside_a_test(mail):
    assert settle([settlement(mail, "sent")]) == {mail.id}


def test_what_is_rolled_back_is_not_in_the_index():
    class Broken(Exception):
        pass

    def broken():
        with transaction.atomic():
            queued(subject="never")
            raise Broken

    with pytest.raises(Broken):
        broken()
    assert index_now() == {}


def test_entries_go_with_their_mails():
    pks = [queued(), queued()]
    indexing.remove(pks[:1])
    assert list(index_now()) == pks[1:]


def test_the_command_makes_the_index_anew():
    pk = queued(subject="Zeppelin", tags=["a/b"])
    indexing.remove([pk])
    assert subjects("zeppelin") == []
    out = StringIO()
    call_command("rebuild_log_index", stdout=out)
    assert "1 mails" in out.getvalue()
    assert subjects("zeppelin tag:A/B") == ["Zeppelin"]


def test_very_many_recipients_and_very_long_words_are_taken():
    queued(*[f"customer{number}@example.org" for number in range(3000)], subject="x" * 998)
    assert len(subjects("customer17@example.org")) == 1
    assert len(subjects("x" * 400)) == 1


# ---------------------------------------------------------------- pages


def test_pages_of_a_search_lead_to_the_end_and_back(monkeypatch):
    monkeypatch.setattr(matching, "WINDOW", 10)
    monkeypatch.setattr(matching, "MOST_FETCHED", 15)
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


def test_what_the_newest_nearly_fill_is_looked_for_a_little_further_and_not_fetched_as_a_whole(monkeypatch):
    monkeypatch.setattr(matching, "WINDOW", 10)
    odd = enqueue([new_message(subject=f"{'odd' if number % 2 else 'even'} {number}") for number in range(60)])[1::2]
    with CaptureQueriesContext(connection) as captured:
        assert [row.pk for row in search("od").page(7)] == odd[:-8:-1]
    asked = [one["sql"] for one in captured.captured_queries if "FROM maillog_index" in one["sql"]]
    assert len(asked) == 2, "the newest ten, then the next forty (PostgreSQL) or a walk (SQLite)"
    assert not any("WITH" in sql for sql in asked)


@pytest.mark.parametrize(("others", "found"), [(2, "few have the number"), (20, "many have it")])
def test_a_word_with_a_number_is_found_however_many_have_the_number(monkeypatch, others, found):
    monkeypatch.setattr(matching, "WINDOW", 3)
    monkeypatch.setattr(matching, "MOST_FETCHED", 5)
    (mail,) = enqueue([new_message(subject="Zeppelin 123456 is here")])
    enqueue([new_message(subject=f"Order 123456 of {number}") for number in range(others)])
    enqueue([new_message(subject=f"Zeppelin {number}") for number in range(30)])
    assert [row.pk for row in search("zepp 12345").page(7)] == [mail], found
    assert [row.pk for row in search("zeppelin 123456 -order").page(7)] == [mail], found
    assert search("airship 123456").page(7) == []


@pytest.fixture
def many(transactional_db):
    """20,000 mails of which the planner knows nothing, as in `test_plans`; the rows alone, written at once."""
    plan_for_an_empty_log()
    first = Message.objects.get(pk=queued("ann@example.com", subject="Zeppelin"))
    texts = [f"Your invoice {number} is ready" for number in range(20_000)]
    values = {name: getattr(first, name) for name in MESSAGE_DEFAULTS}
    rows = [
        Message(**{**values, "subject": text, "status": "sent", "next_attempt_at": None, "driver_id": None})
        for text in texts
    ]
    Message.objects.bulk_create(rows, batch_size=500)
    indexing.refresh(row.pk for row in rows)
    if connection.vendor == "postgresql":
        # What autovacuum does once the rows written last have piled up: while they wait in a list beside the index,
        # which the planner counts as part of it, reading so small a table as a whole may really be cheaper.
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('maillog_index_words')")


def test_no_search_reads_the_whole_log(many):
    finished("failed", "bob@example.com", subject="Your invoice", settled={"reason": "550 5.1.1 no such user"})
    for query in (
        "invoice",
        "zeppelin",
        "nowhere",
        "ann@example.com",
        "invoice status:failed",
        "invoice status:held",
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


def test_claims_and_settlements_of_thousands_leave_one_entry_each():
    ids = enqueue([new_message() for _ in range(1200)])
    mails = claim_due(limit=1200, lease=LEASE, worker="test")
    settle([settlement(mail, "failed", reason="550 no") for mail in mails])
    assert sorted(index_now()) == sorted(ids)
    assert len(search("status:failed error:no").page(2000)) == 1200


def test_mail_log_takes_the_same_language():
    finished("failed", subject="Bad", settled={"reason": "550 no"})
    finished("sent", subject="Good")
    out = StringIO()
    call_command("mail_log", "status:failed", "after:2h", "--json", stdout=out)
    assert [json.loads(line)["subject"] for line in out.getvalue().splitlines()] == ["Bad"]
