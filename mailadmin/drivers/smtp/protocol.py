"""The conversation with a server after sign-in: commands out, replies in, strictly paired.

aiosmtplib connects, negotiates TLS and signs in; then its transport is handed to this protocol, because a conversation
that is used for many mails has to notice what aiosmtplib overlooks: a reply that nobody asked for would be charged to
the next, innocent mail. Several commands may leave in one write (RFC 2920); their replies are read one by one, in
order. Any surprise (an unasked reply, something unreadable, a timeout, a lost connection) ends the conversation: the
transport is aborted, never closed, since closing would still flush what has been given up. Replies that came before
still count.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.smtp.replies import NotAReply, Replies, Reply
from mailadmin.errors import ConversationBroken, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailadmin.drivers.smtp.replies import Censor

CHUNK = 64 * 1024  # octets of content written before the server is given time to take them
TICK = 1.0  # seconds between two looks at the clock while an answer is awaited: a timer for each would cost more


class Conversation(asyncio.Protocol):
    """One server's side of the line. After `trouble` is set nothing more can be said; `on_end` is called then."""

    def __init__(self, transport: asyncio.Transport, censor: Censor) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self.censor = censor
        self._replies = Replies(censor)
        self._received: deque[Reply] = deque()  # and not yet read
        self._expected = 0  # replies that are still to come
        self._waiter: asyncio.Future[None] | None = None  # of whoever waits for a reply, or for room to write
        self._due = inf  # when waiting ends, on the loop's clock,
        self._patience = 0.0  # and how long that was to be
        self._alarm: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_content_written = False
        self._behind = 0  # octets that were written behind the final dot
        self.on_end: Callable[[], None] | None = None
        self.trouble = ""
        self.trouble_text = ""  # the server's own words, where they were the trouble
        self.has_timed_out = False
        self.has_strayed = False  # was the trouble a reply that nobody had asked for

    # ------------------------------------------------------------ what asyncio calls

    def data_received(self, data: bytes) -> None:
        """Keep each reply for the command that it answers."""
        if self.trouble:
            return
        try:
            for reply in self._replies.feed(data):
                if not self._expected:
                    self.has_strayed = True
                    self._end(_("The server said something that it was not asked for: %s") % reply, text=reply.text)
                    return
                self._expected -= 1
                self._received.append(reply)
        except NotAReply as error:
            self._end(_("The server said something that is not SMTP: %s") % error.text, text=error.text)
        if self._received:
            self._wake()

    def eof_received(self) -> bool:
        """End: there will be no more replies."""
        self._end(_("The server closed the connection."))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the connection is gone."""
        why = getattr(exc, "strerror", None)
        self._end(_("The connection was lost (%s).") % why if why else _("The connection was lost."))

    def pause_writing(self) -> None:
        """Note that the transport's buffer is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Note that the transport's buffer has drained."""
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
        """Whether a reply came before the end that nobody has read yet."""
        return bool(self._received)

    def say(self, lines: bytes, replies: int = 1) -> None:
        """Send `lines`, which that many replies will answer; in a conversation that has ended nothing happens."""
        if not self.trouble:
            self._expected += replies
            self._transport.write(lines)

    def next_reply(self) -> Reply | None:
        """Return the next reply if it has come already; of several that were asked for at once all but one have."""
        return self._received.popleft() if self._received else None

    async def reply(self, phase: Phase, seconds: float) -> Reply:
        """Return the next reply. Raises ConversationBroken if none has come within `seconds`."""
        while not self._received:
            if self.trouble:
                raise self._broken(phase)
            await self._wait(seconds)
        return self._received.popleft()

    async def content(
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

        The server has `progress_seconds` to take each 64 kB and then `seconds` to answer, but not beyond `deadline` (on
        the clock `time.monotonic`). `behind`, commands with that many replies of their own, leaves together with the
        final dot. Raises ConversationBroken, `uncertain` if the final dot may have arrived there.
        """
        if self.trouble:
            raise self._broken(Phase.CONTENT)
        self._expected += 1
        last = (len(stuffed) - 1) // CHUNK * CHUNK
        for start in range(0, len(stuffed), CHUNK):
            while self._is_paused and not self._received and not self.trouble:
                await self._wait(min(progress_seconds, deadline - monotonic()))
            if self._received or self.trouble:
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
        if not was_written:  # what had been said before the end is what counts
            self._end(_("The server answered before it had the whole mail."))
            if reply.is_positive:
                raise self._broken(Phase.CONTENT)
        return reply

    def end(self, trouble: str) -> None:
        """Abort the connection because of `trouble`; replies that nobody has read yet do not count any more."""
        self._received.clear()
        self._end(trouble)

    # ------------------------------------------------------------ inside

    def _end(self, trouble: str, *, text: str = "") -> None:
        """Abort the connection; whoever waits for a reply learns of `trouble`. Later calls change nothing."""
        if self.trouble:
            return
        self.trouble, self.trouble_text = trouble, text
        if self._transport.get_write_buffer_size() > self._behind:
            self._is_content_written = False  # of all this the final dot comes last, so it has not left this machine
        self._transport.abort()
        if self._alarm:
            self._alarm.cancel()
        self._wake()
        if self.on_end:
            self.on_end()

    async def _wait(self, seconds: float) -> None:
        """Wait until something has changed; after `seconds` the conversation ends."""
        now = self._loop.time()
        self._patience = max(seconds, 0)
        self._due = now + self._patience
        if self._alarm is None or self._alarm.when() > self._due:
            self._set_alarm(now)
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

    def _set_alarm(self, now: float) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(min(self._due, now + TICK), self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return  # whoever waits next sets the alarm anew
        now = self._loop.time()
        if now < self._due:
            self._set_alarm(now)
        else:
            self.has_timed_out = True
            self._end(_("The server did not answer within %s seconds.") % f"{self._patience:.3g}")

    def _broken(self, phase: Phase) -> ConversationBroken:
        return ConversationBroken(
            self.trouble,
            permanent=False,
            phase=phase,
            reply=self.trouble_text,
            uncertain=phase == Phase.CONTENT and self._is_content_written,
        )
