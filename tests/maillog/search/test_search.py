"""Which mails a filter finds, and in what pages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog.models import Label, Message, Status
from maillog.queue.claiming import recover_expired
from maillog.queue.waiting import oldest_waiting
from maillog.search.counts import Count, count_unfinished, status_counts
from maillog.search.filters import MessageFilter
from maillog.search.paging import page_of
from tests.cases import case
from tests.maillog.makers import attempt, claimed, finished, queued, store_rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def subjects(query: str) -> list[str]:
    filters = MessageFilter(QueryDict(query))
    assert filters.is_valid(), filters.form.errors
    found = [mail.subject for mail in filters.result.oldest(1000)]
    assert found == [mail.subject for mail in filters.result.page(1000)][::-1]
    assert found == [mail.subject for mail in filters.result.queryset().order_by("id")]
    return found


def errors(query: str) -> set[str]:
    filters = MessageFilter(QueryDict(query))
    filters.is_valid()
    return set(filters.form.errors)


def created_at(moment: datetime, subject: str) -> None:
    Message.objects.filter(pk=queued(subject=subject)).update(created_at=moment)


def test_no_filter_finds_everything():
    finished("sent", subject="a")
    queued(subject="b")
    assert subjects("") == subjects("q=&status=&driver=&date_from=") == ["a", "b"]


def test_one_or_several_states():
    for status in ("sent", "failed", "deferred"):
        finished(status, subject=status)
    assert subjects("status=failed") == ["failed"]
    assert subjects("status=failed&status=deferred") == ["failed", "deferred"]
    assert subjects("status=sent&status=failed") == ["sent", "failed"]


def test_driver_connection_and_template_by_name():
    finished("sent", subject="a", template="mail/test", settled={"driver": "smtp", "connection": "Relay A"})
    finished("sent", subject="b", template="mail/other", settled={"driver": "log", "connection": "Relay B"})
    assert subjects("driver=smtp") == subjects("connection=Relay+A") == subjects("template=mail/test") == ["a"]
    assert subjects("driver=smtp&connection=Relay+B") == []


def test_every_word_is_looked_for_in_recipients_subject_and_reason_in_any_case():
    finished("deferred", "Ann@example.com", subject="Invoice: Ärger", settled={"reason": "451 Greylisted"})
    finished("sent", "bob@example.com", subject="Something else")
    for query in [
        "q=ann%40exa",
        "q=ANN",
        "q=invoice",
        "q=INVOICE+ann",
        "q=greylisted",
        "q=451+invoice",
        "q=%C3%84RGER",
        "q=%C3%A4rger",
    ]:
        assert subjects(query) == ["Invoice: Ärger"], query


def test_words_must_all_match_from_their_beginning():
    finished("sent", "ann@example.com")
    for query in ["q=ann+bob", "q=nn", "q=_nn", "q=exampl.com"]:
        assert subjects(query) == [], query


def test_a_day_is_a_day_in_the_time_zone_in_force():
    created_at(datetime(2026, 3, 9, 22, 59, tzinfo=UTC), "late on the 9th in Berlin")
    created_at(datetime(2026, 3, 9, 23, 1, tzinfo=UTC), "early on the 10th in Berlin")
    created_at(datetime(2026, 3, 10, 23, 1, tzinfo=UTC), "the 11th in Berlin")
    with timezone.override("Europe/Berlin"):
        assert subjects("date_from=2026-03-10&date_to=2026-03-10") == ["early on the 10th in Berlin"]
        assert subjects("date_from=2026-03-11") == ["the 11th in Berlin"]
        assert subjects("date_to=2026-03-09") == ["late on the 9th in Berlin"]
    assert len(subjects("date_to=2026-03-09")) == 2
    assert subjects("date_from=2026-03-12") == []
    assert subjects("date_to=2026-03-08") == []


def test_what_cannot_be_used_is_said_at_its_field():
    for query, field in [
        ("status=lost", "status"),
        ("status=sent&status=lost", "status"),
        ("driver=pigeon", "driver"),
        ("connection=%00", "connection"),
        ("template=999", "template"),
        ("date_from=2026-02-30", "date_from"),
        ("date_from=yesterday", "date_from"),
        ("date_from=0001-01-01", "date_from"),
        ("date_to=9999-12-31", "date_to"),
        ("date_from=2026-03-02&date_to=2026-03-01", "date_to"),
        ("q=%00", "q"),
        ("q=" + "x" * 10_000, "q"),
        ("q=" + "+".join("abcdefghijklm"), "q"),
        ("q=%25", "q"),
        ("q=statsu:failed", "q"),
        ("q=status:lost", "q"),
        ("q=before:2026-02-30", "q"),
        ("q=connection:nowhere", "q"),
    ]:
        assert errors(query) == {field}, (query, field)


def page(query: str = ""):
    params = QueryDict(query)
    return page_of(MessageFilter(params).result, params)


def test_pages_lead_to_the_end_and_back_without_loss():
    ids = [queued() for _ in range(120)][::-1]
    first = page()
    second = page(f"before={first.older}")
    third = page(f"before={second.older}")
    assert [mail.pk for one in (first, second, third) for mail in one.rows] == ids
    assert (first.newer, third.older) == (None, None)
    back = page(f"after={third.newer}")
    assert [mail.pk for mail in back.rows] == ids[50:100]
    assert (back.newer, back.older) == (ids[50], ids[99])
    newest = page(f"after={back.newer}")
    assert [mail.pk for mail in newest.rows] == ids[:50]
    assert newest.newer is None
    assert newest.older == first.older


def test_the_newest_page_is_always_full():
    ids = [queued() for _ in range(60)][::-1]
    assert [mail.pk for mail in page(f"after={ids[3]}").rows] == ids[:50]


def test_a_place_behind_everything_is_empty_and_leads_back():
    queued()
    empty = page("before=1")
    assert empty.rows == []
    assert len(page(f"after={empty.newer}").rows) == 1


def test_a_place_that_is_no_id_is_refused():
    for query in ["before=abc", "before=99999999999999999999", "after=-1", "before=1.5", "after=%00"]:
        with case(query), pytest.raises(ValueError, match="number of a message"):
            page(query)


def test_paging_keeps_to_the_filter():
    kept = [finished("failed").pk if number % 2 else finished("sent").pk and None for number in range(110)]
    ids = [pk for pk in kept if pk][::-1]
    assert [mail.pk for mail in page("status=failed").rows] == ids[:50]
    assert [mail.pk for mail in page(f"status=failed&before={ids[49]}").rows] == ids[50:]


def test_counts_are_by_state():
    finished("sent")
    finished("sent")
    finished("failed")
    counts = status_counts()
    assert set(counts) == set(Status.values)
    assert (counts["sent"], counts["failed"], counts["held"]) == (Count(2), Count(1), Count(0))


def test_counting_stops_at_ten_thousand():
    queued()
    template = Message.objects.get()
    Label.objects.get()
    for status in ("sent", "failed"):
        store_rows(template, ({"status": status, "next_attempt_at": None} for _ in range(10_050)))
    with CaptureQueriesContext(connection) as first:
        counts = status_counts()
    assert str(counts["sent"]) == str(counts["failed"]) == "10,000+"
    finished("logged")
    with CaptureQueriesContext(connection) as again:
        counts = status_counts()
    assert (str(counts["sent"]), str(counts["failed"]), str(counts["logged"])) == ("10,000+", "10,000+", "1")
    assert list(counts) == list(Status)
    assert "'failed'" in first.captured_queries[-1]["sql"]
    assert "'failed'" not in again.captured_queries[-1]["sql"]  # not counted again for half a minute


def test_the_counts_take_two_queries_whatever_is_in_the_log(django_assert_num_queries):
    with django_assert_num_queries(2):
        status_counts()
    finished("sent")
    with django_assert_num_queries(2):
        status_counts()


def test_what_is_unfinished_is_counted():
    assert count_unfinished() == 0
    queued()
    claimed(queued())
    queued(status="held")
    finished("sent")
    finished("failed", settled={"attempt": attempt(outcome="failed")})
    assert count_unfinished() == 3


def test_a_mail_whose_worker_died_is_overdue_and_one_that_is_being_sent_is_not():
    pk = queued()
    claimed(pk)
    assert oldest_waiting().due_seconds is None
    assert count_unfinished() == 1
    Message.objects.filter(pk=pk).update(next_attempt_at=timezone.now() - timedelta(minutes=4))
    assert 235 < oldest_waiting().due_seconds < 245
    assert recover_expired() == 1
