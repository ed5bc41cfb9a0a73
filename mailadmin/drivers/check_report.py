"""The result of checking a connection step by step, as a driver reports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrOrPromise

    from mailadmin.errors import DeliveryError
    from mailadmin.transcript import Line


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One step. `milliseconds`: None if it was not passed; `note`: details, where there are some."""

    key: str
    label: _StrOrPromise
    milliseconds: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How far a check got. `missing`: the steps that were not passed, the failed one first; `error`: why it failed.

    `alternative`: fields of the connection with which it could be established instead, as tried; `alternative_text`:
    the same in words. `endpoint`: what was connected to, for people; `lines`: what was said, with credentials redacted.
    """

    endpoint: str
    passed: tuple[CheckStep, ...]
    missing: tuple[CheckStep, ...] = ()
    lines: tuple[Line, ...] = ()
    error: DeliveryError | None = None
    alternative: Mapping[str, Any] = field(default_factory=dict)
    alternative_text: str = ""
