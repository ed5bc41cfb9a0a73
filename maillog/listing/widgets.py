"""The status chips above the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maillog.listing.list_request import query_string
from maillog.models import Status
from maillog.search.query_editing import read_filters, set_operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maillog.search.counts import Count

ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.SENT, Status.DEFERRED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Chip:
    """A link that writes a status into the search text, or removes it."""

    status: str
    label: str
    count: Count
    query: str
    is_chosen: bool


def chips(text: str, counts: Mapping[str, Count]) -> list[Chip]:
    """Return a chip for each status that is common, chosen in `text`, or that some message is in."""
    chosen = read_filters(text).statuses
    return [
        Chip(
            status=status,
            label=str(Status(status).label),
            count=count,
            query=query_string(set_operator(text, "status", "" if chosen == (status,) else status)),
            is_chosen=status in chosen,
        )
        for status, count in counts.items()
        if count.value or status in chosen or status in ALWAYS_SHOWN
    ]
