"""The driver that swallows every mail: for load tests and for copies of a live system."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver, Envelope, Result, same_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.smtp.smtp_server import SmtpServer


class SilentDriver(Driver):
    """Sends nothing and counts the mail as done."""

    key: ClassVar[str] = "silent"
    label: ClassVar[_StrOrPromise] = _("Silent")
    explanation: ClassVar[_StrOrPromise] = _("Every mail is recorded in the log as silenced; nobody receives anything.")
    needs_connection: ClassVar[bool] = False

    async def send(
        self,
        envelopes: Sequence[Envelope],
        server: SmtpServer | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Return the outcome `silenced` for every envelope."""
        results = []
        for envelope in envelopes:
            reply = gettext("The driver is set to silent: nothing is sent.")
            result = same_for_all(envelope, outcome="silenced", recipient_outcome="skipped", reply=reply)
            results.append(result)
            if on_result:
                on_result(envelope, result)
        return results
