"""One mail as the list shows it. Made here, because the template's own filters took most of the page's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from maillog.columns import Layout, Texts, cells
from maillog.models import Label, Message, Status

CHANGING = ("id", "status", "reason", "tries", "connection_id", "driver_id", "finished_at")
FIELDS = (*CHANGING, "subject", "to_text", "created_at")
RELATIVE_DAYS = 7  # older ones are said by their date


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `state` changes with whatever may change of it."""

    pk: int
    state: str
    href: str
    status: str
    label: str
    subject: str
    recipients: str
    reason: str
    cells: SafeString
    tries: str
    when: SafeString


def fields(chosen: Layout) -> list[str]:
    """Return the columns of the table that rows with these columns need."""
    return sorted({*FIELDS, *chosen.fields})


def rows(mails: Sequence[Message], texts: Texts, chosen: Layout) -> list[Row]:
    """Return what the list shows of `mails`, times in the time zone in force. Senders take a query, if shown."""
    if chosen.has("sender"):
        senders = Label.objects.filter(id__in={mail.sender_id for mail in mails}).values_list("id", "text")
        texts = {**texts, **dict(senders)}
    labels = {status.value: str(status.label) for status in Status}
    log, now = reverse("maillog:list"), timezone.now()
    counts_tries = not chosen.has("tries")
    return [
        Row(
            pk=mail.pk,
            state=state(*(getattr(mail, name) for name in CHANGING)),
            href=f"{log}{mail.pk}/",  # what reverse("maillog:detail") says, which would be asked 50 times
            status=mail.status,
            label=labels[mail.status],
            subject=mail.subject,
            recipients=mail.recipients_shown,
            reason=mail.reason,
            cells=cells(mail, texts, chosen),
            tries=gettext("%d tries") % mail.tries if counts_tries and mail.tries > 1 else "",
            when=when(mail.created_at, now),
        )
        for mail in mails
    ]


def state(*values: object) -> str:
    """Return a short sign of `CHANGING`, by which a page tells whether a row is still as it shows it."""
    return f"{crc32(repr(values).encode('utf-8', 'replace')):x}"


def changed(shown: dict[int, str]) -> tuple[list[int], list[int]]:
    """Return which of the mails that a page shows (id -> state) have changed since, and which are gone: one query."""
    now = {row[0]: state(*row) for row in Message.objects.filter(id__in=shown).values_list(*CHANGING).order_by()}
    return (
        [pk for pk, before in shown.items() if pk in now and now[pk] != before],
        [pk for pk in shown if pk not in now],
    )


def when(moment: datetime, now: datetime) -> SafeString:
    """Return `moment` as the list shows it: how long ago, the exact time on hover; a date if that is days ago."""
    local = timezone.localtime(moment)
    return mark_safe(  # noqa: S308  (numbers, and words of ours)
        f'<time datetime="{local.isoformat(timespec="seconds")}" title="{_exactly(local)}">'
        f"{conditional_escape(ago(moment, now))}</time>"
    )


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, in one unit; its day if that was more than a week ago."""
    passed = now - moment
    if passed >= timedelta(days=RELATIVE_DAYS):
        local = timezone.localtime(moment)
        return date_format(local, "j M" if local.year == timezone.localtime(now).year else "j M Y")
    seconds = max(0, int(passed.total_seconds()))
    for size, text in units():
        if seconds >= size:
            return text.replace("#", str(seconds // size)) if size else text
    return ""


def units() -> list[tuple[int, str]]:
    """Return how times are said, largest unit first: from so many seconds on, # for the number. The page's, too."""
    return [
        (86_400, gettext("# d ago")),
        (3_600, gettext("# h ago")),
        (60, gettext("# min ago")),
        (0, gettext("just now")),
    ]


def _exactly(local: datetime) -> str:
    return date_format(local, "j M Y, H:i:s T")


def mails_in_words(count: int, *, more: bool) -> str:
    """Return how many new mails there are."""
    return ngettext("%s new mail", "%s new mails", count) % f"{count}{'+' if more else ''}"


def texts_of(label_ids: Iterable[tuple[tuple[str, str], int]]) -> dict[int, str]:
    """Return the texts of labels by their ids, from their ids by kind and text."""
    return {pk: text for (_kind, text), pk in label_ids}
