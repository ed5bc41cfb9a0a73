"""Pages by key: the 50 mails, or other rows, before or after an id. Page 1,000 costs what the first one costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django import forms
from django.db import models

from maillog.matching import Found
from maillog.models import Message

SIZE = 50
LARGEST_ID = 2**63 - 1

T = TypeVar("T", bound=models.Model)


class PlaceForm(forms.Form):
    """Where a page begins: before an id (older) or after one (newer)."""

    before = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    after = forms.IntegerField(min_value=0, max_value=LARGEST_ID, required=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Mails newest first. `newer` and `older` are the ids to go on from, None where nothing follows."""

    mails: list[Message] = field(default_factory=list)
    newer: int | None = None
    older: int | None = None


def page_of(mails: Found, params: Mapping[str, Any]) -> Page:
    """Return the page of `mails` that ``before`` or ``after`` in `params` names, the newest without them.

    One search, two where ``after`` leads to the newest page, which is then shown full. Raises ValueError if one of
    them is not an id.
    """
    place = PlaceForm(params)
    if not place.is_valid():
        message = "before and after take the number of a mail"
        raise ValueError(message)
    after = place.cleaned_data["after"]
    before = place.cleaned_data["before"]
    if after is not None:
        newer = mails.oldest(SIZE + 1, after=after)
        if len(newer) > SIZE:
            rows = newer[:SIZE][::-1]
            return Page(rows, newer=rows[0].pk, older=rows[-1].pk)
    found = mails.page(SIZE + 1, before=before if after is None else None)
    rows = found[:SIZE]
    return Page(
        rows,
        newer=(rows[0].pk if rows else before - 1) if before is not None and after is None else None,
        older=rows[-1].pk if len(found) > SIZE else None,
    )


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Rows, newest first. `newer` and `older` are the ids to go on from, None where nothing follows."""

    rows: list[T] = field(default_factory=list)
    newer: int | None = None
    older: int | None = None


def slice_of(rows: models.QuerySet[T], params: Mapping[str, Any]) -> Slice[T]:
    """Return the 50 of `rows` that ``before`` or ``after`` in `params` names, as `page_of` does for mails.

    Raises ValueError if one of them is not an id.
    """
    place = PlaceForm(params)
    if not place.is_valid():
        message = "before and after take the number of a row"
        raise ValueError(message)
    before, after = place.cleaned_data["before"], place.cleaned_data["after"]
    if after is not None:
        newer = list(rows.filter(pk__gt=after).order_by("pk")[: SIZE + 1])
        if len(newer) > SIZE:
            shown = newer[:SIZE][::-1]
            return Slice(shown, newer=shown[0].pk, older=shown[-1].pk)
        before = None
    found = list((rows if before is None else rows.filter(pk__lt=before)).order_by("-pk")[: SIZE + 1])
    shown = found[:SIZE]
    return Slice(
        shown,
        newer=(shown[0].pk if shown else before - 1) if before is not None else None,
        older=shown[-1].pk if len(found) > SIZE else None,
    )
