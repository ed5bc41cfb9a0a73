"""Which mail was sent again as which: the new one names the old one."""

from __future__ import annotations

from maillog.models import Message

MAX_LISTED = 20  # numbers that a page shows


def resent_as(mail_id: int) -> list[int]:
    """Return the numbers of the mails that repeat this one, newest first, 21 at most: one look into a small index."""
    # SQLite takes a partial index only if the query says its condition.
    mine = Message.objects.filter(resent_from=mail_id, resent_from__isnull=False)
    return list(mine.order_by("-id").values_list("id", flat=True)[: MAX_LISTED + 1])


def record_resend(new: int, *, resent_from: int) -> None:
    """Write that the mail `new`, which was stored in the caller's transaction, takes the place of another one."""
    Message.objects.filter(pk=new).update(resent_from=resent_from)
