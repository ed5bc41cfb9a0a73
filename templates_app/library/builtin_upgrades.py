"""Compares an edited template with a newer built-in version and their common base, and merges the two."""

from __future__ import annotations

from dataclasses import dataclass

from templates_app.content.content import Content
from templates_app.library.builtin_seeding import newer_builtin
from templates_app.library.merging import MergedText, merge, three_way
from templates_app.models import Document, Version


@dataclass(frozen=True, slots=True)
class Upgrade:
    """`theirs` is the newest built-in, `yours` the edited copy, `base` the built-in it is derived from (None: unknown).

    `merged` is yours with the changes of theirs wherever you changed nothing.
    """

    base: Version | None
    theirs: Version
    yours: Version
    places: list[MergedText]
    merged: Content

    @property
    def conflicts(self) -> int:
        """The number of places where both changed the same lines."""
        return sum(place.conflicts for place in self.places)

    @property
    def adds_something(self) -> bool:
        """Whether there is anything to merge."""
        return self.merged.digest != self.yours.digest


def upgrade_of(document: Document) -> Upgrade | None:
    """Return the upgrade of an edited document, None if there is no newer built-in or it was declined."""
    found = newer_builtin(document)
    if found is None:
        return None
    base = found.base.read() if found.base else Content()
    theirs, yours = found.theirs.read(), found.yours.read()
    return Upgrade(
        base=found.base,
        theirs=found.theirs,
        yours=found.yours,
        places=three_way(base, theirs, yours),
        merged=merge(base, theirs, yours),
    )
