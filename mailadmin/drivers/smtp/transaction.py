"""One SMTP transaction: replies become an outcome per recipient, and those the outcome of the message."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.base import Envelope, RecipientResult, Result
from mailadmin.drivers.smtp.replies import Reply, account_error
from mailadmin.errors import AccountLimited, ConversationBroken, DeliveryError, Phase, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class NotStarted(Exception):
    """The connection ended before the server had begun the transaction, so the message may be sent again.

    `result` is what to report if it is not.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.reply)
        self.result = result


@dataclass(slots=True)
class Transaction:
    """When it began, its phase, and what is known of its recipients."""

    envelope: Envelope
    host: str
    tls: str
    started_at: datetime
    started: float  # the same on the clock `time.monotonic`
    deadline: float
    phase: Phase = Phase.MAIL
    recipients: dict[str, RecipientResult] = field(default_factory=dict)  # in the order of their replies
    has_accepted: bool = False  # whether the server accepted at least one recipient
    limit: AccountLimited | None = None  # of the account, met at a recipient
    is_out_of_sync: bool = False  # whether replies no longer belong to the commands that they seem to answer
    # Flat, because tuples and further lists would be noticeable at 8,000 messages per second: each step taken, when (on
    # the clock `monotonic`), and its reply, which the last one may lack.
    notes: list[str | float | Reply] = field(default_factory=list)

    # ------------------------------------------------------------ what the server says

    def check(self, reply: Reply, phase: Phase, *, wanted: int | None = None) -> None:
        """Raise ConversationBroken for 421 (the server closes, RFC 5321 3.8) and for a reply that does not fit."""
        code = reply.code
        if code == 421:
            raise _broken_by(reply, phase, _("The server ended the conversation: %s"), uncertain=False)
        if code < 400 and (code != wanted if wanted else code >= 300):
            self.is_out_of_sync = True
            message = _("The server gave a reply that does not fit: %s")
            raise _broken_by(reply, phase, message, uncertain=phase == Phase.CONTENT)

    def out_of_sync(self, message: str) -> ConversationBroken:
        """Return the error to raise when replies turn out to belong to other commands than they seemed to."""
        self.is_out_of_sync = True
        return ConversationBroken(message, permanent=False, phase=self.phase)

    def record_rcpt(self, address: str, reply: Reply) -> None:
        """Record the reply to RCPT TO for that recipient."""
        known = self.recipients.get(address)
        if known is not None and known.outcome == "accepted":
            return  # listed twice: the server has it
        if reply.is_positive:
            outcome, self.has_accepted = "accepted", True
        elif reply.code == 552 and reply.enhanced_code in ("", "5.5.3") and self.has_accepted:
            outcome = "deferred"  # too many recipients: these next time (RFC 5321 4.5.3.1.10)
        else:
            outcome = _refusal(reply)
            if error := account_error(reply, Phase.RCPT, self.host):
                outcome, self.limit = "deferred", error
        self.recipients[address] = _each(outcome, reply, reply.text)

    def settle(self, each: RecipientResult) -> None:
        """Give the same result to every recipient that the server has accepted so far, or has not been told."""
        for address in self.envelope.recipients:
            known = self.recipients.get(address)
            if known is None or known.outcome == "accepted":
                self.recipients[address] = each

    # ------------------------------------------------------------ how it ends

    def not_attempted(self, reason: str) -> Result:
        """Return the result of a message that this server cannot take at all, for that reason."""
        self.settle(RecipientResult(outcome="refused", reply=reason))
        error = DeliveryError(reason, permanent=True, phase=self.phase, fault="unsendable")
        return self.result(error, error=error)

    def sender_rejected(self, reply: Reply) -> Result:
        """Return the result of a message whose MAIL FROM was rejected by `reply`."""
        error = self._precondition_error(reply) or account_error(reply, Phase.MAIL, self.host)
        self.settle(_each("deferred" if error else _refusal(reply), reply, reply.text))
        return self.result(reply, error=error)

    def replied(self, reply: Reply) -> Result:
        """Return the result of a message whose DATA or content got this reply."""
        if reply.is_positive:
            return self.result(reply)
        error = account_error(reply, self.phase, self.host)
        self.settle(_each("deferred" if error else _refusal(reply), reply, reply.text))
        return self.result(reply, error=error)

    def broken(self, error: DeliveryError) -> Result:
        """Return the result of a message during which the conversation broke, or our own program failed."""
        self.phase = error.phase
        self.settle(_each("uncertain" if error.uncertain else "deferred", error, error.reply or error.message))
        limit = None
        if error.code:
            said = Reply(code=error.code, enhanced_code=error.enhanced_code, text=error.reply)
            limit = account_error(said, error.phase, self.host)
        return self.result(error, error=limit or error)

    def result(self, cause: Reply | DeliveryError | None = None, *, error: DeliveryError | None = None) -> Result:
        """Return the result; its code and text are those of `cause`, or of the first recipient that decided it."""
        recipients = {address: self.recipients[address] for address in self.envelope.recipients}
        outcome = overall_outcome([each.outcome for each in recipients.values()])
        if cause is None:
            decisive = "deferred" if outcome == "deferred" else "refused"
            each = next((each for each in recipients.values() if each.outcome == decisive), RecipientResult(outcome=""))
            code, enhanced_code, text = each.code, each.enhanced_code, each.reply
        else:
            code, enhanced_code = cause.code, cause.enhanced_code
            text = cause.reply or cause.message if isinstance(cause, DeliveryError) else cause.text
        error = error or self.limit
        if error is None and outcome in ("failed", "deferred"):
            said = " ".join(part for part in (str(code), enhanced_code, text) if part)
            message = _("%(host)s did not accept the message: %(reply)s") % {"host": self.host, "reply": said}
            error = DeliveryError(
                message if code else text,
                permanent=outcome == "failed",
                phase=self.phase,
                code=code,
                enhanced_code=enhanced_code,
                reply=text if code else "",
            )
        return Result(
            outcome=outcome,
            recipients=recipients,
            phase=self.phase.value,
            code=code,
            enhanced_code=enhanced_code,
            reply=text,
            host=self.host,
            tls=self.tls,
            started_at=self.started_at,
            duration_ms=round((monotonic() - self.started) * 1000),
            error=error,
        )

    def _precondition_error(self, reply: Reply) -> DeliveryError | None:
        """Return the error if every message would get `reply`: 530 asks for TLS (RFC 3207) or sign-in (RFC 4954)."""
        if reply.code != 530:
            return None
        kind: type[DeliveryError] = SignInRefused
        message = _("%(host)s requires sign-in before it accepts mail: %(reply)s")
        if "STARTTLS" in reply.text.upper():
            kind, message = TLSFailed, _("%(host)s requires an encrypted connection before it accepts mail: %(reply)s")
        return kind(
            message % {"host": self.host, "reply": reply},
            permanent=True,
            phase=Phase.MAIL,
            code=reply.code,
            enhanced_code=reply.enhanced_code,
            reply=reply.text,
        )


def unconnected_result(envelope: Envelope, host: str, failure: DeliveryError, *, seconds: float) -> Result:
    """Return the result of a message that got no connection within `seconds`; it is deferred, not at fault."""
    text = failure.reply or failure.message
    return Result(
        outcome="deferred",
        recipients=dict.fromkeys(envelope.recipients, _each("deferred", failure, text)),
        phase=failure.phase.value,
        code=failure.code,
        enhanced_code=failure.enhanced_code,
        reply=text,
        host=host,
        started_at=datetime.now(UTC) - timedelta(seconds=seconds),
        duration_ms=round(seconds * 1000),
        error=failure,
        transcript=failure.transcript,
    )


def with_refused(result: Result, envelope: Envelope, refused: Mapping[str, RecipientResult]) -> Result:
    """Return the `result` of an adapted envelope as that of `envelope`."""
    if not refused:
        return result
    recipients = {address: refused.get(address) or result.recipients[address] for address in envelope.recipients}
    outcome = overall_outcome([each.outcome for each in recipients.values()])
    return replace(result, recipients=recipients, outcome=outcome)


def overall_outcome(outcomes: Collection[str]) -> str:
    """Return the outcome of an attempt from those of its recipients: what may have been delivered counts most."""
    if "uncertain" in outcomes:
        return "uncertain"
    if "accepted" in outcomes:
        return "sent" if set(outcomes) == {"accepted"} else "partial"
    return "deferred" if "deferred" in outcomes else "failed"


def _refusal(reply: Reply) -> str:
    return "refused" if reply.code >= 500 else "deferred"


def _each(outcome: str, cause: Reply | DeliveryError, text: str) -> RecipientResult:
    return RecipientResult(outcome=outcome, code=cause.code, enhanced_code=cause.enhanced_code, reply=text)


def _broken_by(reply: Reply, phase: Phase, message: str, *, uncertain: bool) -> ConversationBroken:
    return ConversationBroken(
        message % reply,
        permanent=False,
        phase=phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        reply=reply.text,
        uncertain=uncertain,
    )
