"""The search index keeps step with the rows, whatever becomes of a mail."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog.index import writing
from maillog.models import Message
from maillog.queue.actions import cancel, retry_now
from maillog.queue.claiming import claim_by_id, claim_due, recover_expired
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import settle
from tests.maillog.makers import LEASE, claimed, finished, new_message, queued, settlement
from tests.maillog.search.searching import search, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def index_now() -> dict[int, tuple[str, ...]]:
    columns = "id, tokens::text" if connection.vendor == "postgresql" else f"rowid, {', '.join(writing.COLUMNS)}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {writing.TABLE}")
        return {row[0]: row[1:] for row in cursor.fetchall()}


def assert_in_step():
    kept = index_now()
    writing.rebuild()
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
    assert claim_by_id([pk], lease=LEASE, worker="test") == []
    assert subjects("error:missing status:failed") == ["Your invoice"]


def test_sending_a_mail_writes_nothing_into_the_index():
    mail = claimed(queued())
    with CaptureQueriesContext(connection) as captured:
        settle_inside_a_test(mail)
    assert not [one for one in captured.captured_queries if writing.TABLE in one["sql"]]


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
    writing.remove(pks[:1])
    assert list(index_now()) == pks[1:]


def test_the_command_makes_the_index_anew():
    pk = queued(subject="Zeppelin", tags=["a/b"])
    writing.remove([pk])
    assert subjects("zeppelin") == []
    out = StringIO()
    call_command("rebuild_log_index", stdout=out)
    assert "Messages in the index: 1" in out.getvalue()
    assert subjects("zeppelin tag:A/B") == ["Zeppelin"]


def test_very_many_recipients_and_very_long_words_are_taken():
    queued(*[f"customer{number}@example.org" for number in range(3000)], subject="x" * 998)
    assert len(subjects("customer17@example.org")) == 1
    assert len(subjects("x" * 400)) == 1


def test_claims_and_settlements_of_thousands_leave_one_entry_each():
    ids = enqueue([new_message() for _ in range(1200)])
    mails = claim_due(limit=1200, lease=LEASE, worker="test")
    settle([settlement(mail, "failed", reason="550 no") for mail in mails])
    assert sorted(index_now()) == sorted(ids)
    assert len(search("status:failed error:no").page(2000)) == 1200
