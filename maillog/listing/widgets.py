"""The controls around the list that repeat: chips, choices among names, boxes for columns.

Put together here as the rows are, because as templates these three loops took a sixth of the page's time.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from maillog.listing.columns import COLUMNS
from maillog.listing.list_request import query_string
from maillog.models import Status
from maillog.search.query_editing import read_filters, set_operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maillog.search.counts import Count

ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.SENT, Status.DEFERRED, Status.FAILED})


def chips(text: str, counts: Mapping[str, Count]) -> SafeString:
    """Return a chip for each status that is usual, chosen, or that some mail is in.

    Each is a link that writes the status into `text`, or takes it away.
    """
    log, chosen = reverse("maillog:list"), read_filters(text).statuses

    def chip(status: str, count: Count) -> str:
        query = query_string(set_operator(text, "status", "" if chosen == (status,) else status))
        current, cross = (' aria-current="true"', _cross()) if status in chosen else ("", "")
        return (
            f'<a class="chip" data-status="{status}" href="{log}{escape(query)}"{current}>'
            f"{escape(str(Status(status).label))} <b>{count}</b>{cross}</a>"
        )

    shown = [
        chip(status, count)
        for status, count in counts.items()
        if count.value or status in chosen or status in ALWAYS_SHOWN
    ]
    return mark_safe("".join(shown))  # noqa: S308  (words are escaped)


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
