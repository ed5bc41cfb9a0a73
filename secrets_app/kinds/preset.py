"""Known values of one provider, offered on the form of a new secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Preset:
    """The settings of a known provider: `initial` fills in the form, `hint` says what else is needed."""

    key: str
    label: StrOrPromise
    initial: Mapping[str, Any]
    hint: StrOrPromise = ""
