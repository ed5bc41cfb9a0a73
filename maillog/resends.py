"""Links between messages and their resends: the new message refers to the old one."""

from __future__ import annotations

from collections.abc import Collection

from maillog.models import FINAL, Message, Recipient, Status
from maillog.retriable import OPEN_OUTCOMES
from maillog.sql.batches import id_list

MAX_LISTED = 20  # ids that a page shows


def resent_as(mail_id: int) -> list[int]:
    """Return the ids of the messages that resend this one, newest first, up to 21: one index lookup."""
    # SQLite uses the partial index only if the query repeats its condition.
    resends = Message.objects.filter(resent_from=mail_id, resent_from__isnull=False)
    return list(resends.order_by("-id").values_list("id", flat=True)[: MAX_LISTED + 1])


def is_for_the_rest(mail: Message) -> bool:
    """Return whether some recipients got `mail` and others did not, so that a resend goes only to these."""
    return mail.status != Status.SENT and any(
        one.outcome == Recipient.Outcome.ACCEPTED for one in mail.recipients.all()
    )


def reached_by_copies(ids: Collection[int]) -> dict[int, set[str]]:
    """Return the addresses that a copy of each of these messages has reached or is on its way to.

    Copies of copies count, too. Two queries for each generation of copies, and one for the last.
    """
    origins = {pk: pk for pk in ids}
    reached: dict[int, set[str]] = {}
    while origins:
        copies = Message.objects.filter(resent_from__in=id_list(origins), resent_from__isnull=False).order_by()
        rows = copies.values_list("id", "resent_from", "status")
        found = {pk: (origins[old], status) for pk, old, status in rows if old is not None}
        outcomes = Recipient.objects.filter(message_id__in=id_list(found)).order_by() if found else None
        for pk, address, outcome in outcomes.values_list("message_id", "address", "outcome") if outcomes else ():
            origin, status = found[pk]
            if outcome == Recipient.Outcome.ACCEPTED or (outcome in OPEN_OUTCOMES and status not in FINAL):
                reached.setdefault(origin, set()).add(address)
        origins = {pk: origin for pk, (origin, _status) in found.items()}
    return reached


def record_resend(new: int, *, resent_from: int) -> None:
    """Record that `new`, stored in the caller's transaction, replaces the message `resent_from`."""
    Message.objects.filter(pk=new).update(resent_from=resent_from)
