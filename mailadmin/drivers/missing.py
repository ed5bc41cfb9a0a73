"""What stands in for a driver that the settings page chose and that is not installed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext

from mailadmin.drivers.base import Driver, error_result
from mailadmin.errors import DeliveryError, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailadmin.drivers.base import Envelope, Result, RevealedConnection


class MissingDriver(Driver):
    """Sends nothing and says why. It is not registered."""

    explanation = ""
    delivers = False

    def __init__(self, key: str) -> None:
        self.key = self.label = key

    def unavailable_reason(self) -> str:
        """Return that it is not installed."""
        return gettext("The driver “%s” is not installed. Install it or choose another one.") % self.key

    async def send(
        self,
        envelopes: Sequence[Envelope],
        connection: RevealedConnection | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Defer every message; usually the router has held them before."""
        error = DeliveryError(self.unavailable_reason(), permanent=False, phase=Phase.CONNECT)
        return [error_result(envelope, error) for envelope in envelopes]
