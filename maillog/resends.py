"""Links between messages and their resends: the new message refers to the old one."""

from __future__ import annotations

from maillog.models import Message

MAX_LISTED = 20  # ids that a page shows


def resent_as(mail_id: int) -> list[int]:
    """Return the ids of the messages that resend this one, newest first, up to 21: one index lookup."""
    # SQLite uses the partial index only if the query repeats its condition.
    resends = Message.objects.filter(resent_from=mail_id, resent_from__isnull=False)
    return list(resends.order_by("-id").values_list("id", flat=True)[: MAX_LISTED + 1])


def record_resend(new: int, *, resent_from: int) -> None:
    """Record that `new`, stored in the caller's transaction, replaces the message `resent_from`."""
    Message.objects.filter(pk=new).update(resent_from=resent_from)
