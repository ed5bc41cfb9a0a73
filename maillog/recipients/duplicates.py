"""Possible duplicates among the messages to one address, with the reason.

A second message with the same subject and template within an hour may be intended (another password reset link) or a
fault of the sending application. A message may also have been sent twice because a final reply was lost, or because a
person resent it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.utils import timezone

from maillog.models import Message, Recipient
from maillog.search.conditions import first_id_since
from maillog.sql.batches import id_list

PERIOD = timedelta(days=30)
MOST_APART = timedelta(hours=1)
MOST_EXAMINED = 500  # newest messages to the address
MOST_SHOWN = 20


class DuplicateReason(StrEnum):
    """Why a message counts as a possible duplicate."""

    ALIKE = "alike"
    LOST_ANSWER = "lost_answer"
    RESENT = "resent"


class MessageKey(NamedTuple):
    """The columns of a message that are compared."""

    id: int
    subject: str
    template_id: int | None
    created_at: datetime
    possibly_duplicate: bool
    resent_from: int | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A message that may have arrived twice; `other` is the earlier one (None: the same message), `apart` before it."""

    mail: int
    subject: str
    reason: DuplicateReason
    at: datetime
    other: int | None = None
    apart: timedelta = timedelta()


def duplicates_of(address: str, *, now: datetime | None = None) -> list[Duplicate]:
    """Return the newest 20 duplicates among the newest 500 messages of the last 30 days to `address`: three queries."""
    first = first_id_since((now or timezone.now()) - PERIOD)
    if first is None:
        return []
    newest = Recipient.objects.filter(search_address=address).order_by("-id")
    ids = [number for number in newest.values_list("message_id", flat=True)[:MOST_EXAMINED] if number >= first]
    rows = Message.objects.filter(id__in=id_list(ids)).order_by().values_list(*MessageKey._fields)
    return find_duplicates(map(MessageKey._make, rows))[:MOST_SHOWN] if ids else []


def find_duplicates(lines: Iterable[MessageKey]) -> list[Duplicate]:
    """Return the duplicates among `lines`, given in any order, newest first."""
    found: list[Duplicate] = []
    before: dict[tuple[str, int | None], MessageKey] = {}
    known: dict[int, MessageKey] = {}
    for line in sorted(lines):
        known[line.id] = line
        kind = (" ".join(line.subject.split()).casefold(), line.template_id)
        earlier = before.get(kind)
        if line.resent_from:
            apart = line.created_at - known[line.resent_from].created_at if line.resent_from in known else timedelta()
            found.append(
                Duplicate(line.id, line.subject, DuplicateReason.RESENT, line.created_at, line.resent_from, apart)
            )
        elif earlier and line.created_at - earlier.created_at <= MOST_APART:
            apart = line.created_at - earlier.created_at
            found.append(Duplicate(line.id, line.subject, DuplicateReason.ALIKE, line.created_at, earlier.id, apart))
        if line.possibly_duplicate:
            found.append(Duplicate(line.id, line.subject, DuplicateReason.LOST_ANSWER, line.created_at))
        before[kind] = line
    return found[::-1]
