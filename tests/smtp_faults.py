"""SMTP servers that misbehave on purpose, at a chosen point of the conversation.

Phases: greeting, ehlo, starttls, handshake, auth, mail, rcpt, data, reading (of the content), content (after the final
dot), dot (alone, after refused recipients), rset, quit, and ``rcpt:<address>`` for one recipient. What happens there is
one fault, or a list of them for the first, second, ... time that the point is reached, None meaning as usual. Otherwise
the server behaves; it keeps every line that it was sent.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.patience import servers
from tests.smtp_certificates import authority, server_context
from tests.smtp_faulty_conversation import FaultyConversation, Hangup
from tests.smtp_server import AcceptedMail


@dataclass(frozen=True)
class Fault:
    """What to do instead of answering as usual. `{line}` in `text` stands for the command that is answered."""

    kind: str
    text: str = ""


HANG = Fault("hang")  # say nothing more
HELD = Fault("held")  # do as usual, but only after `let_go`
DROP = Fault("drop")  # reset the connection
EOF = Fault("eof")  # close the connection in order
GARBAGE = Fault("raw", "\x00\x16 this is no reply\r\n")
FLUSH = Fault("flush")  # do as usual, and overlook what had been sent behind the command
DRIP = Fault("drip", "250 one letter at a time, too slowly for anybody to wait for it\r\n")


def reply(text: str) -> Fault:
    """Answer by `text`, lines separated by CRLF; the server closes after 421."""
    return Fault("reply", text)


def raw(text: str) -> Fault:
    """Send exactly `text` (Latin-1), then go on."""
    return Fault("raw", text)


def stray(text: str) -> Fault:
    """Do as usual, and then say `text`, for which nobody has asked."""
    return Fault("stray", text)


def premature(text: str) -> Fault:
    """Say `text`, for which nobody has asked, and then do as usual."""
    return Fault("premature", text)


def together(count: int) -> Fault:
    """Reset the connection as soon as so many of them have come to this point, all at once."""
    return Fault("together", str(count))


def slow(seconds: float) -> Fault:
    """Do as usual, but only after `seconds` (of the client's clock, see `tests/patience.py`)."""
    return Fault("slow", str(seconds))


class FaultyServer:
    """A scripted server in a thread of its own, running inside `with`. `fields` is what a connection to it needs."""

    def __init__(
        self,
        *,
        faults: Mapping[str, Fault | Sequence[Fault | None]] | None = None,
        tls: str = "none",
        username: str = "",
        password: str = "correct horse battery",
        mechanisms: str = "PLAIN LOGIN",
        offers: tuple[str, ...] = ("SIZE 10000000", "8BITMIME", "SMTPUTF8"),
        offers_starttls: bool = True,
        pipelining: bool = False,
        data_without_recipients: str = "554 5.5.1 No valid recipients",
        context: ssl.SSLContext | None = None,
    ):
        self.faults = {phase: one if isinstance(one, Fault) else list(one) for phase, one in (faults or {}).items()}
        self.tls, self.username, self.password, self.mechanisms = tls, username, password, mechanisms
        self.offers, self.offers_starttls = (*offers, *(["PIPELINING"] if pipelining else [])), offers_starttls
        self.data_without_recipients = data_without_recipients  # may be a 354 (RFC 2920 3.1)
        self.context = context or server_context()
        self.lines: list[str] = []  # every line of every conversation, content left out
        self.clear_lines: list[str] = []  # those of them that came without TLS
        self.mails: list[AcceptedMail] = []
        self.contents: list[bytes] = []  # every content that came to its final dot, accepted or not
        self.connections = 0
        self.most_open = 0  # connections at a time
        self.pipelined = 0  # commands that had come before the reply to the previous one
        self.gathered = 0  # connections that wait for one another
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def fields(self) -> dict[str, Any]:
        """What a connection's fields must be to reach it, the password among them."""
        return {
            "host": "localhost",
            "port": self.port,
            "tls": self.tls,
            "username": self.username,
            "password": self.password if self.username else "",
            "ca_pem": authority().cert_pem.bytes().decode() if self.tls != "none" else "",
        }

    def count(self, command: str) -> int:
        """How many lines began with that command."""
        return sum(line.upper().startswith(command.upper()) for line in self.lines)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60)

    def let_go(self) -> None:
        """Go on where something is held."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.set_exception_handler(lambda _loop, _context: None)  # clients that hang up are the point here
            servers.add(self._loop)
            self._loop.run_until_complete(self._serve())
            servers.discard(self._loop)

    async def _serve(self) -> None:
        self._stopping, self._complete, self._let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        context = self.context if self.tls == "ssl" and "handshake" not in self.faults else None
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        await self._end_conversations()
        await server.wait_closed()
        await self._end_conversations()  # of whoever came in at the last moment

    async def _end_conversations(self) -> None:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        self.most_open = max(self.most_open, len(self._tasks))
        try:
            await FaultyConversation(self, reader, writer).run()
        except (Hangup, OSError, EOFError):
            pass
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closed when the garbage collector comes by
                writer.transport.abort()
            self._tasks.discard(task)

    async def gather(self, count: int) -> None:
        """Wait until `count` connections are here."""
        self.gathered += 1
        if self.gathered == count:
            self._complete.set()
        await self._complete.wait()

    def fault_at(self, phase: str) -> Fault | None:
        """The fault for this visit of that phase; lists are used up."""
        planned = self.faults.get(phase)
        if isinstance(planned, list):
            return planned.pop(0) if planned else None
        return planned
