"""What went wrong on the way to a server, in one error with plain words, whatever exception it came as."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiosmtplib
from django.utils.translation import gettext as _

from mailadmin.drivers.smtp import tls
from mailadmin.drivers.smtp.replies import Censor, Reply, harmless, reply_from
from mailadmin.errors import ConnectFailed, ConversationBroken, DeliveryError, Phase, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from mailadmin.drivers.smtp.driver import SmtpServer
    from secrets_app.egress_rules import Target

_GARBLED = -1  # aiosmtplib's code for what is not SMTP
_LIBRARY_PREFIX = "Malformed SMTP response line: "


async def explained(
    error: Exception, phase: Phase, server: SmtpServer, target: Target | None, censor: Censor
) -> DeliveryError:
    """Return `error`, met in `phase`, as the DeliveryError to raise.

    Where the server seems to speak TLS in the wrong place it is connected to once more to make sure, for at most three
    seconds.
    """
    if phase == Phase.TLS and server.tls == "ssl" and _had_tls(error):
        phase = Phase.GREETING
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return _unspeakable(phase, server)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if error.code == _GARBLED or not 200 <= error.code < 600:
            text = harmless(censor(str(error.message).removeprefix(_LIBRARY_PREFIX)), limit=200)
            return _garbled(text, phase, server)
        return _refused(reply_from(error.code, str(error.message), censor), phase, server)
    if phase == Phase.TLS and target is not None:
        return await tls.failure(error, server, target)
    if phase in (Phase.RESOLVE, Phase.CONNECT):
        return ConnectFailed(_unreachable(error, phase, server), permanent=False, phase=phase)
    return await _silent(error, phase, server, target)


def _had_tls(error: Exception) -> bool:
    """Tell whether TLS stood already: with TLS from the start the library reads the greeting in the same step."""
    return isinstance(error, aiosmtplib.SMTPResponseException) or isinstance(
        error.__cause__, (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)
    )


def _unspeakable(phase: Phase, server: SmtpServer) -> DeliveryError:
    """Return the error for a value that cannot be put into bytes; which one is not repeated."""
    if phase == Phase.AUTH:
        message = _("The user name or the password for %s holds a character that cannot be sent.")
        return SignInRefused(message % server.endpoint, permanent=True, phase=phase)
    return ConnectFailed(_("%s is not a host name.") % repr(server.host[:80]), permanent=True, phase=phase)


def _unreachable(error: Exception, phase: Phase, server: SmtpServer) -> str:
    seconds = f"{server.timeout:.3g}"
    if phase == Phase.RESOLVE:
        if isinstance(error, TimeoutError):
            return _("The name %(host)s could not be looked up within %(seconds)s seconds.") % {
                "host": server.host,
                "seconds": seconds,
            }
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return _("The name %s could not be looked up: the name server does not answer.") % server.host
        return _("There is no host named %s.") % server.host
    if isinstance(error, TimeoutError):
        return _("%(host)s did not answer within %(seconds)s seconds; a firewall may be in between.") % {
            "host": server.endpoint,
            "seconds": seconds,
        }
    if isinstance(error, ConnectionRefusedError):
        return _("Nobody listens on %s (connection refused).") % server.endpoint
    why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return _("No connection to %(host)s: %(why)s.") % {"host": server.endpoint, "why": why}


def _refused(reply: Reply, phase: Phase, server: SmtpServer) -> DeliveryError:
    """Return the error for a reply that is not the wanted one: it counts as permanent from 500 on."""
    kind: type[DeliveryError] = ConnectFailed
    message = _("%(host)s does not want to talk now: %(reply)s")
    if reply.code != 421 and phase == Phase.TLS:
        kind, message = TLSFailed, _("%(host)s refuses STARTTLS: %(reply)s")
    elif reply.code != 421 and phase == Phase.AUTH:
        kind, message = SignInRefused, _("%(host)s refuses the sign-in: %(reply)s")
    elif phase == Phase.EHLO:
        message = _("%(host)s refuses EHLO: %(reply)s")
    return kind(
        message % {"host": server.endpoint, "reply": reply},
        permanent=reply.code >= 500,
        phase=phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        reply=reply.text,
    )


def _garbled(text: str, phase: Phase, server: SmtpServer) -> DeliveryError:
    kind: type[DeliveryError] = ConversationBroken
    message = _("%(host)s said something that is not SMTP: “%(text)s”.")
    if phase == Phase.GREETING:
        kind, message = ConnectFailed, _("%(host)s is no mail server: it greeted with “%(text)s”.")
    elif phase == Phase.TLS:
        kind = TLSFailed
    return kind(message % {"host": server.endpoint, "text": text}, permanent=False, phase=phase, reply=text)


async def _silent(error: Exception, phase: Phase, server: SmtpServer, target: Target | None) -> DeliveryError:
    """Return the error for a server that hangs or hangs up."""
    is_timeout = isinstance(error, TimeoutError)
    if (
        phase == Phase.GREETING
        and server.tls != "ssl"
        and target is not None
        and await tls.speaks_tls(target, server.timeout)
    ):
        message = _("%s speaks TLS from the start and waits for it; choose that in the connection.") % server.endpoint
        return TLSFailed(message, permanent=True, phase=phase)
    if is_timeout:
        message = _("%(host)s did not answer within %(seconds)s seconds (%(phase)s).")
    else:
        message = _("%(host)s closed the connection (%(phase)s).")
    kind = ConnectFailed if phase == Phase.GREETING else ConversationBroken
    words = {"host": server.endpoint, "seconds": f"{server.timeout:.3g}", "phase": phase.value}
    return kind(message % words, permanent=False, phase=phase)
