"""What is on disk when a commit returns: what was promised, and not what can be found out again."""

import pytest
from django.db import connection

from maillog.queue import settling
from maillog.queue.settling import settle
from maillog.sql.durability import commit_asynchronously
from tests.maillog.makers import claimed, queued, settlement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def waits_for_the_disk() -> bool:
    """Return whether commits of this thread's connection wait until they are on disk."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous" if connection.vendor == "sqlite" else "SHOW synchronous_commit")
        (level,) = cursor.fetchone()
    return level in {2, "on"}  # in WAL mode, NORMAL (1) waits only at a checkpoint


def test_only_the_commit_of_results_does_not_wait_for_the_disk(monkeypatch):
    mail = claimed(queued())
    waited = []
    write = settling._write_messages

    def noting(*given):
        waited.append(waits_for_the_disk())
        write(*given)

    monkeypatch.setattr(settling, "_write_messages", noting)
    assert waits_for_the_disk()
    assert settle([settlement(mail)]) == {mail.id}
    assert waited == [False]
    assert waits_for_the_disk()


def test_commits_wait_for_the_disk_again_after_results_could_not_be_written():
    with pytest.raises(ZeroDivisionError), commit_asynchronously("default"):
        raise ZeroDivisionError
    assert waits_for_the_disk()
