"""The names that lists filter by, as small numbers. Rows are never changed, so their ids are remembered in the process.

An id is remembered only when the transaction that read or made it has committed: a rollback leaves nothing behind that
points to a row which never was. Emptied tables (``flush``) make the memory void, see `forget`.
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
    """Return the id of the label `text`, making it if it is new."""
    return label_ids(kind, [text])[fit(text, MAX_LENGTH)]


def label_ids(kind: str, texts: Iterable[str]) -> dict[str, int]:
    """Return the ids of `texts` (cut to 254 characters) by text; two queries at most three, none for known ones.

    Two processes that make the same label at once end up with the same row: the insert gives way to an existing one,
    then both read. Sorted, so that two transactions never wait for each other crosswise.
    """
    wanted = sorted({fit(text, MAX_LENGTH) for text in texts})
    found = {text: _ids[kind, text] for text in wanted if (kind, text) in _ids}
    missing = [text for text in wanted if text not in found]
    if not missing:
        return found
    model = _model()
    fresh = _read(model, kind, missing)
    unborn = [text for text in missing if text not in fresh]
    if unborn:
        model.objects.bulk_create([model(kind=kind, text=text) for text in unborn], ignore_conflicts=True)
        fresh |= _read(model, kind, unborn)
    transaction.on_commit(partial(_remember, kind, fresh))
    return found | fresh


def label_texts(ids: Iterable[int]) -> dict[int, str]:
    """Return the names with these ids; one query for those that were not asked for before, none without."""
    wanted = set(ids)
    found = {pk: _texts[pk] for pk in wanted if pk in _texts}
    if missing := wanted - found.keys():
        fresh = dict(_model().objects.filter(id__in=missing).values_list("id", "text"))
        transaction.on_commit(partial(_texts.update, fresh))
        found |= fresh
    return found


def clear_cache(**_signal: object) -> None:
    """Forget every id."""
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


def _remember(kind: str, ids: dict[str, int]) -> None:
    _ids.update({(kind, text): pk for text, pk in ids.items()})
