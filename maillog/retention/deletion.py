"""Takes mails out of the log: whole rows, or only what they say. Only what has ended, and is not to be tried again.

The only place that deletes; the search index forgets in the same transaction. The conditions are looked at once more on
locked rows, so a mail that somebody made due meanwhile stays. Batches are the callers' matter: each call is one short
transaction (or part of the caller's).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.db import connection, models, transaction
from django.db.models import QuerySet

from maillog import audit_log
from maillog.index import writing
from maillog.models import FINAL, Attempt, Content, Message, Recipient, Transcript
from maillog.sql.batches import id_list

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

DELETABLE = tuple(sorted(FINAL))


def deletable(mails: QuerySet[Message]) -> QuerySet[Message]:
    """Return those of `mails` that have ended; an uncertain one that will be tried again has not."""
    return mails.filter(status__in=DELETABLE, next_attempt_at__isnull=True)


def delete(ids: Iterable[int], *, actor: AbstractBaseUser | None) -> list[int]:
    """Delete those of `ids` that have ended, as `actor` asked, and return them; the trail says who and when."""
    with transaction.atomic():
        gone = delete_rows(list(ids))
        audit_log.record(audit_log.Action.DELETED, gone, actor=actor)
    return gone


def delete_rows(ids: Sequence[int]) -> list[int]:
    """Delete those of `ids` that have ended, with all that belongs to them, and return them. No trail."""
    with transaction.atomic():
        gone = _lock_deletable(ids)
        if gone:
            for model in (Content, Transcript, Attempt, Recipient):
                _delete_by_id(model, "message_id", gone)
            _delete_by_id(Message, "id", gone)
            writing.remove(gone)
    return gone


def delete_contents(ids: Sequence[int]) -> int:
    """Delete what those of `ids` say that have ended, and the transcripts; return how many contents there were."""
    with transaction.atomic():
        ended = id_list(_lock_deletable(ids))
        Transcript.objects.filter(message_id__in=ended).delete()
        return Content.objects.filter(message_id__in=ended).delete()[0]


def _delete_by_id(model: type[models.Model], column: str, ids: Sequence[int]) -> None:
    """Delete by one statement: Django would load every mail first, to look for rows that point to it."""
    table = connection.ops.quote_name(model._meta.db_table)
    numbers = ",".join(str(int(each)) for each in ids)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({numbers})")  # noqa: S608  (names and digits of ours)


def _lock_deletable(ids: Sequence[int]) -> list[int]:
    ended = deletable(Message.objects.filter(id__in=id_list(ids)))
    return list(ended.select_for_update().order_by("id").values_list("id", flat=True))
