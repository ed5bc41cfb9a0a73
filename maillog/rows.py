"""Mails as the list shows them. Their HTML is put together here: fifty rows took a template most of the page's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from html import escape  # of Django's only the look for lazy texts is missing, which took longer
from zlib import crc32

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext

from maillog.columns import Layout, Texts, cells
from maillog.models import Label, Message, Status

CHANGING = ("id", "status", "reason", "tries", "connection_id", "driver_id", "finished_at")
FIELDS = (*CHANGING, "subject", "to_text", "created_at")
RELATIVE_DAYS = 7  # older ones are said by their date


def fields(chosen: Layout) -> list[str]:
    """Return the columns of the table that rows with these columns need."""
    return sorted({*FIELDS, *chosen.fields})


def rows(
    mails: Sequence[Message], texts: Texts, chosen: Layout, *, with_boxes: bool, apart: bool = False
) -> SafeString:
    """Return the rows of the list for `mails`, times in the time zone in force. Senders take a query, if shown.

    `apart`: they take the place of those that a page shows; a table cannot hold them otherwise than in templates.
    """
    if chosen.has("sender"):
        senders = Label.objects.filter(id__in={mail.sender_id for mail in mails}).values_list("id", "text")
        texts = {**texts, **dict(senders)}
    labels = {status.value: escape(str(status.label)) for status in Status}
    log, now, said = reverse("maillog:list"), timezone.now(), units()
    choose, no_subject = gettext("Choose mail %s"), escape(gettext("(no subject)"))
    counts_tries = not chosen.has("tries")
    before, swap, after = ("<template>", ' hx-swap-oob="true"', "</template>") if apart else ("", "", "")

    def row(mail: Message) -> str:
        pk, status, reason = mail.pk, f'data-status="{mail.status}"', escape(mail.reason)
        href = f"{log}{pk}/"  # what reverse("maillog:detail") says, which would be asked 50 times
        label = escape(choose % pk)
        box = (
            f'<input type="checkbox" name="ids" value="{pk}" id="pick-{pk}" aria-label="{label}">' if with_boxes else ""
        )
        title, why = (f' title="{reason}"', f'<span class="reason" {status}>{reason}</span>') if reason else ("", "")
        many = counts_tries and mail.tries > 1
        tries = f'<span class="tries">{escape(gettext("%d tries") % mail.tries)}</span>' if many else ""
        return (
            f'{before}<tr id="mail-{pk}" data-state="{state(*(getattr(mail, name) for name in CHANGING))}"{swap}>'
            f'<td><span class="pick">{box}<span class="status" {status}>{labels[mail.status]}</span></span></td>'
            f'<td class="main"><a class="row-link" id="open-{pk}" href="{href}"{title}>'
            f"{escape(mail.subject) or no_subject}</a>"
            f'<span class="muted">{escape(mail.recipients_shown)}</span>{why}</td>'
            f"{cells(mail, texts, chosen)}"
            f'<td class="corner"><a class="when" href="{href}" tabindex="-1">{when(mail.created_at, now, said)}</a>'
            f"{tries}</td></tr>{after}"
        )

    return mark_safe("\n".join([row(mail) for mail in mails]))  # noqa: S308  (what comes from outside is escaped)


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


def when(moment: datetime, now: datetime, said: Sequence[tuple[int, str]]) -> SafeString:
    """Return `moment` as the list shows it: how long ago, the exact time on hover; a date if that is days ago."""
    local = timezone.localtime(moment)
    exactly = f"{_day(local.date(), 'j M Y', get_language())}, {local:%H:%M:%S} {local.tzname()}"
    return mark_safe(  # noqa: S308  (numbers, and words of ours)
        f'<time datetime="{local.isoformat(timespec="seconds")}" title="{escape(exactly)}">'
        f"{escape(ago(moment, now, said))}</time>"
    )


def ago(moment: datetime, now: datetime, said: Sequence[tuple[int, str]]) -> str:
    """Return how long ago `moment` was, in one unit of `said`; its day if that was more than a week ago."""
    passed = now - moment
    if passed >= timedelta(days=RELATIVE_DAYS):
        day, today = timezone.localtime(moment).date(), timezone.localtime(now).date()
        return _day(day, "j M" if day.year == today.year else "j M Y", get_language())
    seconds = max(0, int(passed.total_seconds()))
    size, text = next(unit for unit in said if seconds >= unit[0])
    return text.replace("#", str(seconds // size)) if size else text


def units() -> list[tuple[int, str]]:
    """Return how times are said, largest unit first: from so many seconds on, # for the number. The page's, too."""
    return [
        (86_400, gettext("# d ago")),
        (3_600, gettext("# h ago")),
        (60, gettext("# min ago")),
        (0, gettext("just now")),
    ]


@lru_cache(maxsize=1000)
def _day(day: date, pattern: str, language: str | None) -> str:
    """Return the day in words of `language`, the one in force; few days stand on many rows."""
    return date_format(day, pattern)


def mails_in_words(count: int, *, more: bool) -> str:
    """Return how many new mails there are."""
    return ngettext("%s new mail", "%s new mails", count) % f"{count}{'+' if more else ''}"


def texts_of(label_ids: Iterable[tuple[tuple[str, str], int]]) -> dict[int, str]:
    """Return the texts of labels by their ids, from their ids by kind and text."""
    return {pk: text for (_kind, text), pk in label_ids}
