"""The driver that refuses to send: mail is switched off, and every message says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import uniform_result
from mailadmin.drivers.recording import RecordingDriver
from mailadmin.drivers.registry import register_driver

if TYPE_CHECKING:
    from mailadmin.drivers.base import Envelope, Result


@register_driver
class DisabledDriver(RecordingDriver):
    """Sends nothing and marks the message as skipped, with the reason."""

    key = "disabled"
    label = _("Disabled")
    explanation = _("Sending is switched off: every message is recorded as skipped.")
    undelivered_notice = _("Mail is switched off: the driver “disabled” sends nothing.")
    order = 90

    async def record(self, envelope: Envelope) -> Result:
        """Return the outcome `skipped`."""
        reply = gettext("The driver is set to disabled: nothing is sent.")
        return uniform_result(envelope, outcome="skipped", recipient_outcome="skipped", reply=reply)
