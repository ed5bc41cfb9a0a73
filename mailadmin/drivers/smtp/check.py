"""Checks a server step by step, as far as a message would get before its content, and sends nothing.

Name, connection, TLS, greeting, EHLO, sign-in, then MAIL FROM and RCPT TO, which RSET takes back. Each step is timed;
what was said is kept with the credentials redacted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.certificates import read_certificate
from mailadmin.drivers.check_report import CheckReport, CheckStep
from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.errors import ConversationBroken, DeliveryError, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.functional import _StrPromise

    from mailadmin.drivers.smtp.session import Session
    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from mailadmin.transcript import Line

# What else to try where the mode is what is wrong: encryption, and port (None: the same).
ALTERNATIVES: dict[str, tuple[tuple[str, int | None], ...]] = {
    "tls-expected": (("ssl", None),),
    "tls-not-spoken": (("starttls", None),),
    "starttls-missing": (("ssl", 465),),
    "sign-in-missing": (("starttls", None), ("ssl", 465)),
    "connection-refused": (("starttls", 587), ("ssl", 465)),
    "connection-timeout": (("starttls", 587), ("ssl", 465)),
}
ALTERNATIVE_SECONDS = 3.0  # per step of an alternative

LABELS: dict[Phase, _StrPromise] = {
    Phase.RESOLVE: _("Find the host"),
    Phase.CONNECT: _("Connect"),
    Phase.TLS: _("Encrypt (TLS)"),
    Phase.GREETING: _("Greeting"),
    Phase.EHLO: _("EHLO"),
    Phase.AUTH: _("Sign in"),
    Phase.MAIL: _("Sender accepted (MAIL FROM)"),
    Phase.RCPT: _("Recipient accepted (RCPT TO)"),
}


def phases_of(server: SmtpServer, *, sender: str, recipient: str) -> list[Phase]:
    """Return the phases that a check goes through, in order."""
    first = {
        "ssl": [Phase.TLS, Phase.EHLO],
        "starttls": [Phase.GREETING, Phase.EHLO, Phase.TLS],
        "none": [Phase.GREETING, Phase.EHLO],
    }[server.tls]
    envelope = [Phase.MAIL, *([Phase.RCPT] if recipient else [])] if sender else []
    return [Phase.RESOLVE, Phase.CONNECT, *first, *([Phase.AUTH] if server.username else []), *envelope]


async def check(server: SmtpServer, *, sender: str = "", recipient: str = "") -> CheckReport:
    """Check `server`. `sender` and `recipient` are ASCII addresses that it is asked about, or empty.

    Takes up to four timeouts to sign in, and one for each other command. Raises nothing but programming errors.
    """
    phases = phases_of(server, sender=sender, recipient=recipient)
    try:
        session = await connect(server)
    except DeliveryError as error:
        transcript = error.transcript
        times = Counter[Phase]()
        for phase, milliseconds in transcript.phases if transcript else ():
            times[Phase(phase)] += milliseconds
        begun = (
            [phases.index(Phase(phase)) for phase, _took in transcript.phases if phase in phases] if transcript else []
        )
        # The furthest that it got: EHLO is sent once more after STARTTLS, and a mistake may be found early.
        failed = phases[max(begun, default=0)]
        lines = transcript.lines if transcript else ()
        report = _report(server, phases, times, failed=failed, lines=lines, error=error)
        other = await _working_alternative(server, error.fault)
        return replace(report, alternative=other[0], alternative_text=other[1]) if other else report
    return await _check_envelope(session, server, phases, sender=sender, recipient=recipient)


async def _working_alternative(server: SmtpServer, fault: str) -> tuple[dict[str, Any], str] | None:
    """Return the fields of a mode in which the server can be connected to, and its words, where `fault` is the mode.

    Nothing is sent to sign in. Each mode has a few seconds.
    """
    for tls, port in ALTERNATIVES.get(fault, ()):
        other = replace(
            server, tls=tls, port=port or server.port, username="", password="", timeout=ALTERNATIVE_SECONDS
        )
        if (other.tls, other.port) == (server.tls, server.port):
            continue
        try:
            session = await connect(other)
        except DeliveryError:
            continue
        await session.close()
        values = {"tls": gettext("implicit TLS") if tls == "ssl" else "STARTTLS", "port": other.port}
        return {"tls": other.tls, "port": other.port}, gettext("%(tls)s on port %(port)d") % values
    return None


async def _check_envelope(
    session: Session, server: SmtpServer, phases: Sequence[Phase], *, sender: str, recipient: str
) -> CheckReport:
    """Ask about sender and recipient, and quit."""
    handshake = session.handshake
    lines = list(handshake.lines) if handshake else []
    seconds = defaultdict[Phase, float](float)
    for name, took in handshake.phases if handshake else ():
        seconds[Phase(name)] += took
    error: DeliveryError | None = None
    for phase, command in ((Phase.MAIL, f"MAIL FROM:<{sender}>"), (Phase.RCPT, f"RCPT TO:<{recipient}>")):
        if phase in phases and error is None:
            began = monotonic()
            error = await _send(session, phase, command, lines, server.timeout)
            seconds[phase] = monotonic() - began
    notes = _notes(session, server, sender=sender, recipient=recipient)
    if error is None and sender:
        await _send(session, Phase.RCPT, "RSET", lines, server.timeout)
    await session.close()
    times = {phase: round(seconds[phase] * 1000) for phase in phases}
    failed = error.phase if error else None
    return _report(server, phases, times, failed=failed, lines=tuple(lines), error=error, notes=notes)


async def _send(
    session: Session, phase: Phase, command: str, lines: list[Line], timeout: float
) -> DeliveryError | None:
    """Send one command and add it to `lines` with its reply; return why it was refused, None if it was not."""
    lines.append(("C", command))
    session.conversation.send(f"{command}\r\n".encode())
    try:
        reply = await session.conversation.reply(phase, timeout)
    except ConversationBroken as broken:
        lines.append(("", broken.message))
        return broken
    lines.append(("S", sanitize(str(reply))))
    if reply.is_positive:
        return None
    return DeliveryError(
        str(reply),
        permanent=reply.code >= 500,
        phase=phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        reply=reply.text,
    )


def _notes(session: Session, server: SmtpServer, *, sender: str, recipient: str) -> dict[Phase, str]:
    """Return what the steps found out."""
    der = session.conversation.certificate
    certificate = read_certificate(der) if der else None
    extensions = sanitize(", ".join(name.upper() for name in session.extensions), limit=200)
    tls = [session.tls, certificate.text(timezone.now()) if certificate else ""]
    return {
        Phase.EHLO: gettext("offers %s") % extensions if extensions else "",
        Phase.TLS: ". ".join(filter(None, tls)),
        Phase.AUTH: gettext("as %s") % server.username,
        Phase.MAIL: sender,
        Phase.RCPT: recipient,
    }


def _report(
    server: SmtpServer,
    phases: Sequence[Phase],
    times: Mapping[Phase, int],
    *,
    failed: Phase | None,
    lines: tuple[Line, ...],
    error: DeliveryError | None,
    notes: Mapping[Phase, str] | None = None,
) -> CheckReport:
    """Return the report of a check that failed in the phase `failed`, or that passed."""
    at = phases.index(failed) if failed else len(phases)
    notes = notes or {}
    return CheckReport(
        endpoint=server.endpoint,
        passed=tuple(
            CheckStep(phase.value, LABELS[phase], times.get(phase, 0), notes.get(phase, "")) for phase in phases[:at]
        ),
        missing=tuple(CheckStep(phase.value, LABELS[phase]) for phase in phases[at:]),
        lines=lines,
        error=error,
    )
