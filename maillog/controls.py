"""The controls around the list that repeat: chips, choices among names, boxes for columns.

Put together here as the rows are, because as templates these three loops took a sixth of the page's time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from maillog.asking import query_string
from maillog.columns import COLUMNS
from maillog.editing import reading, with_operator
from maillog.models import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maillog.counts import Count

ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.SENT, Status.DEFERRED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Chip:
    """One status above the list: a link that filters by it, or takes the filter away."""

    status: str
    count: Count
    chosen: bool
    query: str

    def html(self, log: str) -> str:
        """Return it as a link, the list being at `log`."""
        current, cross = (' aria-current="true"', _cross()) if self.chosen else ("", "")
        label = escape(str(Status(self.status).label))
        return (
            f'<a class="chip" data-status="{self.status}" href="{log}{escape(self.query)}"{current}>'
            f"{label} <b>{self.count}</b>{cross}</a>"
        )


def chips(text: str, counts: Mapping[str, Count]) -> SafeString:
    """Return a chip for each status that is usual, chosen, or that some mail is in. It writes itself into `text`."""
    chosen = reading(text).statuses
    shown = [
        Chip(
            status=status,
            count=count,
            chosen=status in chosen,
            query=query_string(with_operator(text, "status", "" if chosen == (status,) else status)),
        )
        for status, count in counts.items()
        if count.value or status in chosen or status in ALWAYS_SHOWN
    ]
    log = reverse("maillog:list")
    return mark_safe("".join([chip.html(log) for chip in shown]))  # noqa: S308  (words are escaped)


@cache
def _cross() -> str:
    return lucide("x", size=14)


def options(names: Iterable[str], chosen: str) -> SafeString:
    """Return the options of a select."""
    return _options(tuple(names), chosen)


@lru_cache(maxsize=100)
def _options(names: tuple[str, ...], chosen: str) -> SafeString:
    found = [f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in names]
    return mark_safe("".join(found))  # noqa: S308


@lru_cache(maxsize=100)
def boxes(chosen: tuple[str, ...], language: str | None) -> SafeString:
    """Return a box for each column of the list, ticked if it is among the `chosen`, in `language`, the one in force."""
    found = [
        f'<label class="cluster"><input type="checkbox" name="columns" value="{one.name}"'
        f"{' checked' if one.name in chosen else ''}> {escape(str(one.label))}</label>"
        for one in COLUMNS
    ]
    return mark_safe("".join(found))  # noqa: S308
