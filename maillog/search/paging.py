"""Keyset pagination: the 50 rows before or after an id. Page 1,000 costs as much as the first."""

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
    """The position of a page: before an id (older) or after one (newer)."""

    before = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    after = forms.IntegerField(min_value=0, max_value=LARGEST_ID, required=False)


def position_in(params: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return ``before`` and ``after`` of `params`. Raises ValueError if one of them is not an id."""
    if all(
        params.get(name) in (None, "") for name in ("before", "after")
    ):  # skips the form, which would be most of the work
        return None, None
    form = PositionForm(params)
    if not form.is_valid():
        message = "before and after must be the number of a message or another row"
        raise ValueError(message)
    return form.cleaned_data["before"], form.cleaned_data["after"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, newest first. `newer` and `older` are the ids to continue from, None at either end."""

    rows: list[T] = field(default_factory=list)
    newer: int | None = None
    older: int | None = None


def page_of(result: SearchResult, params: Mapping[str, Any]) -> Page[Message]:
    """Return the page of `result` at ``before`` or ``after`` in `params`, the newest one without them.

    One search, or two where ``after`` leads to the newest page, which is then filled up. Raises ValueError if one of
    them is not an id.
    """
    return _build_page(
        params,
        oldest=lambda after: result.oldest(PAGE_SIZE + 1, after=after),
        newest=lambda before: result.page(PAGE_SIZE + 1, before=before),
    )


def page_of_rows(rows: models.QuerySet[T], params: Mapping[str, Any]) -> Page[T]:
    """Return the 50 of `rows` at ``before`` or ``after`` in `params`, as `page_of` does for messages.

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
    """Return the page at `params`. `oldest` and `newest` return up to 51 rows after, or before, an id."""
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
