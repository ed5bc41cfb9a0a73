"""The driver that delivers nothing and counts every message as done: for load tests and copies of a live system."""

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
class SilentDriver(RecordingDriver):
    """Sends nothing and counts the message as done."""

    key = "silent"
    label = _("Silent")
    explanation = _("Every message is recorded in the log as silenced; nobody receives anything.")
    undelivered_notice = _("Mail is not delivered: the driver “silent” only records it.")
    order = 85

    async def record(self, envelope: Envelope) -> Result:
        """Return the outcome `silenced`."""
        reply = gettext("The driver is set to silent: nothing is sent.")
        return uniform_result(envelope, outcome="silenced", recipient_outcome="skipped", reply=reply)
