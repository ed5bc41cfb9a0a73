"""Climbs to a server rung by rung, as far as a mail would get before its content, and sends nothing.

Name, connection, TLS, greeting, EHLO, sign-in, then MAIL FROM and RCPT TO, which are taken back by RSET. Each rung has
its time; what was said is kept with the credentials struck out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.errors import ConversationBroken, DeliveryError, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailadmin.drivers.smtp.session import Session
    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from mailadmin.drivers.transcript import Line


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's certificate says, each a harmless line. `expires_at` is aware, in UTC."""

    names: str  # it is for, the first three
    issuer: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Climb:
    """How far it went. `passed`: rungs with their milliseconds, in order; `error`: why the one after them broke.

    `missing`: rungs that nobody came to, the broken one first. `extensions`: what the server offered after EHLO.
    """

    endpoint: str
    passed: tuple[tuple[Phase, int], ...]
    missing: tuple[Phase, ...]
    lines: tuple[Line, ...]
    tls: str = ""
    certificate: Certificate | None = None
    extensions: tuple[str, ...] = ()
    error: DeliveryError | None = None


def rungs(server: SmtpServer, *, sender: str, recipient: str) -> list[Phase]:
    """Return what there is to climb, in order."""
    first = {
        "ssl": [Phase.TLS, Phase.EHLO],
        "starttls": [Phase.GREETING, Phase.EHLO, Phase.TLS],
        "none": [Phase.GREETING, Phase.EHLO],
    }[server.tls]
    asked = [Phase.MAIL, *([Phase.RCPT] if recipient else [])] if sender else []
    return [Phase.RESOLVE, Phase.CONNECT, *first, *([Phase.AUTH] if server.username else []), *asked]


async def climb(server: SmtpServer, *, sender: str = "", recipient: str = "") -> Climb:
    """Climb to `server` and leave again. `sender` and `recipient` are ASCII addresses that it is asked about, or empty.

    Takes up to four timeouts to sign in, and one each for the other commands. Raises nothing but programming errors.
    """
    wanted = rungs(server, sender=sender, recipient=recipient)
    try:
        session = await connect(server)
    except DeliveryError as error:
        said = error.transcript
        times = Counter[Phase]()
        for phase, milliseconds in said.phases if said else ():
            times[Phase(phase)] += milliseconds
        begun = [wanted.index(Phase(phase)) for phase, _took in said.phases if phase in wanted] if said else []
        # The furthest that it got: EHLO is said once more after STARTTLS, and what is wrong may be known early.
        at = max(begun, default=0)
        return Climb(
            endpoint=server.endpoint,
            passed=tuple((phase, times[phase]) for phase in wanted[:at]),
            missing=tuple(wanted[at:]),
            lines=said.lines if said else (),
            error=error,
        )
    return await _ask(session, server, wanted, sender=sender, recipient=recipient)


async def _ask(session: Session, server: SmtpServer, wanted: Sequence[Phase], *, sender: str, recipient: str) -> Climb:
    """Ask about sender and recipient, and leave."""
    opening = session.handshake
    lines = list(opening.lines) if opening else []
    seconds = defaultdict[Phase, float](float)
    for phase, took in opening.phases if opening else ():
        seconds[Phase(phase)] += took
    error: DeliveryError | None = None
    for phase, command in ((Phase.MAIL, f"MAIL FROM:<{sender}>"), (Phase.RCPT, f"RCPT TO:<{recipient}>")):
        if phase in wanted and error is None:
            began = monotonic()
            error = await _say(session, phase, command, lines, server.timeout)
            seconds[phase] = monotonic() - began
    encrypted, extensions = session.conversation.certificate, tuple(name.upper() for name in session.extensions)
    if error is None and sender:
        await _say(session, Phase.RCPT, "RSET", lines, server.timeout)
    await session.close()
    at = wanted.index(error.phase) if error else len(wanted)
    return Climb(
        endpoint=server.endpoint,
        passed=tuple((phase, round(seconds[phase] * 1000)) for phase in wanted[:at]),
        missing=tuple(wanted[at:]),
        lines=tuple(lines),
        tls=session.tls,
        certificate=read(encrypted) if encrypted else None,
        extensions=extensions,
        error=error,
    )


async def _say(session: Session, phase: Phase, command: str, lines: list[Line], timeout: float) -> DeliveryError | None:
    """Say one command and note it with its answer; return why it was refused, None if it was not."""
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


def read(der: bytes) -> Certificate | None:
    """Return what a certificate says, None if it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            addresses = [str(one) for one in found.get_values_for_type(x509.IPAddress)]
            names = [*found.get_values_for_type(x509.DNSName), *addresses]
        except x509.ExtensionNotFound:
            names = []
        issuer = certificate.issuer
        who = issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) or issuer.get_attributes_for_oid(
            NameOID.COMMON_NAME
        )
        return Certificate(
            names=sanitize(", ".join(names[:3]), limit=200),
            issuer=sanitize(str(who[0].value) if who else issuer.rfc4514_string(), limit=200),
            expires_at=certificate.not_valid_after_utc.astimezone(UTC),
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion):
        return None
