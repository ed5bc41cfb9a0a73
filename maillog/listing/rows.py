"""The rows of the message list as HTML, built without a template: with one, 50 rows took most of the page's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from html import escape  # Django's also checks for lazy texts, which takes longer than escaping
from operator import attrgetter
from zlib import crc32

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext

from maillog.listing.columns import Layout, Texts, cell_renderers
from maillog.models import Label, Message, Status

CHANGING_FIELDS = ("id", "status", "reason", "attempt_count", "connection_id", "driver_id", "finished_at")
changing_values = attrgetter(*CHANGING_FIELDS)
FIELDS = (*CHANGING_FIELDS, "subject", "to_text", "created_at")
DATE_FROM_AGE = timedelta(days=7)  # from this age on, times are shown as a date


def fields(chosen: Layout) -> list[str]:
    """Return the fields of `Message` that rows with these columns read."""
    return sorted({*FIELDS, *chosen.fields})


def rows(
    mails: Sequence[Message], texts: Texts, chosen: Layout, *, with_boxes: bool, apart: bool = False
) -> SafeString:
    """Return the rows for `mails`, with times in the current time zone. A column of senders costs a query.

    `apart`: the rows replace those on a page (htmx, out of band); outside a table, HTML allows rows only in templates.
    """
    if chosen.has("sender"):
        senders = Label.objects.filter(id__in={mail.sender_id for mail in mails}).values_list("id", "text")
        texts = {**texts, **dict(senders)}
    labels = {status.value: escape(str(status.label)) for status in Status}
    log, moments = reverse("maillog:list"), TimeLabels()
    choose, no_subject = escape(gettext("Select message %s")), escape(gettext("(no subject)"))
    columns = cell_renderers(chosen)
    counts_attempts = not chosen.has("attempts")
    before, swap, after = ("<template>", ' hx-swap-oob="true"', "</template>") if apart else ("", "", "")

    def row(mail: Message) -> str:
        pk, status, reason = mail.id, f'data-status="{mail.status}"', escape(mail.reason)
        href = f"{log}{pk}/"  # the same as reverse("maillog:detail"), without 50 calls
        label = f'aria-label="{choose % pk}"'
        box = f'<input type="checkbox" name="ids" value="{pk}" id="select-{pk}" {label}>' if with_boxes else ""
        title, why = (f' title="{reason}"', f'<span class="reason" {status}>{reason}</span>') if reason else ("", "")
        many = counts_attempts and mail.attempt_count > 1
        attempts = (
            f'<span class="attempts">{escape(gettext("%d attempts") % mail.attempt_count)}</span>' if many else ""
        )
        return (
            f'{before}<tr id="message-{pk}" data-state="{row_state(*changing_values(mail))}"{swap}>'
            f'<td><span class="row-select">{box}<span class="status" {status}>{labels[mail.status]}</span></span></td>'
            f'<td class="main"><a class="row-link" id="open-{pk}" href="{href}"{title}>'
            f"{escape(mail.subject) or no_subject}</a>"
            f'<span class="muted">{escape(mail.recipients_shown)}</span>{why}</td>'
            f"{''.join([f'{begin}{shown(mail, texts)}</td>' for begin, shown in columns])}"
            f'<td class="corner"><a class="when" href="{href}" tabindex="-1">{moments.when(mail.created_at)}</a>'
            f"{attempts}</td></tr>{after}"
        )

    return mark_safe("\n".join([row(mail) for mail in mails]))  # noqa: S308  (values are escaped)


def row_state(*values: object) -> str:
    """Return a short checksum of `CHANGING_FIELDS`, with which a page detects that a row has changed."""
    return f"{crc32(repr(values).encode('utf-8', 'replace')):x}"


def changed_and_gone(shown: dict[int, str]) -> tuple[list[int], list[int]]:
    """Return which of the messages on a page (id -> row state) have changed, and which were deleted: one query."""
    now = {
        row[0]: row_state(*row) for row in Message.objects.filter(id__in=shown).values_list(*CHANGING_FIELDS).order_by()
    }
    return (
        [pk for pk, before in shown.items() if pk in now and now[pk] != before],
        [pk for pk in shown if pk not in now],
    )


class TimeLabels:
    """Times relative to `now`, in the current time zone and language."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or timezone.now()
        self.zone, self.language, self.said = timezone.get_current_timezone(), get_language(), relative_units()
        self.year = self.now.astimezone(self.zone).year

    def when(self, moment: datetime) -> str:
        """Return HTML: the age, or the date after a week, with the exact time as its title."""
        local = moment.astimezone(self.zone)
        stamp = local.isoformat(timespec="seconds")
        exactly = f"{_day(local.date(), 'j M Y', self.language)}, {stamp[11:19]} {local.tzname()}"
        return f'<time datetime="{stamp}" title="{escape(exactly)}">{escape(self.ago(moment))}</time>'

    def ago(self, moment: datetime) -> str:
        """Return the age in one unit, or the date after a week."""
        passed = self.now - moment
        if passed >= DATE_FROM_AGE:
            day = moment.astimezone(self.zone).date()
            return _day(day, "j M" if day.year == self.year else "j M Y", self.language)
        seconds = max(0, int(passed.total_seconds()))
        size, text = next(unit for unit in self.said if seconds >= unit[0])
        return text.replace("#", str(seconds // size)) if size else text


def relative_units() -> list[tuple[int, str]]:
    """Return (seconds, text) per unit, largest first, with # for the number. The page's JavaScript uses them, too."""
    return [
        (86_400, gettext("# d ago")),
        (3_600, gettext("# h ago")),
        (60, gettext("# min ago")),
        (0, gettext("just now")),
    ]


@lru_cache(maxsize=1000)
def _day(day: date, pattern: str, language: str | None) -> str:
    """Return the date in the current `language`. Cached, since many rows share few days."""
    return date_format(day, pattern)


def count_label(count: int, *, more: bool) -> str:
    return ngettext("%s new message", "%s new messages", count) % f"{count}{'+' if more else ''}"


def texts_by_id(label_ids: Iterable[tuple[tuple[str, str], int]]) -> dict[int, str]:
    """Return label texts by id, from ids by (kind, text)."""
    return {pk: text for (_kind, text), pk in label_ids}
