"""What the address of the list asks for: one query text, into which the fields beside the search box are written.

The box and the fields are sent together, so whoever changed which has to be known: the form says in `was` the text
that its fields showed. A field that still shows the same leaves the text alone; one that shows something else was
changed, and its operator is written. An address without `was` is an old link, all of whose fields are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from maillog.models import Message
from maillog.search.filters import MailFilter
from maillog.search.query import LONGEST, NAMES, plain
from maillog.search.query_editing import Filters, reading, with_filters

FIELDS = ("status", *NAMES, "date_from", "date_to")
PLACES = ("before", "after")


@dataclass(frozen=True, slots=True)
class Asked:
    """The `text` that is searched for, its `filters`, and the values that the fields were `sent` with.

    `translated`: fields had to be read for it, so its own address is shorter. Where a field is wrong, nothing was
    written, and `filters` says what is wrong.
    """

    text: str
    filters: MailFilter
    sent: dict[str, str]
    box: str  # what the search box held
    translated: bool = False

    @property
    def shown(self) -> dict[str, str]:
        """What the fields beside the box show."""
        return self.sent if self.fields_at_fault else values_of(reading(self.text))

    @property
    def fields_at_fault(self) -> list[str]:
        """The fields beside the box that cannot be used."""
        return [name for name in FIELDS if name in self.filters.form.errors]

    def query(self, **changes: int | str | None) -> str:
        """Return the query string of this text, with a place in the list if one is given."""
        return query_string(self.text, **changes)


def asked(data: QueryDict, rows: QuerySet[Message]) -> Asked:
    """Return what `data`, the query string, asks of `rows`."""
    box = data.get("q", "").strip()
    sent = {name: data.get(name, "").strip() for name in FIELDS if name in data}
    if "was" in data:
        before = values_of(reading(data.get("was", "")[:LONGEST]))
        changed = [name for name in sent if name != "status" and plain(sent[name]) != plain(before[name])]
        changed += ["status"] if sent.get("status") else []
    else:
        changed = [name for name in sent if any(data.getlist(name))]
    filters = MailFilter(_picked(data, ["q", *changed]), rows)
    if not changed:
        return Asked(box, filters, sent, box, translated=bool(sent) or "was" in data)
    found = Asked(box, filters, sent, box)
    if found.fields_at_fault:
        return found
    cleaned = filters.form.cleaned_data
    text = with_filters(box, {name: cleaned.get(name) for name in changed})
    return Asked(text, MailFilter(only(text), rows, labels=filters.label_ids), sent, box, translated=True)


def values_of(filters: Filters) -> dict[str, str]:
    """Return what the fields beside the box show of these filters."""
    return {
        **{name: filters.names.get(name, "") for name in NAMES},
        "date_from": _written(filters.first),
        "date_to": _written(filters.last),
    }


def query_string(text: str, **more: int | str | None) -> str:
    """Return the query string of the list with this text; what is None is left out."""
    return "?" + urlencode({name: value for name, value in {"q": text or None, **more}.items() if value is not None})


def only(text: str) -> QueryDict:
    """Return the query string with this text, read."""
    data = QueryDict(mutable=True)
    data["q"] = text
    return data


def names_by_kind(labels: Mapping[tuple[str, str], int]) -> dict[str, list[str]]:
    """Return the names that mails have, by operator, sorted."""
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    for kind, text in sorted(labels):
        if kind in found:
            found[kind].append(text)
    return found


def _picked(data: QueryDict, names: Iterable[str]) -> QueryDict:
    picked = QueryDict(mutable=True)
    for name in names:
        picked.setlist(name, data.getlist(name))
    return picked


def _written(day: date | None) -> str:
    return day.isoformat() if day else ""
