"""What a worker gets of the messages that it has claimed, read in few statements and without model objects.

Rows that cannot be read (a text that is not UTF-8 on SQLite, say) keep no other message from being sent: each message
whose rows raise is handed over with its fault alone.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from maillog import suppressions
from maillog.content.storage import ContentDamagedError, unpack
from maillog.index import writing
from maillog.labels import label_texts
from maillog.models import Content, Message, Recipient, Status, Suppression
from maillog.retriable import OPEN_OUTCOMES
from maillog.sql.batches import id_list, read_rows
from maillog.statistics import rollups
from maillog.text import fit, server_reply_line

RECIPIENT_FIELDS = ("id", "message_id", "address", "search_address", "outcome")  # what is read of a recipient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecipient:
    """A recipient that still has to get the message."""

    id: int
    address: str
    search_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message leased to this worker; `claim` proves it. `attempt_count` includes the attempt that now begins.

    `fault`: what its rows raised when they were read; then nothing else is known of it, and it cannot be sent.
    """

    id: int
    claim: str
    sender: str = ""
    recipients: tuple[OpenRecipient, ...] = ()
    mime: bytes = field(repr=False, default=b"")
    subject: str = ""
    template: str = ""
    message_id: str = ""
    attempt_count: int
    worker_deaths: int = 0
    actor_id: int | None = None
    connection_hint: str = ""
    needs_smtputf8: bool = False
    is_test: bool = False
    is_sensitive: bool = False
    was_accepted: bool = False  # by an earlier attempt, for some recipient
    refusal: str = ""  # the reply about the first recipient for which an earlier attempt was refused
    mode: str = ""
    fault: Exception | None = None

    @property
    def failed_status(self) -> Status:
        """The status with which it ends if no further recipient gets it."""
        return Status.PARTLY_SENT if self.was_accepted else Status.FAILED


class DueRow(NamedTuple):
    """What claiming reads of a message. Plain values: building model objects costs more than reading the rows."""

    id: int
    status: str
    claim: str
    sender_id: int
    subject: str
    template_id: int | None
    message_id: str
    attempt_count: int
    worker_deaths: int
    actor_id: int | None
    connection_hint: str
    needs_smtputf8: bool
    is_test: bool
    is_sensitive: bool
    mode: str


def read_claimed(ids: list[int], token: str) -> list[ClaimedMessage]:
    """Return the claimed messages in the order of `ids`. Those that cannot be sent at all are finished here.

    What raises for many is read in halves, so that it is one message's fault in the end.
    """
    try:
        return _read_batch(ids, token)
    except Exception as error:
        attempts = dict(Message.objects.filter(id__in=id_list(ids)).values_list("id", "attempt_count"))
        if len(ids) == 1:
            return [
                ClaimedMessage(id=pk, claim=token, attempt_count=count, fault=error) for pk, count in attempts.items()
            ]
        logger.warning("%d claimed messages could not be read together.", len(ids), exc_info=True)
        middle = len(ids) // 2
        return read_claimed(ids[:middle], token) + read_claimed(ids[middle:], token)


def _read_batch(ids: list[int], token: str) -> list[ClaimedMessage]:
    found = map(DueRow._make, read_rows(Message, DueRow._fields, ids))
    rows = {row.id: row for row in found if row.claim == token and row.status == Status.SENDING}
    labels = label_texts(pk for row in rows.values() for pk in (row.sender_id, row.template_id) if pk)
    contents = dict(read_rows(Content, ["message_id", "mime"], rows, by="message_id"))
    recipients: dict[int, list[OpenRecipient]] = {pk: [] for pk in rows}
    refused: set[int] = set()
    accepted: set[int] = set()
    recipient_rows = read_rows(Recipient, RECIPIENT_FIELDS, rows, by="message_id")
    suppressed = suppressions.find_suppressed(
        shown for *_, shown, outcome in recipient_rows if outcome in OPEN_OUTCOMES
    )
    to_skip: dict[int, dict[int, Suppression]] = {}  # by message, then by recipient
    for pk, message_id, address, shown, outcome in recipient_rows:
        if outcome in OPEN_OUTCOMES:
            if shown in suppressed:
                to_skip.setdefault(message_id, {})[pk] = suppressed[shown]
            else:
                recipients[message_id].append(OpenRecipient(id=pk, address=address, search_address=shown))
        elif outcome == Recipient.Outcome.REFUSED:
            refused.add(message_id)
        elif outcome == Recipient.Outcome.ACCEPTED:
            accepted.add(message_id)
    refusals = _first_refusals(refused)
    claimed = []
    for pk in ids:
        row = rows.get(pk)
        if row is None:
            continue
        try:
            got_it = Status.PARTLY_SENT if pk in refused else Status.SENT
            if pk in to_skip:
                nobody_left = not recipients[pk]
                status = got_it if pk in accepted else Status.FAILED if pk in refused else Status.SKIPPED
                _skip_suppressed(row, to_skip[pk], then=status if nobody_left else None, refusal=refusals.get(pk, ""))
                if nobody_left:
                    continue
            try:
                mime = unpack(contents[pk])
            except (KeyError, ContentDamagedError):
                reason = gettext("The content of this message is missing or damaged, so there is nothing to send.")
                _end(row, reason, status=Status.PARTLY_SENT if pk in accepted else Status.FAILED)
                continue
            if not recipients[pk]:
                reason = gettext("This message has no recipients left to try.")
                _end(row, reason, status=got_it if pk in accepted else Status.FAILED)
                continue
            claimed.append(
                _claimed_message(
                    row,
                    labels,
                    tuple(recipients[pk]),
                    mime,
                    was_accepted=pk in accepted,
                    refusal=refusals.get(pk, ""),
                )
            )
        except Exception as error:  # noqa: BLE001  (of this message alone; the worker logs and records it)
            claimed.append(ClaimedMessage(id=pk, claim=token, attempt_count=row.attempt_count, fault=error))
    return claimed


def _first_refusals(ids: Collection[int]) -> dict[int, str]:
    """Return the reply about the first refused recipient of each of these messages; no query without messages."""
    if not ids:
        return {}
    refused = Recipient.objects.filter(message_id__in=id_list(ids), outcome=Recipient.Outcome.REFUSED).order_by("-id")
    rows = refused.values_list("message_id", "code", "enhanced_code", "reply")
    return {
        message_id: server_reply_line(code, enhanced_code, reply) or str(Recipient.Outcome.REFUSED.label)
        for message_id, code, enhanced_code, reply in rows
    }


def _skip_suppressed(row: DueRow, recipients: dict[int, Suppression], *, then: Status | None, refusal: str) -> None:
    """Record that these recipients, by the id of their row, are suppressed.

    If no other recipient is left, the message ends as `then`, and the attempt booked for it is undone. `refusal`: the
    reply about a recipient that was refused before.
    """
    with transaction.atomic():
        mine = Message.objects.select_for_update().filter(pk=row.id, claim=row.claim)
        if not mine.exists():
            return
        for pk, suppression in recipients.items():
            reply = fit(suppressions.describe(suppression), 500)
            said = {"code": None, "enhanced_code": "", "reply": reply}
            Recipient.objects.filter(pk=pk).update(outcome=Recipient.Outcome.SKIPPED, **said)
        if then is None:
            return
        rollups.undo_ended([row.id])
        mine.update(
            status=then,
            reason=""
            if then == Status.SENT
            else fit(refusal or suppressions.describe(next(iter(recipients.values()))), 500),
            finished_at=timezone.now(),
            next_attempt_at=None,
            claim="",
            attempt_count=F("attempt_count") - 1,
        )
        rollups.record_ended([row.id])
        if row.is_sensitive:
            Content.objects.filter(message_id=row.id).delete()
        writing.refresh([row.id])


def _end(row: DueRow, reason: str, *, status: Status) -> None:
    mine = Message.objects.select_for_update().filter(pk=row.id, claim=row.claim)
    with transaction.atomic():
        ids = list(mine.values_list("id", flat=True))
        rollups.undo_ended(ids)
        reason = "" if status == Status.SENT else reason
        mine.update(status=status, reason=reason, finished_at=timezone.now(), next_attempt_at=None, claim="")
        rollups.record_ended(ids)
        writing.refresh([row.id])


def _claimed_message(
    row: DueRow,
    labels: Mapping[int, str],
    recipients: tuple[OpenRecipient, ...],
    mime: bytes,
    *,
    was_accepted: bool,
    refusal: str,
) -> ClaimedMessage:
    return ClaimedMessage(
        id=row.id,
        claim=row.claim,
        sender=labels[row.sender_id],
        recipients=recipients,
        mime=mime,
        subject=row.subject,
        template=labels[row.template_id] if row.template_id else "",
        message_id=row.message_id,
        attempt_count=row.attempt_count,
        worker_deaths=row.worker_deaths,
        actor_id=row.actor_id,
        connection_hint=row.connection_hint,
        needs_smtputf8=row.needs_smtputf8,
        is_test=row.is_test,
        is_sensitive=row.is_sensitive,
        was_accepted=was_accepted,
        refusal=refusal,
        mode=row.mode,
    )
