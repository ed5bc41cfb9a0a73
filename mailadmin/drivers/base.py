"""What a driver is: envelopes in, one result per envelope out. `docs/adding-a-driver.md` explains how to add one.

A driver sends and reports what happened. It never reads or writes the database, never decides about a retry, and never
raises because a message was not accepted: that is a result, too.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.capabilities import Feature
from mailadmin.drivers.check_report import CheckReport, CheckStep
from mailadmin.errors import ConnectFailed, DeliveryError, Phase, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.capabilities import Requirements
    from mailadmin.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message as it is sent.

    `sender` and `recipients` are spelled as in MAIL FROM and RCPT TO (`sender` may be empty, RFC 5321 4.5.5); `content`
    is the MIME message with CRLF line ends, not dot-stuffed.
    """

    id: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    needs_smtputf8: bool
    message_id: str
    subject: str
    is_sensitive: bool = False
    keeps_transcript: bool = False  # whether the transcript is kept although the message is delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientResult:
    """The outcome of one recipient: a value of `maillog.models.Recipient.Outcome`.

    `reply` is the server's text without the codes, one line, at most 1000 characters.
    """

    outcome: str
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one envelope: a value of `maillog.models.Attempt.Outcome`.

    `recipients` has an entry for every recipient of the envelope. `reply` is the server's text without the codes, or,
    where it said nothing, our own explanation. `host` is ``name:port``, `tls` e.g. ``TLSv1.3, TLS_AES_256_GCM_SHA384``.
    `error` is set unless at least one recipient was accepted, and if the account has reached a limit. `transcript` is
    there if something was said, and the message was not simply delivered or its envelope asks for it.
    """

    outcome: str
    recipients: Mapping[str, RecipientResult]
    started_at: datetime
    duration_ms: int
    phase: str = ""
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    host: str = ""
    tls: str = ""
    error: DeliveryError | None = None
    transcript: Transcript | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedConnection:
    """A connection with its secrets in plain text, for a driver alone: never stored, logged or shown.

    `fields`: what its kind of secret stores readable; `secrets`: the secret fields that have a value.
    `content_timeout`: seconds that a server may take to answer a whole message, 0 for the connection's own timeout.
    """

    id: str
    name: str
    kind: str
    fields: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    content_timeout: float = 0.0


class Driver(ABC):
    """A way to send, known by its `key`. One instance serves the whole process."""

    key: str  # of the settings, of MAIL_DRIVER and in the log: at most 20 of a-z, 0-9, - and _
    label: _StrOrPromise
    explanation: _StrOrPromise  # one sentence for the settings page
    order: int = 50  # on the settings page, lowest first; the first driver is the default
    kind: str = ""  # the kind of secret that its connections are made of, "" if it needs no connection
    delivers: bool = True  # whether recipients receive anything
    undelivered_notice: _StrOrPromise = ""  # one sentence for the overview, where it does not deliver
    cannot_carry: frozenset[Feature] = frozenset()
    max_size: int | None = None  # octets of a message

    @property
    def needs_connection(self) -> bool:
        """Whether it sends through connections."""
        return bool(self.kind)

    @property
    def has_limitations(self) -> bool:
        """Whether there are messages that it cannot carry."""
        return bool(self.cannot_carry) or self.max_size is not None

    def unavailable_reason(self) -> str:
        """Return why nothing can be sent, whatever the message and the connection, or ""."""
        return ""

    def limitation(self, requirements: Requirements) -> Feature | None:
        """Return what it cannot carry of a message with these requirements, or None."""
        if self.max_size is not None and requirements.size > self.max_size:
            return Feature.SIZE
        return next((feature for feature in Feature if feature in requirements.features & self.cannot_carry), None)

    def refusal(self, feature: Feature) -> str:
        """Return the sentence that it cannot carry `feature`."""
        return gettext("The driver “%(driver)s” cannot carry %(what)s.") % {"driver": self.label, "what": feature.label}

    @abstractmethod
    async def send(
        self,
        envelopes: Sequence[Envelope],
        connection: RevealedConnection | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Return one result per envelope, in order; `on_result` is called with each as soon as it is known.

        `connection` is of the driver's `kind`, None if it needs none. A failure of the server is a result (`deferred`
        with `error` set where the message is not at fault). Only programming errors are raised.
        """

    async def withdraw(self, ids: Collection[int]) -> None:  # noqa: B027  (most start a message as soon as they get it)
        """Do not start the messages `ids`: those that have not begun get a result with the error Stopped at once."""

    async def stop(self, seconds: float) -> None:  # noqa: B027  (most have nothing to stop)
        """Start no more messages: those waiting get a result with the error Stopped, those started have `seconds`."""

    async def probe(self, connection: RevealedConnection) -> None:
        """Connect and sign in, send nothing. Raises DeliveryError. Needed by every driver that has a `kind`."""
        raise NotImplementedError

    async def check(
        self, connection: RevealedConnection, *, sender: str, recipient: str, step_timeout: float
    ) -> CheckReport:
        """Check the connection step by step and report how far that got; nothing is sent.

        `sender` and `recipient` are ASCII addresses that the server may be asked about, or empty; each step takes at
        most `step_timeout` seconds. Without steps of its own a driver has one, its `probe`.
        """
        endpoint, began = connection.name or str(self.label), monotonic()
        step = CheckStep("connect", _("Connect"))
        try:
            async with asyncio.timeout(step_timeout):
                await self.probe(connection)
        except TimeoutError:
            text = gettext("There was no answer within %g seconds.") % step_timeout
            slow = ConnectFailed(text, permanent=False, phase=Phase.CONNECT)
            return CheckReport(endpoint, passed=(), missing=(step,), error=slow)
        except DeliveryError as error:
            return CheckReport(endpoint, passed=(), missing=(step,), error=error)
        took = round((monotonic() - began) * 1000)
        return CheckReport(endpoint, passed=(CheckStep(step.key, step.label, took),))


def crash_error(error: BaseException, phase: Phase = Phase.MAIL) -> DeliveryError:
    """Return an exception that a driver should not have raised as one that it may: temporary, in `phase`.

    `uncertain` if the message may have been handed over by then. The exception's own text stays out of the log's pages:
    it may hold anything.
    """
    text = gettext("The driver failed: %s") % type(error).__name__
    return DeliveryError(text, permanent=False, phase=phase, uncertain=phase == Phase.CONTENT)


def stopped_error() -> Stopped:
    """Return the error of a message that is not to start."""
    return Stopped(gettext("Sending was stopped."), permanent=False, phase=Phase.CONNECT)


def uniform_result(
    envelope: Envelope,
    *,
    outcome: str,
    recipient_outcome: str,
    reply: str = "",
    host: str = "",
    error: DeliveryError | None = None,
) -> Result:
    """Return a result that is the same for all recipients; codes and phase are those of `error`."""
    code, enhanced_code = (error.code, error.enhanced_code) if error else (None, "")
    each = RecipientResult(outcome=recipient_outcome, code=code, enhanced_code=enhanced_code, reply=reply)
    return Result(
        outcome=outcome,
        recipients=dict.fromkeys(envelope.recipients, each),
        code=code,
        enhanced_code=enhanced_code,
        reply=reply,
        host=host,
        started_at=datetime.now(UTC),
        duration_ms=0,
        error=error,
    )


def sent_result(envelope: Envelope, *, reply: str = "", host: str = "") -> Result:
    """Return the result of a message that was accepted for all recipients."""
    return uniform_result(envelope, outcome="sent", recipient_outcome="accepted", reply=reply, host=host)


def error_result(envelope: Envelope, error: DeliveryError, *, host: str = "") -> Result:
    """Return the result of a message that was accepted for no recipient because of `error`."""
    outcome = "uncertain" if error.uncertain else "failed" if error.permanent else "deferred"
    recipient_outcome = "refused" if outcome == "failed" else outcome
    return uniform_result(
        envelope, outcome=outcome, recipient_outcome=recipient_outcome, reply=error.message, host=host, error=error
    )
