"""An open, signed-in connection and the mails that go through it, one after the other.

Where the server offers PIPELINING (RFC 2920), MAIL, every RCPT and DATA leave in one write, and those of the next mail
leave right behind the final dot of this one, so that a mail costs one round trip. Elsewhere each command waits for its
reply, and RSET between two mails shows that replies still belong to what they answer.

A session never connects and never retries. Whatever is not foreseen ends it (`is_usable` is false then), so that one
mail's trouble is never charged to the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.base import Envelope, Result
from mailadmin.drivers.smtp.protocol import CHUNK
from mailadmin.drivers.smtp.transaction import NotBegun, Transaction
from mailadmin.drivers.smtp.transcribing import RESET, told
from mailadmin.errors import ConversationBroken, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailadmin.drivers.smtp.protocol import Conversation
    from mailadmin.drivers.smtp.replies import Reply
    from mailadmin.drivers.smtp.transcribing import Opening

DEADLINE_FACTOR = 6  # a mail may take this many timeouts in all,
SLOWEST_UPLOAD = 16 * 1024  # and a second more for each so many octets
QUIT_SECONDS = 2.0  # how long the answer to QUIT is waited for at most

_UNSAFE = re.compile("[\x00-\x20\x7f-\x9f<>\u2028\u2029\ud800-\udfff]")


def nothing_follows() -> None:
    """Say that no mail is to go behind this one."""


@dataclass(slots=True, eq=False)
class Session:
    """A connection that is ready for mails. `extensions`: from EHLO, lower-case names. Times in seconds."""

    conversation: Conversation
    extensions: Mapping[str, str]
    timeout: float
    host: str  # name:port, for the log
    tls: str  # e.g. "TLSv1.3, TLS_AES_256_GCM_SHA384", empty without
    dialed_at: datetime  # when connecting began, which counts as part of the first mail's attempt
    dialed: float  # the same on the clock `time.monotonic`
    opening: Opening | None = None  # how it was opened,
    opening_counts: bool = True  # and whether its times are part of the first mail's attempt
    pipelines: bool = False
    transactions: int = 0
    _ahead: Envelope | None = field(default=None, init=False)  # whose commands left behind the previous mail's content

    @property
    def is_usable(self) -> bool:
        """Whether another mail can go through."""
        return not self.conversation.trouble

    def obstacle(self, envelope: Envelope) -> str:
        """Return why this mail cannot be handed to this server at all, or nothing."""
        addresses = (envelope.sender, *envelope.recipients)
        if not envelope.recipients:
            return _("The mail has no recipient.")
        if _UNSAFE.search("".join(addresses)) or "" in envelope.recipients:
            return _("An address of the envelope holds a character that cannot be sent.")
        content = envelope.content
        in_lines = content.replace(b"\r\n", b"")
        if b"\r" in in_lines or b"\n" in in_lines:
            return _("The message holds line ends that are not CRLF.")
        if _needs_smtputf8(envelope) and "smtputf8" not in self.extensions:
            return _("The mail needs SMTPUTF8 (non-ASCII before an @), which %s does not offer.") % self.host
        limit = self.extensions.get("size", "").strip()
        if limit.isascii() and limit.isdigit() and 0 < int(limit[:18]) < len(content):  # RFC 1870 3: 0 is no limit
            return _("The mail has %(size)d octets; %(host)s takes at most %(limit)d.") % {
                "size": len(content),
                "host": self.host,
                "limit": int(limit[:18]),
            }
        return ""

    def forget_dialing(self) -> None:
        """Count the first mail's attempt from its own beginning."""
        self.dialed_at, self.dialed = datetime.now(UTC), monotonic()
        self.opening_counts = False

    def unspoken(self, envelope: Envelope, obstacle: str) -> Result:
        """Return the result of a mail that cannot be handed over because of that obstacle."""
        return self._begin(envelope, 0.0).unspoken(obstacle)

    async def transact(
        self,
        envelope: Envelope,
        content_timeout: float,
        following: Callable[[], Envelope | None] = nothing_follows,
    ) -> Result:
        """Hand over one mail that meets no obstacle, and return what came of it; trouble is a result, too.

        It takes at most six timeouts, the content timeout (for the answer to the final dot) and a second for each 16
        kB; cancelling aborts it. `following` is asked at most once for a mail whose commands may leave behind this
        one's content; that mail must then be the next one. Raises NotBegun if the connection ended before the server
        answered MAIL, or if its replies turned out to belong to something earlier.
        """
        transaction = self._begin(envelope, content_timeout)
        is_first = self.transactions == 0
        if is_first:
            transaction.started_at, transaction.started = self.dialed_at, self.dialed
        self.transactions += 1
        try:
            if self.pipelines or self._ahead:
                result = await self._pipelined(transaction, content_timeout, following)
            else:
                result = await self._one_by_one(transaction, content_timeout)
        except ConversationBroken as error:
            self.conversation.end(error.message)  # 421, or a reply that makes no sense here
            is_innocent = transaction.is_out_of_step and not is_first and error.phase != Phase.CONTENT
            if transaction.is_out_of_step and self.pipelines and error.phase != Phase.CONTENT:
                transaction.recipients.clear()
            result = told(self, transaction, transaction.broken(error), "" if error.code else error.message)
            if is_innocent or error.phase == Phase.MAIL:
                raise NotBegun(result) from None
            return result
        except BaseException:
            self.abort()
            raise
        if result.outcome == "sent" and not envelope.keeps_transcript:
            return result
        return told(self, transaction, result)

    async def close(self) -> None:
        """Say goodbye (RFC 5321 4.1.1.10) and disconnect; whatever happens meanwhile does not matter any more."""
        self.conversation.say(b"QUIT\r\n")
        try:
            await self.conversation.reply(Phase.QUIT, min(self.timeout, QUIT_SECONDS))
        except ConversationBroken:
            return
        self.abort()

    def abort(self) -> None:
        """Disconnect at once; nothing that is still unsent leaves."""
        self.conversation.end(_("The connection was given up."))

    # ------------------------------------------------------------ all commands at once

    async def _pipelined(
        self, transaction: Transaction, content_timeout: float, following: Callable[[], Envelope | None]
    ) -> Result:
        envelope = transaction.envelope
        if self._ahead is not envelope:
            self.conversation.say(*self._opening(envelope))
        self._ahead = None
        mail = await self._answer(transaction, Phase.MAIL)
        if not mail.is_positive:
            await self._let_go(transaction, following, unread=len(envelope.recipients))
            return transaction.unwelcome(mail)
        transaction.phase = Phase.RCPT
        for address in envelope.recipients:
            transaction.hear(address, await self._answer(transaction, Phase.RCPT))
        if not transaction.has_taker:
            await self._let_go(transaction, following)
            return transaction.result()
        transaction.phase = Phase.DATA
        reply = await self._answer(transaction, Phase.DATA, wanted=354)
        if reply.code != 354:
            await self._let_go(transaction, following, data=reply)
            return transaction.answered(reply)
        return await self._hand_over(transaction, content_timeout, following)

    def _opening(self, envelope: Envelope) -> tuple[bytes, int]:
        """Return everything that is said before the content, and how many replies it will have."""
        recipients = [f"RCPT TO:<{address}>\r\n" for address in envelope.recipients]
        return "".join((self.mail_from(envelope), *recipients, "DATA\r\n")).encode(), len(recipients) + 2

    async def _let_go(
        self,
        transaction: Transaction,
        following: Callable[[], Envelope | None],
        *,
        unread: int = 0,
        data: Reply | None = None,
    ) -> None:
        """Finish with a mail that nobody takes, of which `unread` replies to RCPT and, unless given, that to DATA come.

        RFC 2920 3.1: 354 may come all the same and is answered by a lone final dot. Nothing that is said from here on
        is charged to anybody, except that it may show that the refusal had belonged to something earlier: then
        ConversationBroken is raised. What is said before the content of the following mail leaves behind RSET.
        """
        try:
            for _recipient in range(unread):
                if (await self._answer(transaction, Phase.RCPT)).is_positive:
                    raise transaction.out_of_step(_("The server took a recipient after it had refused the mail."))
            if data is None:
                data = await self._answer(transaction, Phase.DATA, wanted=354)
            dot = b".\r\n" if data.code == 354 else b""
            self._ahead = following()
            lines, replies = self._opening(self._ahead) if self._ahead else (b"", 0)
            self.conversation.say(dot + b"RSET\r\n" + lines, bool(dot) + 1 + replies)
            if dot:
                await self.conversation.reply(Phase.CONTENT, self.timeout)
            reply = await self._answer(transaction, transaction.phase, step=RESET)
            if not reply.is_positive:
                self.conversation.end(_("The server refused RSET: %s") % reply)
                if self.transactions > 1:
                    raise transaction.out_of_step(self.conversation.trouble)
        except ConversationBroken as error:
            transaction.is_out_of_step |= self.conversation.has_strayed and self.transactions > 1
            if transaction.is_out_of_step:
                raise
            self.conversation.end(error.message)

    # ------------------------------------------------------------ one command after the other

    async def _one_by_one(self, transaction: Transaction, content_timeout: float) -> Result:
        envelope, say = transaction.envelope, self.conversation.say
        if self.transactions > 1:
            say(b"RSET\r\n")
            reply = await self._answer(transaction, Phase.MAIL, step=RESET)
            if not reply.is_positive:
                message = _("The server refused RSET: %s") % reply
                raise ConversationBroken(message, permanent=False, phase=Phase.MAIL)
        say(self.mail_from(envelope).encode())
        reply = await self._answer(transaction, Phase.MAIL)
        if not reply.is_positive:
            return transaction.unwelcome(reply)
        transaction.phase = Phase.RCPT
        for address in envelope.recipients:
            say(f"RCPT TO:<{address}>\r\n".encode())
            transaction.hear(address, await self._answer(transaction, Phase.RCPT))
        if not transaction.has_taker:
            return transaction.result()
        transaction.phase = Phase.DATA
        say(b"DATA\r\n")
        reply = await self._answer(transaction, Phase.DATA, wanted=354)
        if reply.code != 354:
            return transaction.answered(reply)
        return await self._hand_over(transaction, content_timeout, nothing_follows)

    # ------------------------------------------------------------ steps of both

    def _begin(self, envelope: Envelope, content_timeout: float) -> Transaction:
        now = monotonic()
        seconds = DEADLINE_FACTOR * self.timeout + content_timeout + len(envelope.content) / SLOWEST_UPLOAD
        return Transaction(envelope, self.host, self.tls, datetime.now(UTC), now, now + seconds)

    def mail_from(self, envelope: Envelope) -> str:
        """Return the command that begins this mail."""
        options = ""
        if "size" in self.extensions:
            options += f" SIZE={len(envelope.content)}"
        if _needs_smtputf8(envelope):
            options += " BODY=8BITMIME SMTPUTF8" if "8bitmime" in self.extensions else " SMTPUTF8"
        return f"MAIL FROM:<{envelope.sender}>{options}\r\n"

    async def _answer(
        self, transaction: Transaction, phase: Phase, *, wanted: int | None = None, step: str = ""
    ) -> Reply:
        """Return the next reply. Raises ConversationBroken for 421 and for what is no answer to this command."""
        now, note = monotonic(), transaction.notes.append
        note(step or phase)
        note(now)
        reply = self.conversation.next_reply()
        if reply is None:
            reply = await self.conversation.reply(phase, min(self.timeout, transaction.deadline - now))
        note(reply)
        transaction.check(reply, phase, wanted=wanted)
        return reply

    async def _hand_over(
        self, transaction: Transaction, content_timeout: float, following: Callable[[], Envelope | None]
    ) -> Result:
        """Send the content, and behind it what is said before that of the following mail.

        A content of more than one write is not followed by anything before its answer.
        """
        transaction.phase = Phase.CONTENT
        wire = stuffed(transaction.envelope.content)
        behind, replies = b"", 0
        if self.pipelines and len(wire) <= CHUNK:
            self._ahead = following()
            if self._ahead:
                behind, replies = self._opening(self._ahead)
        transaction.notes += (Phase.CONTENT, monotonic())
        reply = await self.conversation.content(
            wire,
            content_timeout,
            progress_seconds=self.timeout,
            deadline=transaction.deadline,
            behind=behind,
            replies_behind=replies,
        )
        transaction.notes.append(reply)
        transaction.check(reply, Phase.CONTENT)
        return transaction.answered(reply)


def stuffed(content: bytes) -> bytes:
    """Return `content` (CRLF line ends) as it goes on the wire, with its final dot (RFC 5321 4.5.2)."""
    wire = content.replace(b"\r\n.", b"\r\n..")
    return b"".join(
        (b"." if wire.startswith(b".") else b"", wire, b".\r\n" if not wire or wire.endswith(b"\r\n") else b"\r\n.\r\n")
    )


def _needs_smtputf8(envelope: Envelope) -> bool:
    return envelope.needs_smtputf8 or not (envelope.sender.isascii() and "".join(envelope.recipients).isascii())
