"""The query string of the message list: one search text, into which the fields beside the search box are merged.

The search box and the fields are submitted together, so the form also sends `shown_query`, the text that its fields
displayed. A field that still has the value of that text was not edited and leaves the search text alone; any other
value replaces the field's operator in the text. Without `shown_query` (an old link), all fields apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from maillog.models import Message
from maillog.search.filters import MessageFilter
from maillog.search.query import MAX_LENGTH, NAMES, without_quotes
from maillog.search.query_editing import ShownFilters, read_filters, set_filters

FIELDS = ("status", *NAMES, "date_from", "date_to")
POSITIONS = ("before", "after")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The search `text`, its `filters`, and the `submitted` values of the fields.

    `needs_redirect`: fields were merged into the text, so the canonical URL is shorter. If a field is invalid, nothing
    was merged, and `filters` has the errors.
    """

    text: str
    filters: MessageFilter
    submitted: dict[str, str]
    search_box: str  # the text as submitted
    needs_redirect: bool = False

    @property
    def displayed(self) -> dict[str, str]:
        """The values to display in the fields beside the search box."""
        return self.submitted if self.invalid_fields else field_values(read_filters(self.text))

    @property
    def invalid_fields(self) -> list[str]:
        """The names of the fields that failed validation."""
        return [name for name in FIELDS if name in self.filters.form.errors]

    def query(self, **changes: int | str | None) -> str:
        """Return the query string of this text, with a position in the list if one is given."""
        return query_string(self.text, **changes)


def parse_request(data: QueryDict, rows: QuerySet[Message]) -> ListRequest:
    """Return the search of `rows` that the query string `data` describes."""
    box = data.get("q", "").strip()
    submitted = {name: data.get(name, "").strip() for name in FIELDS if name in data}
    if "shown_query" in data:
        before = field_values(read_filters(data.get("shown_query", "")[:MAX_LENGTH]))
        changed = [
            name
            for name in submitted
            if name != "status" and without_quotes(submitted[name]) != without_quotes(before[name])
        ]
        changed += ["status"] if submitted.get("status") else []
    else:
        changed = [name for name in submitted if any(data.getlist(name))]
    filters = MessageFilter(_pick(data, ["q", *changed]), rows)
    if not changed:
        return ListRequest(box, filters, submitted, box, needs_redirect=bool(submitted) or "shown_query" in data)
    found = ListRequest(box, filters, submitted, box)
    if found.invalid_fields:
        return found
    cleaned = filters.form.cleaned_data
    text = set_filters(box, {name: cleaned.get(name) for name in changed})
    return ListRequest(
        text, MessageFilter(query_only(text), rows, labels=filters.label_ids), submitted, box, needs_redirect=True
    )


def field_values(filters: ShownFilters) -> dict[str, str]:
    """Return the values that the fields beside the search box have for these filters."""
    return {
        **{name: filters.names.get(name, "") for name in NAMES},
        "date_from": _iso(filters.first),
        "date_to": _iso(filters.last),
    }


def query_string(text: str, **more: int | str | None) -> str:
    """Return the query string of the list with this text, starting with "?"; None values are omitted."""
    return "?" + urlencode({name: value for name, value in {"q": text or None, **more}.items() if value is not None})


def query_only(text: str) -> QueryDict:
    """Return a parsed query string that has only this text."""
    data = QueryDict(mutable=True)
    data["q"] = text
    return data


def names_by_kind(labels: Mapping[tuple[str, str], int]) -> dict[str, list[str]]:
    """Return the label texts in use, sorted, by search operator."""
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    for kind, text in sorted(labels):
        if kind in found:
            found[kind].append(text)
    return found


def _pick(data: QueryDict, names: Iterable[str]) -> QueryDict:
    picked = QueryDict(mutable=True)
    for name in names:
        picked.setlist(name, data.getlist(name))
    return picked


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
