"""The driver that hands mails to the machine's own mail program: what Postfix, Exim, OpenSMTPD or msmtp call sendmail.

One call a mail, ``sendmail -i -f SENDER -- RECIPIENT...``, with the message on standard input. The program answers with
an exit status (sysexits.h) and words on standard error. It takes the mail for all recipients or for none; what becomes
of it afterwards is in the program's own log, not in ours.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver, Envelope, RecipientResult, Result
from mailadmin.drivers.sanitizing import sanitize
from mailadmin.errors import ConnectFailed, ConversationBroken, DeliveryError, Phase, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.smtp.smtp_server import SmtpServer

TIMEOUT = 60.0  # seconds for one mail: handing it to the local queue takes milliseconds, a relay behind msmtp longer
AT_ONCE = 4  # programs of this process that run at a time
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
REFUSALS = frozenset({65, 67, 68})  # the mail itself or its recipients; anything else may be mended by whoever runs it
ANSWER = re.compile(r"(?<![\w.])([45]\d\d)[ -]([45]\.\d{1,3}\.\d{1,3})(?![\w.])")  # of a server, RFC 3463
KEPT_WORDS = 4096  # octets of what the program says


class SendmailDriver(Driver):
    """Hands mails to the program ``MAIL_SENDMAIL_PATH``."""

    key: ClassVar[str] = "sendmail"
    label: ClassVar[_StrOrPromise] = _("Sendmail")
    explanation: ClassVar[_StrOrPromise] = _(
        "Mails are handed to this machine's own mail program, which delivers them."
    )
    needs_connection: ClassVar[bool] = False
    delivers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._calls: set[threading.Event] = set()  # one for each `send` under way: whether it is called back

    def trouble(self) -> str:
        """Return what is wrong with the program, or nothing."""
        path = Path(settings.MAIL.sendmail_path)
        if os.access(path, os.X_OK) and path.is_file():
            return ""
        return gettext("There is no program at %(path)s. Install a mail server, or set %(variable)s.") % {
            "path": path,
            "variable": "MAIL_SENDMAIL_PATH",
        }

    async def send(
        self,
        envelopes: Sequence[Envelope],
        server: SmtpServer | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Call the program once for each envelope, a few at a time; what goes wrong concerns one mail alone."""
        path, free = Path(settings.MAIL.sendmail_path), asyncio.Semaphore(AT_ONCE)
        is_over = threading.Event()
        self._calls.add(is_over)

        async def hand_over(envelope: Envelope) -> Result:
            async with free:
                stopped = Stopped(gettext("Sending was stopped."), permanent=False, phase=Phase.CONNECT)
                if is_over.is_set():
                    result = result_of(envelope, path, stopped)
                else:
                    result = await asyncio.to_thread(call, path, envelope)
            if on_result:
                on_result(envelope, result)
            return result

        try:
            return list(await asyncio.gather(*map(hand_over, envelopes)))
        finally:
            self._calls.discard(is_over)

    def call_back(self) -> None:
        """Let the programs that run come to their end, and begin no other."""
        for is_over in list(self._calls):
            is_over.set()


def call(path: Path, envelope: Envelope, *, timeout: float = TIMEOUT) -> Result:
    """Hand one mail over and return what came of it."""
    started_at, started = datetime.now(UTC), monotonic()
    error = _run(path, envelope, timeout=timeout)
    result = result_of(envelope, path, error)
    return replace(result, started_at=started_at, duration_ms=round((monotonic() - started) * 1000))


def result_of(envelope: Envelope, path: Path, error: DeliveryError | None) -> Result:
    """Return the result for all recipients alike."""
    outcome, each = "sent", RecipientResult(outcome="accepted")
    if error is not None:
        outcome = "uncertain" if error.uncertain else "failed" if error.permanent else "deferred"
        each = RecipientResult(
            outcome="refused" if outcome == "failed" else outcome,
            code=error.code,
            enhanced_code=error.enhanced_code,
            reply=error.message,
        )
    return Result(
        outcome=outcome,
        recipients=dict.fromkeys(envelope.recipients, each),
        code=each.code,
        enhanced_code=each.enhanced_code,
        reply=each.reply,
        host=str(path),
        started_at=datetime.now(UTC),
        duration_ms=0,
        error=error,
    )


def _run(path: Path, envelope: Envelope, *, timeout: float) -> DeliveryError | None:
    """Run the program and return why it did not take the mail, None if it did."""
    # Neither a lone dot (-i) nor an address that begins with a minus (--) is a command; <> is the empty sender.
    arguments = [str(path), "-i", "-f", envelope.sender or "<>", "--", *envelope.recipients]
    try:
        words = tempfile.TemporaryFile()  # noqa: SIM115  (closed below; a pipe could be kept open by a child of its own)
        process = subprocess.Popen(  # noqa: S603  (the program of the configuration, no shell, parsed addresses)
            arguments,
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            cwd="/",
            # Nothing of our own secrets, which are in our environment.
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")},
            start_new_session=True,
        )
    except (OSError, ValueError) as trouble:
        why = {"path": path, "why": getattr(trouble, "strerror", "") or type(trouble).__name__}
        text = gettext("The program %(path)s cannot be run: %(why)s.") % why
        return ConnectFailed(text, permanent=False, phase=Phase.CONNECT)
    with words:
        try:
            process.communicate(envelope.content.replace(b"\r\n", b"\n"), timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            slow = {"path": path, "seconds": timeout}
            text = gettext("The program %(path)s did not end within %(seconds)g seconds.") % slow
            return ConversationBroken(text, permanent=False, phase=Phase.CONTENT, uncertain=True)
        words.seek(0)
        said = words.read(KEPT_WORDS)
    if process.returncode == 0:
        return None
    return refusal(process.returncode, sanitize(said.decode("utf-8", "replace")))


def refusal(status: int, said: str) -> DeliveryError:
    """Return what a status other than 0 means; `said` are the program's words, in one line.

    If they repeat a server's answer, its codes are taken over, and a 4yz among them means later, not never. A program
    that was killed from outside may have taken the mail before.
    """
    name = NAMES.get(status, "")
    shown = gettext("exit status %d") % status if status > 0 else gettext("killed by signal %d") % -status
    answer = ANSWER.search(said)
    code = int(answer[1]) if answer else None
    return DeliveryError(
        sanitize(f"{shown}{f' ({name})' if name else ''}{f': {said}' if said else ''}"),
        permanent=status in REFUSALS and not (code and code < 500),
        phase=Phase.CONTENT,
        code=code,
        enhanced_code=answer[2] if answer else "",
        reply=said,
        uncertain=status < 0,
    )
