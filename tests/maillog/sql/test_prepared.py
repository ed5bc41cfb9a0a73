"""Prepared queries find what Django's querysets find, as the same objects, with a statement that is written once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import CharField, Value

from maillog.models import Label, Message
from maillog.sql.prepared import PreparedQuery, db_datetime, load_objects
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def held(one) -> dict[str, object]:
    """Return all that an object holds, and what Django knows of it."""
    return {**vars(one), "_state": (one._state.adding, one._state.db), "deferred": one.get_deferred_fields()}


def same(found, expected):
    assert [type(one) for one in found] == [type(one) for one in expected]
    assert [held(one) for one in found] == [held(one) for one in expected]


def test_objects_are_those_that_django_makes():
    for number in range(3):
        finished("sent" if number else "failed", subject=f"Mail {number}")
    rows = Message.objects.order_by("-id")
    same(PreparedQuery(lambda: rows).all(), list(rows.all()))
    same(load_objects(rows), list(rows.all()))
    some = rows.only("id", "subject", "created_at", "driver_id")
    same(PreparedQuery(lambda: some).all(), list(some.all()))
    same(load_objects(some), list(some.all()))
    same(load_objects(rows.defer("subject")), list(rows.defer("subject")))


def test_what_was_left_out_is_read_when_it_is_asked_for_and_objects_can_be_saved(django_assert_num_queries):
    finished("sent", subject="Hello")
    (mail,) = load_objects(Message.objects.only("id", "driver_id"))
    with django_assert_num_queries(1):
        assert mail.subject == "Hello"
    with django_assert_num_queries(1):
        assert mail.driver.kind == "driver"
    mail.subject = "Changed"
    mail.save()
    assert Message.objects.get().subject == "Changed"


def test_nothing_is_found_as_nothing():
    assert load_objects(Message.objects.filter(id__in=[])) == []
    assert PreparedQuery(lambda: Message.objects.all()).all() == []
    assert PreparedQuery(lambda: Message.objects.all()).first() is None


def test_rows_that_need_more_than_their_columns_are_djangos(django_assert_num_queries):
    finished("sent")
    (mail,) = load_objects(Message.objects.select_related("driver"))
    with django_assert_num_queries(0):
        assert mail.driver.kind == "driver"


@pytest.mark.parametrize(
    "write",
    [
        lambda: Message.objects.select_related("driver"),
        lambda: Message.objects.prefetch_related("recipients"),
        lambda: Message.objects.annotate(one=Value(1)),
        lambda: Message.objects.values("id"),
        lambda: Message.objects.values_list("id", named=True),
    ],
)
def test_what_could_not_be_read_rightly_is_refused(write):
    with pytest.raises(TypeError, match="A prepared query yields"):
        PreparedQuery(write).all()


def test_tuples_and_single_values():
    mail = finished("sent", subject="Hello")
    assert PreparedQuery(lambda: Message.objects.values_list("id", "subject")).all() == [(mail.pk, "Hello")]
    assert PreparedQuery(lambda: Message.objects.values_list("subject", flat=True)).first() == "Hello"


def test_columns_are_converted():
    mail = finished("sent")
    (row,) = PreparedQuery(lambda: Message.objects.values_list("created_at", "is_test")).all()
    assert list(row) == [mail.created_at, False]
    assert row[0].tzinfo is UTC
    assert row[1] is False


def test_the_statement_is_written_once_and_takes_other_values(django_assert_num_queries):
    texts = ["plain", "100 %", "%s", "it's", 'a "b"', "ümläut"]
    Label.objects.bulk_create(Label(kind="template", text=text) for text in texts)
    asked = []

    def write(kind, text):
        asked.append((kind, text))
        return Label.objects.filter(kind=kind, text=text).values_list("text", flat=True)

    query = PreparedQuery(write)
    for text in texts:
        with django_assert_num_queries(1):
            assert query.all("template", text) == [text]
    assert query.all("driver", "plain") == []
    assert query.all("template", None) == []
    assert len(asked) == 1


def test_constants_of_the_queryset_stay():
    first, second = (Message.objects.get(pk=queued()) for _ in range(2))
    query = PreparedQuery(lambda least: Message.objects.filter(status="queued", id__gte=least).order_by("id")[:1])
    assert query.first(0) == first
    assert query.first(second.pk) == second
    assert query.first(second.pk + 1) is None


def test_times_are_given_as_the_database_takes_them():
    mail = finished("sent")
    since = PreparedQuery(lambda at: Message.objects.filter(created_at__gte=at))
    assert since.all(db_datetime(mail.created_at)) == [mail]
    assert since.all(db_datetime(mail.created_at + timedelta(microseconds=1))) == []
    assert since.all(db_datetime(datetime(1970, 1, 1, tzinfo=UTC))) == [mail]


def test_several_querysets_follow_one_another():
    mails = [*(Message.objects.get(pk=queued()) for _ in range(2)), finished("failed")]
    query = PreparedQuery(
        lambda least: [
            Message.objects.filter(status="failed", id__gt=least).order_by("-id")[:5],
            Message.objects.filter(status="queued", id__gt=least).order_by("id")[:1],
        ]
    )
    assert query.all(0) == [mails[2], mails[0]]
    assert query.all(mails[0].pk) == [mails[2], mails[1]]
    marked = PreparedQuery(
        lambda: [
            Message.objects.filter(status=status).order_by("id").values_list("id", Value(status, CharField()))[:1]
            for status in ("failed", "queued")
        ]
    )
    assert [tuple(row) for row in marked.all()] == [(mails[2].pk, "failed"), (mails[0].pk, "queued")]


def test_it_is_seen_by_whoever_looks_over_the_databases_shoulder():
    query = PreparedQuery(lambda: Message.objects.all())
    seen = []

    def noted(execute, sql, *more):
        seen.append(sql)
        return execute(sql, *more)

    with connection.execute_wrapper(noted):
        query.all()
    assert len(seen) == 1
