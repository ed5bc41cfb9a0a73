"""The overview of the last 24 hours or 30 days: the chart, the same as a table, and a breakdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus, urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.overview import bar_chart
from mailadmin.overview.bar_chart import Column, Drawing, Rect
from maillog.durations import duration
from maillog.explanations.error_kinds import codes_of, describe
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
    """A time range of the page."""

    key: str
    title: StrOrPromise
    per: StrOrPromise
    tick_every: int
    bounds: Callable[[datetime], list[datetime]]


RANGES = {
    HOURS: TimeRange(HOURS, _("24 hours"), _("Messages per hour, last 24 hours"), 6, queries.last_hours),
    DAYS: TimeRange(DAYS, _("30 days"), _("Messages per day, last 30 days"), 6, queries.last_days),
}


class Count(NamedTuple):
    """A number as text, and where the log lists the messages ("": there are none)."""

    text: str
    url: str = ""


class Period(NamedTuple):
    """One hour or day: its row in the table, and its areas of the chart with the URLs they link to."""

    label: str
    tooltip: str
    areas: tuple[tuple[Rect, str], ...]
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of the breakdown: title, number of messages, a remark, and where the log lists them."""

    title: str
    detail: str
    count: int
    url: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """Everything that the section shows."""

    key: str
    last_day: Counter[str]  # messages by final status in 24 hours, whatever the range
    title: str
    summary: str
    drawing: Drawing
    periods: list[Period]
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
        return not (self.sent or self.failed or self.other or self.most_waiting)

    @property
    def newest_first(self) -> list[Period]:
        return self.periods[::-1]


def activity(key: str, *, now: datetime) -> Activity:
    """Return the activity of a range: two queries, and one more for names that are not cached."""
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
        periods=[_period(slot, column, key, log) for slot, column in zip(slots, drawn.columns, strict=True)],
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
    """Return the URL of the log with this search."""
    return f"{reverse('maillog:list')}?{urlencode({'q': query})}"


def time_term(moment: datetime) -> str:
    """Return `moment` in the search syntax, as short as possible in the active time zone."""
    local = timezone.localtime(moment)
    plain = local.replace(tzinfo=None, fold=0)
    if timezone.make_aware(plain).astimezone(UTC) != moment:  # the second of two hours with the same local time
        return f"{moment:%Y-%m-%dT%H:%M}Z"
    return f"{plain:%Y-%m-%d}" if (plain.hour, plain.minute) == (0, 0) else f"{plain:%Y-%m-%dT%H:%M}"


def _search_span(start: datetime, end: datetime) -> str:
    """Return the time span in the search syntax. The current period needs no end."""
    until = f" before:{time_term(end)}" if end <= timezone.now() else ""
    return f"after:{time_term(start)}{until}"


def _period(slot: TimeSlot, column: Column, key: str, log: str) -> Period:
    """Return one hour or day; `log` is the URL of the log, looked up once for all.

    Counts of 0 have no link.
    """
    span = quote_plus(_search_span(slot.start, slot.end)) if slot.ended else ""

    def count(number: int, statuses: str) -> Count:
        url = f"{log}?q=status%3A{quote_plus(statuses)}+{span}" if number > 0 else ""
        return Count(str(intcomma(number)), url)

    sent, failed, other = count(slot.sent, Status.SENT), count(slot.failed, Status.FAILED), count(slot.other, OTHER)
    label = _label(slot.start, key, whole=True)
    waiting = "-" if slot.waiting is None else _capped(slot.waiting)
    parts = [gettext("%s sent") % sent.text, gettext("%s failed") % failed.text]
    if slot.other:
        parts.append(gettext("%s ended otherwise") % other.text)
    if slot.waiting is not None:
        parts.append(gettext("at most %s waiting") % waiting)
    return Period(
        label=label,
        tooltip=f"{label}: {', '.join(parts)}",
        areas=((column.above, sent.url or other.url), (column.below, failed.url)),
        counts=(sent, failed, other, Count(waiting)),
    )


def _label(moment: datetime, key: str, *, whole: bool = False) -> str:
    """Return the label of an hour, by its start, or of a day."""
    local = timezone.localtime(moment)
    if key == DAYS:
        return formats.date_format(local, "D j M" if whole else "j M")
    return formats.date_format(local, "D H:i" if whole else "H:i")


def _capped(count: int) -> str:
    return f"{intcomma(COUNT_LIMIT)}+" if count >= COUNT_LIMIT else str(intcomma(count))


def _summary(slots: list[TimeSlot], key: str) -> str:
    """Return the chart as text."""
    sent, failed, other = (sum(getattr(one, name) for one in slots) for name in ("sent", "failed", "other"))
    parts = [
        gettext("%(sent)s messages sent, %(failed)s failed since %(when)s.")
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
        parts.append(gettext("At most %s were waiting at the same time.") % _capped(waited))
    return " ".join(parts)


def _errors(behind: Breakdown, span: str) -> list[Ranked]:
    return [
        Ranked(
            describe(kind),
            codes_of(kind),
            count,
            search_url(
                f'status:failed error:"{codes}" {span}' if (codes := codes_of(kind)) else f"status:failed {span}"
            ),
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
    """Return delivery times, such as “Half were delivered within 0.4 s, 95 % within 2.1 s, 99 % within 4 s.”."""
    if not behind.delivery_times:
        return ""
    times = {f"p{percent}": duration(seconds) for percent, seconds in behind.delivery_times.items()}
    return gettext("Half were delivered within %(p50)s, 95 %% within %(p95)s, 99 %% within %(p99)s.") % times
