"""The exceptions of the mail boundary.

Configuration errors and delivery errors are separate families, so that handling one does not hide the other.

MailadminError
├── InvalidMail             the input cannot become a message; names the field (also a ValueError)
├── ConfigurationError      the configuration prevents sending; a person has to change it
└── DeliveryError           the server, or the connection to it, did not accept the message
    ├── ConnectFailed       no connection: the name does not resolve, nothing listens, the network is down
    ├── TLSFailed           the TLS handshake failed or the certificate is not trusted
    ├── SignInRefused       the server refuses the user name or password
    ├── AccountLimited      the account has reached a limit, or is blocked: nothing gets through for now
    ├── ConversationBroken  timeout, lost connection or an unreadable reply during the session
    └── Stopped             sending was stopped before the message was started

A plain DeliveryError is a refusal by the server, with a code and a reply.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailadmin.transcript import Transcript


class Phase(StrEnum):
    """How far a delivery got, in the order of an SMTP session (RFC 5321 3)."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # after the final dot: the server may have accepted the message although its reply is missing
    QUIT = "quit"


class MailadminError(Exception):
    """Base class of the errors that this app raises on purpose."""


class InvalidMail(MailadminError, ValueError):
    """Bad input to `send`: nothing was stored. `field` is the name in `Mail`, `reason` a short plain sentence.

    `position` is the index of the message among several, from 0; None if there was one, or it is not known.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason
        self.position: int | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class ConfigurationError(MailadminError):
    """The configuration prevents sending; retrying does not help, changing it does."""


class DeliveryError(MailadminError):
    """A message was not accepted.

    `permanent`: retrying is useless (5xx). `phase`: how far it got. `code`, `enhanced_code`, `reply`: the server's
    reply, if there was one (RFC 5321 4.2, RFC 3463). `fault`: what this side noticed without a reply, a key of
    `maillog.explanations.meanings`. `uncertain`: the final dot was sent but the reply is missing, so
    the message may have been delivered. `transcript`: the session up to then, where no connection was established.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        phase: Phase,
        code: int | None = None,
        enhanced_code: str = "",
        reply: str = "",
        fault: str = "",
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.phase = phase
        self.code = code
        self.enhanced_code = enhanced_code
        self.reply = reply
        self.fault = fault
        self.uncertain = uncertain
        self.transcript: Transcript | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every attribute when pickled (errors cross process boundaries in parallel test runs)."""
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))

    def __str__(self) -> str:
        return self.message


def _rebuild(kind: type[DeliveryError], message: str, state: dict[str, object]) -> DeliveryError:
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


class ConnectFailed(DeliveryError):
    """No connection to the server."""


class TLSFailed(DeliveryError):
    """The TLS handshake failed, or the certificate is not trusted."""


class SignInRefused(DeliveryError):
    """The server refuses the user name or password."""


class AccountLimited(DeliveryError):
    """The account has reached a limit, or the provider has blocked it (`permanent`); no message is at fault."""


class ConversationBroken(DeliveryError):
    """Timeout, lost connection or an unreadable reply."""


class Stopped(DeliveryError):
    """Sending was stopped before the message was started: nothing was attempted, and the server is not at fault."""
