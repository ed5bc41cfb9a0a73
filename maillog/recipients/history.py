"""The messages to one address, newest first, each with its outcome for this recipient.

Everything is read through the index of addresses, at most the newest 1,000 messages at a time, so that an address with
100,000 messages costs no more than any other. Addresses are spelled as in `Recipient.search_address`: readable, in
lower case.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from maillog.models import Attempt, Message, Recipient, Status
from maillog.search.paging import page_of_rows
from maillog.sql.batches import id_list

MOST_EXAMINED = 1_000  # newest messages to an address that the verdict considers
MOST_WAITING_EXAMINED = 200  # newest waiting messages, of which the first one due is found
MOST_CANDIDATES = 500  # rows compared to find similar addresses
ADDRESS = re.compile(r"[^\s@:\"<>,;()]+@[^\s@:\"<>,;()]+\.[^\s@:\"<>,;().]+")

Outcome = Recipient.Outcome


class DeliveryOutcome(StrEnum):
    """The outcome of a message for one recipient, from the status of the message and the recipient's outcome."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    WAITING = "waiting"
    UNCERTAIN = "uncertain"
    LEFT_OUT = "left_out"
    UNSENT = "unsent"
    CANCELLED = "cancelled"


OUTCOME_BY_STATUS = {
    Status.LOGGED: DeliveryOutcome.UNSENT,
    Status.SILENCED: DeliveryOutcome.UNSENT,
    Status.SKIPPED: DeliveryOutcome.LEFT_OUT,
    Status.CANCELLED: DeliveryOutcome.CANCELLED,
    Status.PARTLY_SENT: DeliveryOutcome.GIVEN_UP,
    Status.FAILED: DeliveryOutcome.GIVEN_UP,
    Status.UNCERTAIN: DeliveryOutcome.UNCERTAIN,
}


def recipient_outcome(outcome: str, status: str) -> DeliveryOutcome:
    """Return the outcome for a recipient row with `outcome`, of a message with `status`."""
    match outcome:
        case Outcome.ACCEPTED:
            return DeliveryOutcome.ACCEPTED
        case Outcome.REFUSED:
            return DeliveryOutcome.REFUSED
        case Outcome.SKIPPED:
            return (
                DeliveryOutcome.UNSENT
                if OUTCOME_BY_STATUS.get(Status(status)) == DeliveryOutcome.UNSENT
                else DeliveryOutcome.LEFT_OUT
            )
        case Outcome.UNCERTAIN:
            return DeliveryOutcome.UNCERTAIN
        case _:
            return OUTCOME_BY_STATUS.get(Status(status), DeliveryOutcome.WAITING)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One message to the address; code, enhanced code and reply are the recipient's own."""

    recipient_id: int
    mail_id: int
    outcome: DeliveryOutcome
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The newest messages to an address, newest first, and whether there are more."""

    entries: Sequence[HistoryEntry] = ()
    more: bool = False

    @property
    def waiting(self) -> list[HistoryEntry]:
        return [one for one in self.entries if one.outcome == DeliveryOutcome.WAITING]

    @property
    def decided(self) -> list[HistoryEntry]:
        """The messages that are no longer waiting."""
        return [one for one in self.entries if one.outcome != DeliveryOutcome.WAITING]

    @property
    def streak(self) -> list[HistoryEntry]:
        """The newest decided messages up to the first with another outcome."""
        alike = []
        for one in self.decided:
            if one.outcome != self.decided[0].outcome:
                break
            alike.append(one)
        return alike


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message and its outcome for this recipient. `attempt`: the newest one that concerns it."""

    mail: Message
    recipient: Recipient
    outcome: DeliveryOutcome
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Messages to one address, newest first. `newer` and `older` are the ids to continue from, None at either end."""

    deliveries: list[Delivery] = field(default_factory=list)
    newer: int | None = None
    older: int | None = None


def history(address: str) -> History:
    """Return the newest 1,000 messages to `address`: two queries."""
    columns = ("id", "message_id", "outcome", "code", "enhanced_code", "reply")
    rows = list(_to(address).order_by("-id").values_list(*columns)[: MOST_EXAMINED + 1])
    undecided = {number for _, number, outcome, *_ in rows if outcome not in {Outcome.ACCEPTED, Outcome.REFUSED}}
    mails = Message.objects.filter(id__in=id_list(undecided)).order_by()
    states = dict(mails.values_list("id", "status")) if undecided else {}
    entries = [
        HistoryEntry(pk, number, recipient_outcome(outcome, states.get(number, Status.SENT)), code, enhanced, reply)
        for pk, number, outcome, code, enhanced, reply in rows[:MOST_EXAMINED]
    ]
    return History(entries, more=len(rows) > MOST_EXAMINED)


def next_due(waiting: Sequence[HistoryEntry]) -> HistoryEntry | None:
    """Return which of the newest 200 of `waiting` is due first, None if none of them exists any more."""
    numbers = {one.mail_id: one for one in waiting[:MOST_WAITING_EXAMINED]}
    rows = Message.objects.filter(id__in=id_list(numbers)).order_by().values_list("next_attempt_at", "id")
    due = sorted((at.timestamp() if at else math.inf, number) for at, number in rows)
    return numbers[due[0][1]] if due else None


def delivery(entry: HistoryEntry) -> Delivery | None:
    """Return the message of `entry` with its newest attempt, None if it was deleted in the meantime."""
    recipient = Recipient.objects.filter(pk=entry.recipient_id).first()
    mail = Message.objects.select_related("template").filter(pk=entry.mail_id).first()
    if recipient is None or mail is None:
        return None
    attempts = Attempt.objects.filter(message_id=mail.pk).order_by("-id")
    if entry.outcome == DeliveryOutcome.ACCEPTED:
        attempts = attempts.filter(outcome__in=[Attempt.Outcome.SENT, Attempt.Outcome.PARTIAL])
    return Delivery(mail, recipient, entry.outcome, attempts.first())


def page_of_deliveries(address: str, params: Mapping[str, Any]) -> DeliveryPage:
    """Return 50 messages to `address`, at ``before`` or ``after`` in `params`, the newest ones without them.

    Two queries, one more where ``after`` leads to the newest page. Raises ValueError if a position is not an id.
    """
    found = page_of_rows(_to(address), params)
    return DeliveryPage(_deliveries(found.rows), newer=found.newer, older=found.older)


def similar_addresses(address: str) -> list[str]:
    """Return at most three addresses in the log that are spelled similarly to `address`.

    Compares addresses with the same first three letters, and the same local part at other domains: at most 1,000 rows.
    """
    local = address.partition("@")[0]
    known: set[str] = set()
    for beginning in {f"{local}@", local[:3]}:
        known.update(_beginning(beginning).values_list("search_address", flat=True)[:MOST_CANDIDATES])
    return difflib.get_close_matches(address, sorted(known - {address}), n=3, cutoff=0.8)


def whole_address(query: str) -> str:
    """Return the address that `query` consists of, "" if it is anything else. The recipient page validates it."""
    text = query.strip().strip('"')
    return text if len(text) <= 320 and ADDRESS.fullmatch(text) else ""


def _to(address: str) -> QuerySet[Recipient]:
    return Recipient.objects.filter(search_address=address)


def _deliveries(rows: Iterable[Recipient]) -> list[Delivery]:
    recipients = list(rows)
    ids = id_list(row.message_id for row in recipients)
    mails = {mail.pk: mail for mail in Message.objects.select_related("template").filter(id__in=ids).order_by()}
    return [
        Delivery(mails[row.message_id], row, recipient_outcome(row.outcome, mails[row.message_id].status))
        for row in recipients
        if row.message_id in mails
    ]


def _beginning(text: str) -> QuerySet[Recipient]:
    """Return the recipients whose address begins with `text`, through the index, which LIKE does not use on SQLite."""
    rows = Recipient.objects.order_by()
    if connection.vendor == "postgresql":
        return rows.filter(search_address__startswith=text)
    return rows.filter(Q(search_address__gte=text) & Q(search_address__lt=f"{text}\N{REPLACEMENT CHARACTER}"))
