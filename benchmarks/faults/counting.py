"""An SMTP server that records every message it accepts: ``python -m benchmarks.faults.counting --log FILE``.

Prints its port, then serves until it is stopped. It writes a line per event immediately: the event, the time
(`time.monotonic`, which all processes of a machine share), the client's EHLO name, and the Message-ID or "-". As with
real servers, a message is accepted when its final dot arrives, whether or not the client receives the reply.
"""

import argparse
import asyncio
import base64
import os
import random
import signal
import time


class Server:
    """`answer_ms`: the delay of the reply to the final dot, uniformly distributed between 0.5 and 1.5 times this value.

    `rate`: the limit of messages per second over all connections (0: none), so that a fast worker does not run out of
    work before the experiment is over.
    """

    def __init__(self, log: str, *, answer_ms: float, rate: float, password: str) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.answer_ms, self.rate, self.password = answer_ms, rate, password
        self.chance = random.Random(1)
        self.slot = 0.0

    def note(self, what: str, name: str, message_id: str = "-") -> None:
        os.write(self.log, f"{what} {time.monotonic():.6f} {name} {message_id}\n".encode())

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = "-"
        try:
            writer.write(b"220 counting.test ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper().rstrip()
                if verb == b"EHLO":
                    name = line[4:].decode().strip() or "-"
                    self.note("ehlo", name)
                    auth = b"250-AUTH PLAIN\r\n" if self.password else b""
                    writer.write(
                        b"250-counting.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n" + auth + b"250 SIZE 52428800\r\n"
                    )
                elif verb == b"AUTH":
                    given = base64.b64decode(line.split()[2]).split(b"\0")[2].decode()
                    self.note("auth", name)
                    right = given == self.password
                    writer.write(b"235 2.7.0 Welcome\r\n" if right else b"535 5.7.8 Wrong user name or password\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    message_id = await self.read_mail(reader)
                    self.note("dot", name, message_id)
                    await asyncio.sleep(self.until_answer())
                    self.note("ok", name, message_id)
                    writer.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    break
                else:
                    writer.write(b"250 2.0.0 ok\r\n")
        except (OSError, EOFError):
            pass
        finally:
            self.note("bye", name)
            writer.close()

    def until_answer(self) -> float:
        """Return the delay of this reply in seconds."""
        seconds = self.answer_ms * self.chance.uniform(0.5, 1.5) / 1000
        if self.rate:
            now = time.monotonic()
            self.slot = max(now + seconds, self.slot + 1 / self.rate)
            seconds = self.slot - now
        return seconds

    async def read_mail(self, reader: asyncio.StreamReader) -> str:
        """Read to the final dot and return the Message-ID. Raises EOFError if the client disconnects first."""
        message_id = "-"
        while (line := await reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise EOFError
            if line[:11].lower() == b"message-id:":
                message_id = line[11:].decode().strip()
        return message_id


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer-ms", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    server = Server(options.log, answer_ms=options.answer_ms, rate=options.rate, password=options.password)
    listening = await asyncio.start_server(server.converse, "127.0.0.1", options.port, limit=2**20, backlog=1000)
    print(listening.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
