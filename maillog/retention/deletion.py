"""Deletes messages, or only their content, once they are finished and will not be tried again.

The only module that deletes messages; the search index follows in the same transaction. The conditions are checked
again on locked rows, so that a message retried in the meantime stays. Batching is left to callers: each call is one
short transaction, or part of the caller's.
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
    """Return the finished messages among `mails`; an uncertain one that will be tried again is not finished."""
    return mails.filter(status__in=DELETABLE, next_attempt_at__isnull=True)


def delete(ids: Iterable[int], *, actor: AbstractBaseUser | None) -> list[int]:
    """Delete the finished messages among `ids` on behalf of `actor`, write to the audit log, and return their ids."""
    with transaction.atomic():
        deleted = delete_rows(list(ids))
        audit_log.record(audit_log.Action.DELETED, deleted, actor=actor)
    return deleted


def delete_rows(ids: Sequence[int]) -> list[int]:
    """Delete the finished messages among `ids` and all their rows, and return their ids. Writes no audit log."""
    with transaction.atomic():
        deleted = _lock_deletable(ids)
        if deleted:
            for model in (Content, Transcript, Attempt, Recipient):
                _delete_by_id(model, "message_id", deleted)
            _delete_by_id(Message, "id", deleted)
            writing.remove(deleted)
    return deleted


def delete_contents(ids: Sequence[int]) -> int:
    """Delete content and transcripts of the finished messages among `ids`, and return how many had content."""
    with transaction.atomic():
        ended = id_list(_lock_deletable(ids))
        Transcript.objects.filter(message_id__in=ended).delete()
        return Content.objects.filter(message_id__in=ended).delete()[0]


def _delete_by_id(model: type[models.Model], column: str, ids: Sequence[int]) -> None:
    """Delete in one statement. Django would load every message first, to look for rows that refer to it."""
    table = connection.ops.quote_name(model._meta.db_table)
    numbers = ",".join(str(int(each)) for each in ids)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({numbers})")  # noqa: S608  (our own names, digits)


def _lock_deletable(ids: Sequence[int]) -> list[int]:
    ended = deletable(Message.objects.filter(id__in=id_list(ids)))
    return list(ended.select_for_update().order_by("id").values_list("id", flat=True))
