"""The conversation with a server after sign-in: commands out, replies in, strictly paired.

aiosmtplib connects, negotiates TLS and signs in; then its transport is handed to this protocol, because a conversation
that serves many messages has to notice what aiosmtplib overlooks: an unsolicited reply would be charged to the next,
innocent message. Several commands may be sent in one write (RFC 2920); their replies are read one by one, in order.
Anything unexpected (an unsolicited reply, something unreadable, a timeout, a lost connection) ends the conversation:
the transport is aborted, never closed, since closing would still flush what has been given up. Replies that arrived
before that still count.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp.replies import MalformedReply, Reply, ReplyParser
from mailadmin.errors import ConversationBroken, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailadmin.drivers.smtp.redactor import Redactor

CHUNK = 64 * 1024  # octets of content written before the server is given time to take them
TICK = 1.0  # seconds between two checks of the deadline: a timer per reply would cost more


class Conversation(asyncio.Protocol):
    """Commands to a server and its replies. Once `failure` is set nothing more can be sent; `on_end` is called then."""

    def __init__(self, transport: asyncio.Transport, redact: Redactor) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self.redact = redact
        self._parser = ReplyParser(redact)
        self._received: deque[Reply] = deque()  # and not yet read
        self._expected = 0  # replies that are still to come
        self._waiter: asyncio.Future[None] | None = None  # for a reply, or for room to write
        self._deadline = inf  # of the waiter, on the loop's clock,
        self._timeout = 0.0  # and its seconds
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_content_written = False
        self._behind = 0  # octets that were written behind the final dot
        self.on_end: Callable[[], None] | None = None
        self.failure = ""
        self.failure_text = ""  # the server's own words, where they were the failure
        self.has_timed_out = False
        self.had_unsolicited_reply = False

    # ------------------------------------------------------------ what asyncio calls

    def data_received(self, data: bytes) -> None:
        """Keep each reply for the command that it answers."""
        if self.failure:
            return
        try:
            for reply in self._parser.feed(data):
                if not self._expected:
                    self.had_unsolicited_reply = True
                    self._end(_("The server sent an unsolicited reply: %s") % reply, text=reply.text)
                    return
                self._expected -= 1
                self._received.append(reply)
        except MalformedReply as error:
            self._end(_("The server sent something that is not SMTP: %s") % error.text, text=error.text)
        if self._received:
            self._wake()

    def eof_received(self) -> bool:
        """End: there will be no more replies."""
        self._end(_("The server closed the connection."))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the connection is gone."""
        why = getattr(exc, "strerror", None)
        self._end(_("The connection was lost (%s).") % sanitize(why) if why else _("The connection was lost."))

    def pause_writing(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on writing: the transport's buffer has drained."""
        self._is_paused = False
        self._wake()

    # ------------------------------------------------------------ what the session calls

    @property
    def certificate(self) -> bytes:
        """The server's certificate in DER, empty without TLS."""
        tls = self._transport.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) or b"") if tls else b""

    @property
    def has_unread(self) -> bool:
        """Whether a reply that arrived has not been read."""
        return bool(self._received)

    def send(self, lines: bytes, replies: int = 1) -> None:
        """Send `lines`, to which that many replies are expected; after the end of the conversation nothing happens."""
        if not self.failure:
            self._expected += replies
            self._transport.write(lines)

    def next_reply(self) -> Reply | None:
        """Return the next reply if it has arrived: after pipelined commands, all but the first usually have."""
        return self._received.popleft() if self._received else None

    async def reply(self, phase: Phase, seconds: float) -> Reply:
        """Return the next reply. Raises ConversationBroken if none arrives within `seconds`."""
        while not self._received:
            if self.failure:
                raise self._broken(phase)
            await self._wait(seconds)
        return self._received.popleft()

    async def send_content(
        self,
        stuffed: bytes,
        seconds: float,
        *,
        progress_seconds: float,
        deadline: float,
        behind: bytes = b"",
        replies_behind: int = 0,
    ) -> Reply:
        """Send the dot-stuffed content with its final dot and return the reply.

        The server has `progress_seconds` to accept each 64 kB and then `seconds` to reply, but not beyond `deadline`
        (on the clock `time.monotonic`). `behind`, commands with that many replies of their own, is sent together with
        the final dot. Raises ConversationBroken, `uncertain` if the final dot may have arrived.
        """
        if self.failure:
            raise self._broken(Phase.CONTENT)
        self._expected += 1
        last = (len(stuffed) - 1) // CHUNK * CHUNK
        for start in range(0, len(stuffed), CHUNK):
            while self._is_paused and not self._received and not self.failure:
                await self._wait(min(progress_seconds, deadline - monotonic()))
            if self._received or self.failure:
                break  # the server does not want the rest
            chunk = stuffed[start : start + CHUNK]
            if start == last:
                self._is_content_written, self._behind = True, len(behind)
                self._expected += replies_behind
                chunk += behind
            self._transport.write(chunk)
        was_written = self._is_content_written
        try:
            reply = await self.reply(Phase.CONTENT, min(seconds, deadline - monotonic()))
        finally:
            self._is_content_written = False
        if not was_written:  # the reply refuses what it has not seen in full
            self._end(_("The server replied before it had the whole message."))
            if reply.is_positive:
                raise self._broken(Phase.CONTENT)
        return reply

    def abort(self, failure: str) -> None:
        """Abort the connection because of `failure`; replies that have not been read no longer count."""
        self._received.clear()
        self._end(failure)

    # ------------------------------------------------------------ inside

    def _end(self, failure: str, *, text: str = "") -> None:
        """Abort the connection; what waits for a reply gets `failure`. Later calls change nothing."""
        if self.failure:
            return
        self.failure, self.failure_text = failure, text
        if self._transport.get_write_buffer_size() > self._behind:
            self._is_content_written = False  # the final dot is the last of this, so it has not left this machine
        self._transport.abort()
        if self._timer:
            self._timer.cancel()
        self._wake()
        if self.on_end:
            self.on_end()

    async def _wait(self, seconds: float) -> None:
        """Wait until something changes; after `seconds` the conversation ends."""
        now = self._loop.time()
        self._timeout = max(seconds, 0)
        self._deadline = now + self._timeout
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer(now)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self._end(_("Sending was cancelled."))
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self, now: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(self._deadline, now + TICK), self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return  # the next wait sets the timer again
        now = self._loop.time()
        if now < self._deadline:
            self._set_timer(now)
        else:
            self.has_timed_out = True
            self._end(_("The server did not reply within %s seconds.") % f"{self._timeout:.3g}")

    def _broken(self, phase: Phase) -> ConversationBroken:
        return ConversationBroken(
            self.failure,
            permanent=False,
            phase=phase,
            reply=self.failure_text,
            uncertain=phase == Phase.CONTENT and self._is_content_written,
        )
