"""Finds the templates that use a part. The parts used by a content never change, so they are cached per process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from templates_app.engine.parts import parts_used_in_texts
from templates_app.models import Document, Version

CACHE_SIZE = 20_000  # contents

NONE: frozenset[str] = frozenset()
_used: dict[tuple[str, str], frozenset[str]] = {}  # by a content's digest and the key that it belongs to


def templates_using(part: Document) -> list[Document]:
    """Return the templates whose published version uses `part`, directly or through other parts, sorted by key."""
    uses = published_uses()
    wanted = {part.full_key}
    while more := {key for kind, key, _, used in uses if kind == Document.Kind.PART and used & wanted} - wanted:
        wanted |= more
    found = [pk for kind, _, pk, used in uses if kind == Document.Kind.TEMPLATE and used & wanted]
    documents = Document.objects.filter(pk__in=found).select_related("project", "published")
    return list(documents.defer("published__content"))  # large, and few callers need it


def published_uses() -> list[tuple[str, str, int, frozenset[str]]]:
    """Return (kind, full key, id, keys of parts used) for every document with a published version."""
    rows = [
        (kind, f"{project}/{name}", pk, version, digest)
        for kind, project, name, pk, version, digest in Document.objects.filter(published__isnull=False).values_list(
            "kind", "project__key", "key", "pk", "published_id", "published__digest"
        )
    ]
    unread = {version: (digest, key) for _, key, _, version, digest in rows if (digest, key) not in _used}
    read = {}
    for some in batched(list(unread), 500):
        for version, content in Version.objects.filter(pk__in=some).values_list("pk", "content"):
            read[unread[version]] = frozenset(parts_used_in_texts(texts_in(content), unread[version][1]))
    uses = [
        (kind, key, pk, read.get((digest, key)) or _used.get((digest, key), NONE)) for kind, key, pk, _, digest in rows
    ]
    if len(_used) + len(read) > CACHE_SIZE:
        _used.clear()
    _used.update(read)
    return uses


def batched(ids: list[int], size: int) -> Iterator[list[int]]:
    """Yield the ids in lists of `size`, because databases limit the number of parameters."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def texts_in(content: dict[str, Any]) -> Iterator[str]:
    """Yield all texts in a version's stored content."""
    for texts in content["languages"].values():
        yield from texts.values()
