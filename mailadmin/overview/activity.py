"""What the overview tells of the last 24 hours or 30 days: the chart, the same as a table, and what is behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape  # Django's asks of each text whether it is a lazy one
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.overview import bar_chart
from mailadmin.overview.bar_chart import Column, Drawing, Rect
from maillog.durations import duration
from maillog.explanations.error_kinds import describe, is_reply_code
from maillog.models import FINAL, Status
from maillog.search.counts import COUNT_LIMIT
from maillog.statistics import queries
from maillog.statistics.queries import Breakdown, GroupShare, TimeSlot

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OTHER = ",".join(sorted(FINAL - {Status.SENT, Status.FAILED}))
HOURS, DAYS = "24h", "30d"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What the page can show."""

    key: str
    title: StrOrPromise
    per: StrOrPromise
    tick_every: int
    bounds: Callable[[datetime], list[datetime]]


RANGES = {
    HOURS: TimeRange(HOURS, _("24 hours"), _("Mails per hour, the last 24 hours"), 6, queries.last_hours),
    DAYS: TimeRange(DAYS, _("30 days"), _("Mails per day, the last 30 days"), 6, queries.last_days),
}


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One hour or day, as HTML: where a pointer finds it in the chart, and its line in the table."""

    hits: SafeString
    row: SafeString


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of the lists behind the chart: what it is, how many, a remark, and where to see the mails."""

    title: str
    detail: str
    count: int
    url: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """All of it."""

    key: str
    last_day: Counter[str]  # how many mails ended how in 24 hours, whatever the range
    title: str
    summary: str
    drawing: Drawing
    lines: list[PeriodRow]
    labels: list[str]
    sent: int
    failed: int
    other: int
    most_waiting: str
    errors: list[Ranked] = field(default_factory=list)
    templates: list[Ranked] = field(default_factory=list)
    connections: list[Ranked] = field(default_factory=list)
    delivered: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is no bar."""
        return not (self.sent or self.failed or self.other or self.most_waiting)

    @property
    def newest_first(self) -> list[PeriodRow]:
        """The lines of the table."""
        return self.lines[::-1]


def activity(key: str, *, now: datetime) -> Activity:
    """Return what became of mails in the range of this key: two queries, one more for names not met before."""
    chosen = RANGES[key]
    bounds = chosen.bounds(now)
    slots, last_day = queries.time_slots(bounds, now)
    behind = queries.breakdown(bounds[0], bounds[-1])
    drawn = bar_chart.drawing(
        [bar_chart.Counts(one.sent, one.failed, one.other, one.waiting or 0) for one in slots],
        tick_every=chosen.tick_every,
    )
    span = _search_span(bounds[0], bounds[-1])
    log = reverse("maillog:list")
    waited = [one.waiting for one in slots if one.waiting]
    return Activity(
        key=key,
        last_day=last_day,
        title=str(chosen.per),
        summary=_summary(slots, key),
        drawing=drawn,
        lines=[_line(slot, place, key, log) for slot, place in zip(slots, drawn.places, strict=True)],
        labels=[_label(slot.start, key) for slot in slots[:: chosen.tick_every]],
        sent=sum(one.sent for one in slots),
        failed=sum(one.failed for one in slots),
        other=sum(one.other for one in slots),
        most_waiting=_capped(max(waited)) if waited else "",
        errors=_errors(behind, span),
        templates=[_share(one, "template", span) for one in behind.templates],
        connections=[_share(one, "connection", span) for one in behind.connections],
        delivered=_delivered(behind),
    )


def search_url(query: str) -> str:
    """Return the address of the log with this search."""
    return f"{reverse('maillog:list')}?{urlencode({'q': query})}"


def time_term(moment: datetime) -> str:
    """Return `moment` as the search box takes it: as short as it can be said in the time zone in force."""
    local = timezone.localtime(moment)
    plain = local.replace(tzinfo=None, fold=0)
    if timezone.make_aware(plain).astimezone(UTC) != moment:  # the second of two hours that have the same name
        return f"{moment:%Y-%m-%dT%H:%M}Z"
    return f"{plain:%Y-%m-%d}" if (plain.hour, plain.minute) == (0, 0) else f"{plain:%Y-%m-%dT%H:%M}"


def _search_span(start: datetime, end: datetime) -> str:
    """Return the time as a search. What has not ended yet needs no end: the search would only look busier."""
    until = f" before:{time_term(end)}" if end <= timezone.now() else ""
    return f"after:{time_term(start)}{until}"


def _line(slot: TimeSlot, place: Column, key: str, log: str) -> PeriodRow:
    """Return the line of one hour or day; `log` is the address of the log, looked up once for all.

    Nothing is linked where there is nothing to find.
    """
    span = quote_plus(_search_span(slot.start, slot.end)) if slot.ended else ""
    sent, failed, other = (str(intcomma(count)) for count in (slot.sent, slot.failed, slot.other))

    def url(count: int, statuses: str) -> str:
        return f"{log}?q=status%3A{quote_plus(statuses)}+{span}" if count > 0 else ""

    label = _label(slot.start, key, whole=True)
    waiting = "-" if slot.waiting is None else _capped(slot.waiting)
    parts = [gettext("%s sent") % sent, gettext("%s failed") % failed]
    if slot.other:
        parts.append(gettext("%s ended otherwise") % other)
    if slot.waiting is not None:
        parts.append(gettext("at most %s waiting") % waiting)
    to_sent, to_failed, to_other = url(slot.sent, Status.SENT), url(slot.failed, Status.FAILED), url(slot.other, OTHER)
    tooltip, apart = escape(f"{label}: {', '.join(parts)}"), ' tabindex="-1"'
    above = _link(to_sent or to_other, _hit_area(place.above), apart)
    hits = f"<g><title>{tooltip}</title>{above}{_link(to_failed, _hit_area(place.below), apart)}</g>"
    cells = (
        _link(to_sent, escape(sent)),
        _link(to_failed, escape(failed)),
        _link(to_other, escape(other)),
        escape(waiting),
    )
    row = f'<th scope="row" class="nowrap">{escape(label)}</th>' + "".join(
        f'<td class="number">{cell}</td>' for cell in cells
    )
    return PeriodRow(mark_safe(hits), mark_safe(f"<tr>{row}</tr>"))  # noqa: S308  (escaped where it was put in)


def _link(url: str, inside: str, more: str = "") -> str:
    return f'<a href="{escape(url)}"{more}>{inside}</a>' if url else inside


def _hit_area(one: Rect) -> str:
    return f'<rect class="plot-hit" x="{one.x}" y="{one.y}" width="{one.width}" height="{one.height}" />'


def _label(moment: datetime, key: str, *, whole: bool = False) -> str:
    """Return the name of an hour by its beginning, or of a day."""
    local = timezone.localtime(moment)
    if key == DAYS:
        # Where midnight is within an hour of UTC, a day is counted from the next one on.
        return formats.date_format(local, "D j M" if whole else "j M")
    return formats.date_format(local, "D H:i" if whole else "H:i")


def _capped(count: int) -> str:
    return f"{intcomma(COUNT_LIMIT)}+" if count >= COUNT_LIMIT else str(intcomma(count))


def _summary(slots: list[TimeSlot], key: str) -> str:
    """Return the chart in words."""
    sent, failed, other = (sum(getattr(one, name) for one in slots) for name in ("sent", "failed", "other"))
    parts = [
        gettext("%(sent)s mails sent, %(failed)s failed since %(when)s.")
        % {"sent": intcomma(sent), "failed": intcomma(failed), "when": _label(slots[0].start, key, whole=True)}
    ]
    if other:
        parts.append(gettext("%s ended otherwise: logged, skipped, cancelled or uncertain.") % intcomma(other))
    for name, words in (
        ("sent", _("Most were sent at %(when)s: %(count)s.")),
        ("failed", _("Most failed at %(when)s: %(count)s.")),
    ):
        most = max(slots, key=lambda one: getattr(one, name))
        if count := getattr(most, name):
            parts.append(words % {"when": _label(most.start, key, whole=True), "count": intcomma(count)})
    waited = max((one.waiting or 0 for one in slots), default=0)
    if waited:
        parts.append(gettext("At most %s waited at once.") % _capped(waited))
    return " ".join(parts)


def _errors(behind: Breakdown, span: str) -> list[Ranked]:
    return [
        Ranked(
            describe(kind),
            kind if is_reply_code(kind) else "",
            count,
            search_url(f'status:failed error:"{kind}" {span}' if is_reply_code(kind) else f"status:failed {span}"),
        )
        for kind, count in behind.errors
    ]


def _share(one: GroupShare, operator: str, span: str) -> Ranked:
    detail = gettext("none failed")
    if one.failed:
        percent = formats.number_format(max(0.1, one.failed_percent), 1 if one.failed_percent < 10 else 0)
        detail = gettext("%(count)s failed (%(percent)s %%)") % {"count": intcomma(one.failed), "percent": percent}
    name = f'"{one.name}"' if " " in one.name else one.name
    return Ranked(
        one.name, detail, one.total, search_url(f"{operator}:{name} {span}"), tone="bad" if one.failed else ""
    )


def _delivered(behind: Breakdown) -> str:
    """Return how long mails took, such as “Half were delivered within 0.4 s, 95 % within 2.1 s, 99 % within 4 s.”."""
    if not behind.within:
        return ""
    times = {f"p{percent}": duration(seconds) for percent, seconds in behind.within.items()}
    return gettext("Half were delivered within %(p50)s, 95 %% within %(p95)s, 99 %% within %(p99)s.") % times
