"""Pages by key: the 50 mails, or other rows, before or after an id. Page 1,000 costs what the first one costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django import forms
from django.db import models

from maillog.models import Message
from maillog.search.results import SearchResult

PAGE_SIZE = 50
LARGEST_ID = 2**63 - 1

T = TypeVar("T", bound=models.Model)


class PositionForm(forms.Form):
    """Where a page begins: before an id (older) or after one (newer)."""

    before = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    after = forms.IntegerField(min_value=0, max_value=LARGEST_ID, required=False)


def position_in(params: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return ``before`` and ``after`` of `params`. Raises ValueError if one of them is not an id."""
    if all(params.get(name) in (None, "") for name in ("before", "after")):  # a form for nothing would be most of it
        return None, None
    place = PositionForm(params)
    if not place.is_valid():
        message = "before and after take the number of a mail, or of another row"
        raise ValueError(message)
    return place.cleaned_data["before"], place.cleaned_data["after"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, newest first. `newer` and `older` are the ids to go on from, None where nothing follows."""

    rows: list[T] = field(default_factory=list)
    newer: int | None = None
    older: int | None = None


def page_of(mails: SearchResult, params: Mapping[str, Any]) -> Page[Message]:
    """Return the page of `mails` that ``before`` or ``after`` in `params` names, the newest without them.

    One search, two where ``after`` leads to the newest page, which is then shown full. Raises ValueError if one of
    them is not an id.
    """
    return _build_page(
        params,
        oldest=lambda after: mails.oldest(PAGE_SIZE + 1, after=after),
        newest=lambda before: mails.page(PAGE_SIZE + 1, before=before),
    )


def page_of_rows(rows: models.QuerySet[T], params: Mapping[str, Any]) -> Page[T]:
    """Return the 50 of `rows` that ``before`` or ``after`` in `params` names, as `page_of` does for mails.

    Raises ValueError if one of them is not an id.
    """
    return _build_page(
        params,
        oldest=lambda after: list(rows.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1]),
        newest=lambda before: list(
            (rows if before is None else rows.filter(pk__lt=before)).order_by("-pk")[: PAGE_SIZE + 1]
        ),
    )


def _build_page(
    params: Mapping[str, Any], *, oldest: Callable[[int], list[T]], newest: Callable[[int | None], list[T]]
) -> Page[T]:
    """Return the 50 rows that `params` names; both functions give one more, those after an id and those before it."""
    before, after = position_in(params)
    if after is not None:
        newer = oldest(after)
        if len(newer) > PAGE_SIZE:
            shown = newer[:PAGE_SIZE][::-1]
            return Page(shown, newer=shown[0].pk, older=shown[-1].pk)
        before = None
    found = newest(before)
    shown = found[:PAGE_SIZE]
    return Page(
        shown,
        newer=(shown[0].pk if shown else before - 1) if before is not None else None,
        older=shown[-1].pk if len(found) > PAGE_SIZE else None,
    )
