"""What the log's pages ask of apps that the log does not know: each question has a function that such an app sets.

Where nobody has set one, the page leaves out what it would have shown.
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
    made_at: datetime
    author_name: str
    url: str
    permission: str


_revision: Callable[[int], Revision | None] | None = None
_is_issued_anew: Callable[[Message], bool] | None = None


def answer(
    *, revision: Callable[[int], Revision | None] | None, is_issued_anew: Callable[[Message], bool] | None
) -> None:
    """Let these functions answer from now on."""
    global _revision, _is_issued_anew
    _revision, _is_issued_anew = revision, is_issued_anew


def revision(mail: Message) -> Revision | None:
    """Return the revision of the settings that `mail` was made under: one query, none where it has no number."""
    return _revision(mail.settings_revision) if _revision and mail.settings_revision else None


def is_issued_anew(mail: Message) -> bool:
    """Tell whether somebody makes a fresh mail in place of `mail`, which must not be sent again as it is. No query."""
    return bool(_is_issued_anew and _is_issued_anew(mail))
