"""What the search finds is what is exported and removed, and what was removed is found no more."""

import csv
import io
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog.index import writing
from maillog.models import Message
from maillog.retention import deletion, pruning
from maillog.search import export
from maillog.search.filters import MessageFilter
from tests.cases import case
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(pruning, "MIN_PAUSE", 0)


def found(query: str) -> list[int]:
    """Return what the search finds newest first, the same by every way there is."""
    mails = MessageFilter(QueryDict(urlencode({"q": query}))).result
    numbers = [mail.pk for mail in mails.page(1000)]
    assert [mail.pk for mail in mails.oldest(1000)] == numbers[::-1]
    assert [pk for batch in mails.batches(2) for pk in batch] == numbers
    assert mails.count() == len(numbers)
    return numbers


def entries() -> set[int]:
    key = "id" if connection.vendor == "postgresql" else "rowid"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {key} FROM {writing.TABLE}")
        return {pk for (pk,) in cursor.fetchall()}


QUERIES = ("zeppelin", "ann@example.com", "error:greylisted", "-invoice", "has:attachment", "tag:bulk", "status:failed")


def test_what_was_pruned_or_deleted_is_found_no_more(admin):
    fields = {"subject": "Zeppelin", "tags": ["bulk"], "has_attachment": True}
    pruned = [finished(status, **fields, settled={"reason": "451 greylisted"}).pk for status in ("sent", "failed")]
    Message.objects.update(created_at=timezone.now() - timedelta(days=4000))
    deleted = [finished(status, **fields, settled={"reason": "451 greylisted"}).pk for status in ("sent", "failed")]
    waits = queued("ben@example.org", subject="Invoice")
    assert found("zeppelin") == [*pruned, *deleted][::-1]
    assert found("error:greylisted status:failed") == [deleted[1], pruned[1]]
    pruning.prune(now=timezone.now())
    assert entries() == {*deleted, waits}
    assert found("zeppelin") == deleted[::-1]
    assert deletion.delete([*deleted, waits], actor=admin) == deleted
    assert entries() == {waits}
    assert {query: found(query) for query in QUERIES} == {query: [] for query in QUERIES}
    assert found("invoice") == [waits]


def test_a_mail_whose_body_alone_was_pruned_is_found_as_before():
    mail = finished(subject="Zeppelin", has_attachment=True)
    Message.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert pruning.prune(now=timezone.now()).bodies == {"sent": 1}
    assert found("zeppelin has:attachment") == [mail.pk]


def test_an_export_holds_what_the_search_finds_chunk_by_chunk(admin_client, monkeypatch):
    monkeypatch.setattr(export, "CHUNK_SIZE", 3)
    odd = [queued(subject=f"{'odd' if number % 2 else 'even'} {number}") for number in range(20)][1::2]
    for query in ["odd", "odd status:queued", "-even to:ann@", "odd after:1h -error:greylisted"]:
        for form in ["csv", "jsonl"]:
            with case(query, form):
                with CaptureQueriesContext(connection) as captured:
                    response = admin_client.get(f"/log/export.{form}?{urlencode({'q': query})}")
                    text = b"".join(response.streaming_content).decode("utf-8-sig")
                lines = csv.DictReader(io.StringIO(text)) if form == "csv" else map(json.loads, text.splitlines())
                assert [int(line["id"]) for line in lines] == odd[::-1]
                chunks = [one["sql"] for one in captured.captured_queries if '"to_text"' in one["sql"]]
                assert len(chunks) == 4  # of ten mails, three at a time


def test_an_export_without_what_is_asked_for_leads_to_what_is_wrong_with_the_query(admin_client):
    response = admin_client.get("/log/export.csv?q=status:nonsense")
    assert response.status_code == 302
    assert "nonsense" in admin_client.get(response["Location"]).content.decode()
