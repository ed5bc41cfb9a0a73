"""An open, signed-in connection and the messages that go through it, one after another.

Where the server offers PIPELINING (RFC 2920), MAIL, every RCPT and DATA are sent in one write, and those of the next
message right behind the final dot of this one, so that a message costs one round trip. Elsewhere each command waits for
its reply, and RSET between two messages shows that replies still belong to the commands that they answer.

A session never connects and never retries. Anything unexpected ends it (`is_usable` is false then), so that the failure
of one message is never charged to the next.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.base import crash_error
from mailadmin.drivers.smtp.envelopes import commands, dot_stuffed, mail_from, undeliverable_reason
from mailadmin.drivers.smtp.protocol import CHUNK
from mailadmin.drivers.smtp.smtp_transcripts import RESET, with_transcript
from mailadmin.drivers.smtp.transaction import NotStarted, Transaction
from mailadmin.errors import ConversationBroken, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.smtp.protocol import Conversation
    from mailadmin.drivers.smtp.replies import Reply
    from mailadmin.drivers.smtp.smtp_transcripts import HandshakeTranscript

logger = logging.getLogger(__name__)

DEADLINE_FACTOR = 6  # a message may take this many timeouts in all,
SLOWEST_UPLOAD = 16 * 1024  # and a second more per so many octets
QUIT_SECONDS = 2.0  # the longest wait for the reply to QUIT


def no_next_message() -> None:
    """Say that no message follows this one."""


@dataclass(slots=True, eq=False)
class Session:
    """A connection that is ready for messages. `extensions`: from EHLO, lower-case names. Times in seconds."""

    conversation: Conversation
    extensions: Mapping[str, str]
    timeout: float
    host: str  # name:port, for the log
    tls: str  # such as "TLSv1.3, TLS_AES_256_GCM_SHA384", empty without
    dialed_at: datetime  # when connecting began, which counts towards the first message's attempt
    dialed: float  # the same on the clock `time.monotonic`
    handshake: HandshakeTranscript | None = None  # how it was opened,
    counts_handshake: bool = True  # and whether that counts towards the first message's attempt
    pipelines: bool = False
    transactions: int = 0
    _sent_ahead: Envelope | None = field(default=None, init=False)  # its commands left behind the previous content

    @property
    def is_usable(self) -> bool:
        """Whether another message can go through."""
        return not self.conversation.failure

    def undeliverable_reason(self, envelope: Envelope) -> str:
        """Return why this server cannot take the message at all, or ""."""
        return undeliverable_reason(envelope, self.extensions, self.host)

    def exclude_dial_time(self) -> None:
        """Let the first message's attempt begin when the message does, not when connecting began."""
        self.dialed_at, self.dialed = datetime.now(UTC), monotonic()
        self.counts_handshake = False

    def not_attempted(self, envelope: Envelope, reason: str) -> Result:
        """Return the result of a message that this server cannot take, for that reason."""
        return self._begin(envelope, 0.0).not_attempted(reason)

    async def transact(
        self,
        envelope: Envelope,
        content_timeout: float,
        next_message: Callable[[], Envelope | None] = no_next_message,
    ) -> Result:
        """Send one message that has no `undeliverable_reason`, and return its result; a failure is a result, too.

        It takes at most six timeouts, the content timeout (for the reply to the final dot) and a second per 16 kB;
        cancelling aborts it. `next_message` is called at most once, for a message whose commands may be sent behind
        this one's content; that message must then be the next one. An exception that nobody expected is this message's
        result alone, and ends the session. Raises NotStarted if the connection ended before the
        server answered MAIL, or if its replies turned out to belong to something earlier.
        """
        transaction = self._begin(envelope, content_timeout)
        is_first = self.transactions == 0
        if is_first:
            transaction.started_at, transaction.started = self.dialed_at, self.dialed
        self.transactions += 1
        try:
            if self.pipelines or self._sent_ahead:
                result = await self._pipelined(transaction, content_timeout, next_message)
            else:
                result = await self._one_by_one(transaction, content_timeout)
        except ConversationBroken as error:
            self.conversation.abort(error.message)  # 421, or a reply that makes no sense here
            is_innocent = transaction.is_out_of_sync and not is_first and error.phase != Phase.CONTENT
            if transaction.is_out_of_sync and self.pipelines and error.phase != Phase.CONTENT:
                transaction.recipients.clear()
            result = self._with_transcript(transaction, transaction.broken(error), "" if error.code else error.message)
            if is_innocent or error.phase == Phase.MAIL:
                raise NotStarted(result) from None
            return result
        except Exception as error:
            logger.exception("Message %d could not be sent.", envelope.id)
            self.abort()
            return transaction.broken(crash_error(error, transaction.phase))
        except BaseException:
            self.abort()
            raise
        if result.outcome == "sent" and not envelope.keeps_transcript:
            return result
        return self._with_transcript(transaction, result)

    async def close(self) -> None:
        """Say QUIT (RFC 5321 4.1.1.10) and disconnect; what happens meanwhile no longer matters."""
        self.conversation.send(b"QUIT\r\n")
        try:
            await self.conversation.reply(Phase.QUIT, min(self.timeout, QUIT_SECONDS))
        except ConversationBroken:
            return
        self.abort()

    def abort(self) -> None:
        """Disconnect at once; nothing that is still unsent leaves."""
        self.conversation.abort(_("The connection was given up."))

    # ------------------------------------------------------------ all commands at once

    async def _pipelined(
        self, transaction: Transaction, content_timeout: float, next_message: Callable[[], Envelope | None]
    ) -> Result:
        envelope = transaction.envelope
        if self._sent_ahead is not envelope:
            self.conversation.send(*commands(envelope, self.extensions))
        self._sent_ahead = None
        mail = await self._reply(transaction, Phase.MAIL)
        if not mail.is_positive:
            await self._reset(transaction, next_message, unread=len(envelope.recipients))
            return transaction.sender_rejected(mail)
        transaction.phase = Phase.RCPT
        for address in envelope.recipients:
            transaction.record_rcpt(address, await self._reply(transaction, Phase.RCPT))
        if not transaction.has_accepted:
            await self._reset(transaction, next_message)
            return transaction.result()
        transaction.phase = Phase.DATA
        reply = await self._reply(transaction, Phase.DATA, wanted=354)
        if reply.code != 354:
            await self._reset(transaction, next_message, data=reply)
            return transaction.replied(reply)
        return await self._send_content(transaction, content_timeout, next_message)

    async def _reset(
        self,
        transaction: Transaction,
        next_message: Callable[[], Envelope | None],
        *,
        unread: int = 0,
        data: Reply | None = None,
    ) -> None:
        """End a refused transaction, of which `unread` replies to RCPT and, unless it is `data`, that to DATA follow.

        RFC 2920 3.1: 354 may come all the same and is answered by a lone final dot. Nothing from here on is charged to
        a message, except that it may show that the refusal belonged to something earlier: then ConversationBroken is
        raised. The commands of the next message are sent behind RSET.
        """
        try:
            for _recipient in range(unread):
                if (await self._reply(transaction, Phase.RCPT)).is_positive:
                    raise transaction.out_of_sync(_("The server accepted a recipient after refusing the message."))
            if data is None:
                data = await self._reply(transaction, Phase.DATA, wanted=354)
            dot = b".\r\n" if data.code == 354 else b""
            lines, replies = self._commands_ahead(next_message)
            self.conversation.send(dot + b"RSET\r\n" + lines, bool(dot) + 1 + replies)
            if dot:
                await self.conversation.reply(Phase.CONTENT, self.timeout)
            reply = await self._reply(transaction, transaction.phase, step=RESET)
            if not reply.is_positive:
                self.conversation.abort(_("The server refused RSET: %s") % reply)
                if self.transactions > 1:
                    raise transaction.out_of_sync(self.conversation.failure)
        except ConversationBroken as error:
            transaction.is_out_of_sync |= self.conversation.had_unsolicited_reply and self.transactions > 1
            if transaction.is_out_of_sync:
                raise
            self.conversation.abort(error.message)

    # ------------------------------------------------------------ one command after another

    async def _one_by_one(self, transaction: Transaction, content_timeout: float) -> Result:
        envelope, send = transaction.envelope, self.conversation.send
        if self.transactions > 1:
            send(b"RSET\r\n")
            reply = await self._reply(transaction, Phase.MAIL, step=RESET)
            if not reply.is_positive:
                message = _("The server refused RSET: %s") % reply
                raise ConversationBroken(message, permanent=False, phase=Phase.MAIL)
        send(mail_from(envelope, self.extensions).encode())
        reply = await self._reply(transaction, Phase.MAIL)
        if not reply.is_positive:
            return transaction.sender_rejected(reply)
        transaction.phase = Phase.RCPT
        for address in envelope.recipients:
            send(f"RCPT TO:<{address}>\r\n".encode())
            transaction.record_rcpt(address, await self._reply(transaction, Phase.RCPT))
        if not transaction.has_accepted:
            return transaction.result()
        transaction.phase = Phase.DATA
        send(b"DATA\r\n")
        reply = await self._reply(transaction, Phase.DATA, wanted=354)
        if reply.code != 354:
            return transaction.replied(reply)
        return await self._send_content(transaction, content_timeout, no_next_message)

    # ------------------------------------------------------------ steps of both

    def _begin(self, envelope: Envelope, content_timeout: float) -> Transaction:
        now = monotonic()
        seconds = DEADLINE_FACTOR * self.timeout + content_timeout + len(envelope.content) / SLOWEST_UPLOAD
        return Transaction(envelope, self.host, self.tls, datetime.now(UTC), now, now + seconds)

    async def _reply(
        self, transaction: Transaction, phase: Phase, *, wanted: int | None = None, step: str = ""
    ) -> Reply:
        """Return the next reply. Raises ConversationBroken for 421 and for a reply that does not fit the command."""
        now, note = monotonic(), transaction.notes.append
        note(step or phase)
        note(now)
        reply = self.conversation.next_reply()
        if reply is None:
            reply = await self.conversation.reply(phase, min(self.timeout, transaction.deadline - now))
        note(reply)
        transaction.check(reply, phase, wanted=wanted)
        return reply

    async def _send_content(
        self, transaction: Transaction, content_timeout: float, next_message: Callable[[], Envelope | None]
    ) -> Result:
        """Send the content, and behind it the commands of the next message.

        Content of more than one write is followed by nothing before its reply.
        """
        transaction.phase = Phase.CONTENT
        wire = dot_stuffed(transaction.envelope.content)
        behind, replies = b"", 0
        if self.pipelines and len(wire) <= CHUNK:
            behind, replies = self._commands_ahead(next_message)
        transaction.notes += (Phase.CONTENT, monotonic())
        reply = await self.conversation.send_content(
            wire,
            content_timeout,
            progress_seconds=self.timeout,
            deadline=transaction.deadline,
            behind=behind,
            replies_behind=replies,
        )
        transaction.notes.append(reply)
        transaction.check(reply, Phase.CONTENT)
        return transaction.replied(reply)

    def _commands_ahead(self, next_message: Callable[[], Envelope | None]) -> tuple[bytes, int]:
        """Return the commands of the next message and the number of replies to them, for sending behind this one.

        If they cannot be made, that is the next message's fault: it is met again at its turn.
        """
        following = next_message()
        if following is None:
            return b"", 0
        try:
            ahead = commands(following, self.extensions)
        except Exception:  # noqa: BLE001
            return b"", 0
        self._sent_ahead = following
        return ahead

    def _with_transcript(self, transaction: Transaction, result: Result, remark: str = "") -> Result:
        return with_transcript(
            result,
            transaction,
            extensions=self.extensions,
            redact=self.conversation.redact,
            handshake=self.handshake,
            counts_handshake=self.counts_handshake,
            nth=self.transactions,
            remark=remark,
        )
