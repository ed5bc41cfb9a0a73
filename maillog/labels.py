"""Labels: the names that lists filter by, as small integers. Labels never change, so their ids are cached per process.

An id is cached only after the transaction that read or created it has committed, so that a rollback leaves no id of a
row that never existed. Emptying the tables (``flush``) clears the cache, see `clear_cache`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import transaction

from maillog.text import fit

if TYPE_CHECKING:
    from maillog.models import Label

MAX_LENGTH = 254
_ids: dict[tuple[str, str], int] = {}
_texts: dict[int, str] = {}


def label_id(kind: str, text: str) -> int:
    """Return the id of the label, creating it if it is new."""
    return label_ids(kind, [text])[fit(text, MAX_LENGTH)]


def label_ids(kind: str, texts: Iterable[str]) -> dict[str, int]:
    """Return the ids of `texts` (cut to 254 characters), by text: at most three queries, none if they are cached.

    Two processes that create the same label end up with the same row: the insert ignores conflicts, then both read.
    Sorted, so that two transactions never deadlock.
    """
    cut = sorted({fit(text, MAX_LENGTH) for text in texts})
    found = {text: _ids[kind, text] for text in cut if (kind, text) in _ids}
    missing = [text for text in cut if text not in found]
    if not missing:
        return found
    model = _model()
    read = _read(model, kind, missing)
    absent = [text for text in missing if text not in read]
    if absent:
        model.objects.bulk_create([model(kind=kind, text=text) for text in absent], ignore_conflicts=True)
        read |= _read(model, kind, absent)
    transaction.on_commit(partial(_cache, kind, read))
    return found | read


def label_texts(ids: Iterable[int]) -> dict[int, str]:
    """Return the texts of labels by id: one query for those not cached."""
    wanted = set(ids)
    found = {pk: _texts[pk] for pk in wanted if pk in _texts}
    if missing := wanted - found.keys():
        read = dict(_model().objects.filter(id__in=missing).values_list("id", "text"))
        transaction.on_commit(partial(_texts.update, read))
        found |= read
    return found


def clear_cache(**_signal: object) -> None:
    _ids.clear()
    _texts.clear()


def _model() -> type[Label]:
    return apps.get_model("maillog", "Label")


def _read(model: type[Label], kind: str, texts: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(texts), 500):
        rows = model.objects.filter(kind=kind, text__in=texts[start : start + 500])
        found.update(rows.values_list("text", "id"))
    return found


def _cache(kind: str, ids: dict[str, int]) -> None:
    _ids.update({(kind, text): pk for text, pk in ids.items()})
