"""A newer text from the program under an edited copy: whether there is one, and what the three say."""

from __future__ import annotations

from dataclasses import dataclass

from templates_app.content import Content
from templates_app.keeping import newest_builtin
from templates_app.models import Document, Version


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The built-in version that the copy began from, the newer one, and the copy as it is published."""

    base: Version
    theirs: Version
    yours: Version


def upgrade_of(document: Document) -> Upgrade | None:
    """Return what the program has new for an edited copy, None if there is nothing."""
    yours = document.published
    theirs = newest_builtin(document)
    if yours is None or theirs is None or yours.is_builtin:
        return None
    base = yours.base or document.versions.filter(is_builtin=True).order_by("number").first()
    if base is None or base.number >= theirs.number or base.digest == theirs.digest:
        return None
    return Upgrade(base, theirs, yours)


def announced(document: Document) -> Upgrade | None:
    """Return what is new unless somebody has decided about it already."""
    upgrade = upgrade_of(document)
    return upgrade if upgrade and upgrade.theirs.number > document.builtin_seen else None


def contents(upgrade: Upgrade) -> tuple[Content, Content, Content]:
    """Return what the three say: base, theirs, yours."""
    return upgrade.base.read(), upgrade.theirs.read(), upgrade.yours.read()
