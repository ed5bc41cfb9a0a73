"""A newer text from the program under an edited copy: what the three say, place by place, and the two joined."""

from __future__ import annotations

from dataclasses import dataclass

from templates_app.content.content import Content
from templates_app.library.builtin_seeding import newer_builtin
from templates_app.library.merging import MergedText, merge, three_way
from templates_app.models import Document, Version


@dataclass(frozen=True, slots=True)
class Upgrade:
    """`theirs` is the newest built-in, `yours` the edited copy, `base` what it began from (None: nobody knows).

    `joined` is yours with all that is new in theirs where you changed nothing.
    """

    base: Version | None
    theirs: Version
    yours: Version
    places: list[MergedText]
    joined: Content

    @property
    def clashes(self) -> int:
        """In how many places both changed the same lines."""
        return sum(place.clashes for place in self.places)

    @property
    def adds_something(self) -> bool:
        """Whether there is anything to take over."""
        return self.joined.digest != self.yours.digest


def upgrade_of(document: Document) -> Upgrade | None:
    """Return what the program has new for an edited copy, None if there is nothing or it was declined."""
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
        joined=merge(base, theirs, yours),
    )
