"""What every driver takes and gives: envelopes in, one result for each out.

A driver is told what to send and says what came of it. It never reads or writes the database, never decides about a
retry, and never raises because a mail was not taken: that is a result, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from mailadmin.drivers.transcript import Transcript
    from mailadmin.errors import DeliveryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One mail as it is handed over.

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
    keeps_transcript: bool = False  # is what was said to be kept although the mail goes out


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientResult:
    """What became of one recipient: `outcome` is a value of `maillog.models.Recipient.Outcome`.

    `reply` is the server's text without the codes, one line, at most 1000 characters.
    """

    outcome: str
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one envelope: `outcome` is a value of `maillog.models.Attempt.Outcome`.

    `recipients` has an entry for every recipient of the envelope. `reply` is the server's text without the codes, or,
    where it said nothing, our own explanation. `host` is ``name:port``, `tls` e.g. ``TLSv1.3, TLS_AES_256_GCM_SHA384``.
    `error` is set unless at least one recipient was taken. `transcript` is there if something was said, and the mail
    did not simply go out or its envelope asks for it.
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


class Driver(ABC):
    """A way to send. Subclasses hold no state between calls that matters, so one instance may serve the process."""

    key: ClassVar[str]
    label: ClassVar[_StrOrPromise]
    explanation: ClassVar[_StrOrPromise]  # one sentence for the settings page
    needs_connection: ClassVar[bool]
    delivers: ClassVar[bool] = False  # does anybody receive anything

    def trouble(self) -> str:
        """Return why nothing can be sent, whatever the mail and the connection, or nothing."""
        return ""

    def call_back(self) -> None:  # noqa: B027  (most have nothing under way)
        """Begin nothing more of the calls that are under way: their other mails have the error Stopped. Any thread."""

    @abstractmethod
    async def send(
        self,
        envelopes: Sequence[Envelope],
        server: SmtpServer | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Return one result for each envelope, in order; `on_result` hears of each as soon as it is known.

        Trouble with the server is a result (`deferred` with `error` set where the mail is not at fault). Only
        programming errors are raised.
        """


def same_for_all(envelope: Envelope, *, outcome: str, recipient_outcome: str, reply: str) -> Result:
    """Return the result of a driver that treats all recipients alike and talks to nobody."""
    each = RecipientResult(outcome=recipient_outcome, reply=reply)
    return Result(
        outcome=outcome,
        recipients=dict.fromkeys(envelope.recipients, each),
        reply=reply,
        started_at=datetime.now(UTC),
        duration_ms=0,
    )
