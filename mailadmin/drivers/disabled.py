"""The driver that refuses to send: mail is switched off, and every mail says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver, Envelope, Result, same_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.smtp.smtp_server import SmtpServer


class DisabledDriver(Driver):
    """Sends nothing and marks the mail as skipped, with the reason."""

    key: ClassVar[str] = "disabled"
    label: ClassVar[_StrOrPromise] = _("Disabled")
    explanation: ClassVar[_StrOrPromise] = _("Sending is switched off: every mail is recorded as skipped.")
    needs_connection: ClassVar[bool] = False

    async def send(
        self,
        envelopes: Sequence[Envelope],
        server: SmtpServer | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Return the outcome `skipped` for every envelope."""
        results = []
        for envelope in envelopes:
            reply = gettext("The driver is set to disabled: nothing is sent.")
            result = same_for_all(envelope, outcome="skipped", recipient_outcome="skipped", reply=reply)
            results.append(result)
            if on_result:
                on_result(envelope, result)
        return results
