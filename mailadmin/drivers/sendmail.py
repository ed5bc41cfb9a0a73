"""The driver that passes messages to the machine's own sendmail program (of Postfix, Exim, OpenSMTPD or msmtp).

One call per message, ``sendmail -i -f SENDER -- RECIPIENT...``, with the message on standard input. The program answers
with an exit status (sysexits.h) and text on standard error. It accepts the message for all recipients or for none; what
happens afterwards is in the program's own log, not in ours.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import error_result, sent_result
from mailadmin.drivers.per_message import PerMessageDriver
from mailadmin.drivers.registry import register_driver
from mailadmin.drivers.sanitizing import decoded, sanitize
from mailadmin.errors import ConnectFailed, ConversationBroken, DeliveryError, Phase

if TYPE_CHECKING:
    from mailadmin.drivers.base import Envelope, Result, RevealedConnection

TIMEOUT = 60.0  # seconds per message: the local queue takes milliseconds, a relay behind msmtp longer
MAX_CONCURRENT = 4  # programs of one batch that run at a time
NAMES = {  # sysexits.h
    64: "EX_USAGE",
    65: "EX_DATAERR",
    67: "EX_NOUSER",
    68: "EX_NOHOST",
    69: "EX_UNAVAILABLE",
    70: "EX_SOFTWARE",
    71: "EX_OSERR",
    73: "EX_CANTCREAT",
    74: "EX_IOERR",
    75: "EX_TEMPFAIL",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}
REFUSALS = frozenset({65, 67, 68})  # the message or its recipients; the administrator can fix anything else
REPLY = re.compile(r"(?<![\w.])([45]\d\d)[ -]([45]\.\d{1,3}\.\d{1,3})(?![\w.])")  # of a server, RFC 3463
MAX_OUTPUT = 4096  # octets kept of what the program prints


@register_driver
class SendmailDriver(PerMessageDriver):
    """Passes messages to the program ``MAIL_SENDMAIL_PATH``."""

    key = "sendmail"
    label = _("Sendmail")
    explanation = _("Messages are passed to this machine's own mail program, which delivers them.")
    order = 10
    max_concurrent = MAX_CONCURRENT

    def unavailable_reason(self) -> str:
        """Return what is wrong with the program, or ""."""
        path = Path(settings.MAIL.sendmail_path)
        if os.access(path, os.X_OK) and path.is_file():
            return ""
        return gettext("There is no program at %(path)s. Install a mail server, or set %(variable)s.") % {
            "path": path,
            "variable": "MAIL_SENDMAIL_PATH",
        }

    async def send_one(self, envelope: Envelope, connection: RevealedConnection | None) -> Result:
        """Call the program once."""
        return await asyncio.to_thread(call, Path(settings.MAIL.sendmail_path), envelope)


def call(path: Path, envelope: Envelope, *, timeout: float = TIMEOUT) -> Result:
    """Pass one message to the program and return the result, which is the same for all recipients."""
    error = _run(path, envelope, timeout=timeout)
    return error_result(envelope, error, host=str(path)) if error else sent_result(envelope, host=str(path))


def _run(path: Path, envelope: Envelope, *, timeout: float) -> DeliveryError | None:
    """Run the program and return why it did not accept the message, None if it did."""
    # Neither a lone dot (-i) nor an address that begins with a minus (--) is a command; <> is the empty sender.
    arguments = [str(path), "-i", "-f", envelope.sender or "<>", "--", *envelope.recipients]
    try:
        output = tempfile.TemporaryFile()  # noqa: SIM115  (closed below; a pipe could be kept open by a child of its own)
        process = subprocess.Popen(  # noqa: S603  (the program of the configuration, no shell, parsed addresses)
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            # Not our own environment, which holds secrets.
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")},
            start_new_session=True,
        )
    except (OSError, ValueError) as cause:
        why = {"path": path, "why": sanitize(getattr(cause, "strerror", "") or type(cause).__name__)}
        text = gettext("The program %(path)s cannot be run: %(why)s.") % why
        return ConnectFailed(text, permanent=False, phase=Phase.CONNECT)
    with output:
        try:
            process.communicate(envelope.content.replace(b"\r\n", b"\n"), timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            slow = {"path": path, "seconds": timeout}
            text = gettext("The program %(path)s did not end within %(seconds)g seconds.") % slow
            return ConversationBroken(text, permanent=False, phase=Phase.CONTENT, uncertain=True)
        output.seek(0)
        said = output.read(MAX_OUTPUT)
    if process.returncode == 0:
        return None
    return refusal(process.returncode, sanitize(decoded(said)))


def refusal(status: int, said: str) -> DeliveryError:
    """Return what a status other than 0 means; `said` is the program's output, in one line.

    If that repeats a server's reply, its codes are taken over, and 4yz means a temporary failure. A program that was
    killed from outside may have accepted the message before.
    """
    name = NAMES.get(status, "")
    shown = gettext("exit status %d") % status if status > 0 else gettext("killed by signal %d") % -status
    reply = REPLY.search(said)
    code = int(reply[1]) if reply else None
    return DeliveryError(
        sanitize(f"{shown}{f' ({name})' if name else ''}{f': {said}' if said else ''}"),
        permanent=status in REFUSALS and not (code and code < 500),
        phase=Phase.CONTENT,
        code=code,
        enhanced_code=reply[2] if reply else "",
        reply=said,
        uncertain=status < 0,
    )
