"""What the log asks of apps that it does not know. Such an app registers a function per question.

Without a function the page leaves out what it would show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from maillog.models import Message


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of the settings: who saved it and when. `url`: where it is shown, to those who have `permission`."""

    number: int
    created_at: datetime
    author_name: str
    url: str
    permission: str


_revision_lookup: Callable[[int], Revision | None] | None = None
_reissue_check: Callable[[Message], bool] | None = None
_record_pruner: Callable[[], int] | None = None


def register_revision_lookup(lookup: Callable[[int], Revision | None]) -> None:
    """Let `lookup` find the settings revision with a number; it returns None where there is none."""
    global _revision_lookup
    _revision_lookup = lookup


def register_reissue_check(check: Callable[[Message], bool]) -> None:
    """Let `check` decide whether a new message can replace a sensitive one. It must not run a query."""
    global _reissue_check
    _reissue_check = check


def register_record_pruner(prune: Callable[[], int]) -> None:
    """Let `prune` remove what is recorded elsewhere of messages without content; it returns how many records."""
    global _record_pruner
    _record_pruner = prune


def prune_records() -> int:
    return _record_pruner() if _record_pruner else 0


def revision(mail: Message) -> Revision | None:
    """Return the settings revision that `mail` was created under: one query, none where it has no number."""
    return _revision_lookup(mail.settings_revision) if _revision_lookup and mail.settings_revision else None


def can_reissue(mail: Message) -> bool:
    """Return whether a new message can replace `mail`, which must not be sent again as it is. No query."""
    return bool(_reissue_check and _reissue_check(mail))
