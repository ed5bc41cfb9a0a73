"""An SMTP server that accepts and discards everything, in its own process: ``python -m benchmarks.sink``.

Prints its port, then serves until it is stopped. ``--pipelining`` offers RFC 2920. ``--delay MS`` delays everything by
this time in each direction, as if the server were far away.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

EHLO = b"250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n%b250 SIZE 52428800\r\n"
QUEUED = b"250 2.0.0 queued as %X\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, *, pipelining: bool, delay: float) -> None:
        self.ehlo = EHLO % (b"250-PIPELINING\r\n" if pipelining else b"")
        self.delay = delay  # seconds
        self.buffer = b""
        self.is_content = False
        self.mails = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.say(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.take, data)
        else:
            self.take(data)

    def take(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        replies: list[bytes] = []
        while self.content(replies) if self.is_content else self.command(replies):
            pass
        if replies:
            self.say(b"".join(replies))

    def content(self, replies: list[bytes]) -> bool:
        """Skip the content and return whether it has ended. The line end before the final dot may be that of DATA."""
        end = self.buffer.find(b"\r\n.\r\n")
        if end < 0:
            self.buffer = self.buffer[-4:]
            return False
        self.buffer = self.buffer[end + 5 :]
        self.is_content = False
        self.mails += 1
        replies.append(QUEUED % self.mails)
        return True

    def command(self, replies: list[bytes]) -> bool:
        line, end, rest = self.buffer.partition(b"\n")
        if not end:
            return False
        self.buffer = rest
        verb = line[:4].upper()
        if verb == b"EHLO":
            replies.append(self.ehlo)
        elif verb == b"DATA":
            self.is_content = True
            self.buffer = b"\r\n" + rest
            replies.append(b"354 go on\r\n")
        elif verb == b"QUIT":
            replies.append(b"221 2.0.0 bye\r\n")
        else:
            replies.append(b"250 2.0.0 ok\r\n")
        return True

    def say(self, data: bytes) -> None:
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, data)
        else:
            self.transport.write(data)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description="An SMTP server that keeps nothing.")
    parser.add_argument("--pipelining", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MS", help="in each direction")
    chosen = parser.parse_args()
    connected = partial(Sink, pipelining=chosen.pipelining, delay=chosen.delay / 1000)
    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
