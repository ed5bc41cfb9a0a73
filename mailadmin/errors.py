"""The exceptions of the mail boundary.

A wrong set-up and a refused mail are separate families, so that nobody swallows the one while handling the other.

MailadminError
├── InvalidMail             what the caller gave cannot become a mail; names the field (also a ValueError)
├── ConfigurationError      the configuration forbids sending; a person has to change it
└── DeliveryError           a server, or the way to it, did not take the mail
    ├── ConnectFailed       no connection: the name does not resolve, nobody listens, the network is down
    ├── TLSFailed           the encrypted channel could not be made or trusted
    ├── SignInRefused       the server refuses the user name or password
    ├── ConversationBroken  timeout, lost connection or an unreadable reply during the conversation
    └── Stopped             sending was stopped before the message was started

A DeliveryError of the base class itself is a plain refusal that the server put into words (a code and a reply).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailadmin.drivers.transcript import Transcript


class Phase(StrEnum):
    """How far a delivery had got, in the order of an SMTP conversation (RFC 5321 3)."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # after the final dot: the server may have taken the mail although its answer is missing
    QUIT = "quit"


class MailadminError(Exception):
    """Everything that this app raises on purpose."""


class InvalidMail(MailadminError, ValueError):
    """Bad input to `send`: nothing was stored. `field` is the name in `Mail`, `reason` a short plain sentence.

    `position` is which of several mails it was, from 0; None where there was one, or where none can be named.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason
        self.position: int | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class ConfigurationError(MailadminError):
    """Something in the configuration forbids sending; trying again does not help, changing it does."""


class DeliveryError(MailadminError):
    """A mail was not taken.

    `permanent`: trying again is useless (5xx). `phase`: how far it had got. `code`, `enhanced_code`, `reply`: the
    server's own words where there were any (RFC 5321 4.2, RFC 3463). `uncertain`: the final dot was sent but the
    answer is missing, so the mail may have been delivered. `transcript`: what was said until then, where no connection
    came about.
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
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.phase = phase
        self.code = code
        self.enhanced_code = enhanced_code
        self.reply = reply
        self.uncertain = uncertain
        self.transcript: Transcript | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle keeps every attribute (errors cross process borders in the queue and in parallel test runs)."""
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
    """The encrypted channel could not be made, or the certificate not trusted."""


class SignInRefused(DeliveryError):
    """The server refuses the user name or the password."""


class ConversationBroken(DeliveryError):
    """Timeout, lost connection or an unreadable reply."""


class Stopped(DeliveryError):
    """Sending was stopped before the message was started: nothing was attempted, and the server is not at fault."""
