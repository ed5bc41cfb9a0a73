"""The log as a file: every mail that matches, no formula for a spreadsheet, the same values in both formats."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from maillog.models import Message
from maillog.search import export
from tests.cases import rolled_back
from tests.factories import make_user
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def table(response):
    text = b"".join(response.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_csv_holds_every_mail_that_matches_newest_first(admin_client):
    finished("failed", "ann@example.com", subject="Ärger, “quoted”\u2028", settled={"reason": "550 no"})
    queued("ben@example.com", subject="Invoice")
    response = admin_client.get("/log/export.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="mails-' in response["Content-Disposition"]
    second, first = table(response)
    assert (first["to"], first["status"], first["connection"], first["reason"]) == (
        "ann@example.com",
        "failed",
        "Relay A",
        "550 no",
    )
    assert first["subject"] == "Ärger, “quoted”\u2028"
    assert first["created_at"].endswith("+00:00")
    assert "T" in first["created_at"]
    assert (second["finished_at"], second["driver"]) == ("", "")
    (only,) = table(admin_client.get("/log/export.csv?status=failed"))
    assert only["id"] == first["id"]


def test_no_cell_of_the_csv_is_a_formula(admin_client):
    for start in ["=", "+", "-", "@", "\t", "\r", "＝"]:
        with rolled_back(start):
            evil = f"{start}HYPERLINK(1)"
            pk = queued(subject=evil)
            Message.objects.filter(pk=pk).update(reason=evil, actor_name=evil)
            (row,) = table(admin_client.get("/log/export.csv"))
            assert (row["subject"], row["reason"], row["sent_by"]) == (f"'{evil}",) * 3
            (line,) = b"".join(admin_client.get("/log/export.jsonl").streaming_content).splitlines()
            assert json.loads(line)["subject"] == evil


def test_json_lines_hold_one_object_a_mail_with_the_same_names(admin_client):
    mail = finished()
    (line,) = b"".join(admin_client.get("/log/export.jsonl").streaming_content).splitlines()
    found = json.loads(line)
    assert tuple(found) == export.COLUMNS
    assert (found["id"], found["is_test"], found["from"], found["template"]) == (mail.pk, False, "shop@example.com", "")


def test_times_are_iso_8601_in_utc_to_the_millisecond(admin_client):
    for moment, text in [
        (datetime(2026, 3, 29, 1, 30, 5, 123_999, tzinfo=UTC), "2026-03-29T01:30:05.123+00:00"),
        (datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), "1999-12-31T23:59:59.000+00:00"),
    ]:
        with rolled_back(text):
            Message.objects.filter(pk=queued()).update(created_at=moment, finished_at=moment)
            with timezone.override("Europe/Berlin"):
                (row,) = table(admin_client.get("/log/export.csv"))
            assert row["created_at"] == row["finished_at"] == text


def test_many_chunks_are_one_file_without_gaps(admin_client, monkeypatch):
    monkeypatch.setattr(export, "CHUNK_SIZE", 3)
    numbers = [queued() for _ in range(7)]
    assert [int(row["id"]) for row in table(admin_client.get("/log/export.csv"))] == numbers[::-1]


def test_an_empty_export_has_the_heading(admin_client):
    response = admin_client.get("/log/export.csv")
    assert b"".join(response.streaming_content).decode().strip().endswith("resent_from")


def test_a_filter_that_cannot_be_used_leads_to_the_list_that_says_so(admin_client):
    response = admin_client.get("/log/export.csv?status=nonsense&date_from=2026-13-99")
    assert response.status_code == 302
    page = admin_client.get(response["Location"])
    assert "Nothing is listed" in page.content.decode()


def test_what_mails_say_is_in_neither(admin_client):
    finished()
    for form in ("csv", "jsonl"):
        assert b"here it is" not in b"".join(admin_client.get(f"/log/export.{form}").streaming_content)


def test_without_the_permission_nothing_is_exported():
    user = make_user("eve@example.com")
    client = Client()
    client.force_login(user)
    assert client.get("/log/export.csv").status_code == 403
