"""The conversation of a server that misbehaves on purpose, command by command."""

import asyncio
import base64
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tests.patience import pause
from tests.smtp_server import AcceptedMail

if TYPE_CHECKING:
    from tests.smtp_faults import FaultyServer


class Hangup(Exception):
    """The connection is over."""


class FaultyConversation:
    """One connection to a server of `tests/smtp_faults.py`: what it says, and does instead."""

    def __init__(self, server: "FaultyServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.server, self.reader, self.writer = server, reader, writer
        self.line = ""
        self.sender = ""
        self.options: tuple[str, ...] = ()
        self.recipients: list[str] = []
        self.is_open = False  # has MAIL been accepted
        self.signed_in, self.ehlo = "", ""

    @property
    def is_encrypted(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    async def run(self) -> None:
        if self.server.tls == "ssl" and "handshake" in self.server.faults:
            await self.reader.read(1)  # the client has begun
            await self.answer("handshake", "")
        await self.answer("greeting", "220 mx.test ESMTP")
        steps = {
            "EHLO": self.hear_ehlo,
            "HELO": self.hear_ehlo,
            "STARTTLS": self.hear_starttls,
            "AUTH": self.hear_auth,
            "MAIL": self.hear_mail,
            "RCPT": self.hear_rcpt,
            "DATA": self.hear_data,
            "RSET": self.hear_rset,
            "QUIT": self.hear_quit,
        }
        while True:
            await self.read()
            step = steps.get(self.line.split(" ")[0].upper())
            await (step() if step else self.say("502 5.5.2 Unknown command"))

    async def read(self) -> str:
        is_there = b"\n" in self.reader._buffer  # type: ignore[attr-defined]
        line = await self.reader.readline()
        self.server.pipelined += is_there and line[:4] in (b"MAIL", b"RCPT", b"DATA")
        if not line.endswith(b"\n"):
            raise Hangup
        self.line = line.decode("utf-8", "replace").rstrip("\r\n")
        self.server.lines.append(self.line)
        if not self.is_encrypted:
            self.server.clear_lines.append(self.line)
        return self.line

    async def say(self, text: str) -> None:
        if text:
            self.writer.write(text.encode() + b"\r\n")
            await self.writer.drain()

    async def answer(self, phase: str, usual: str, *, before: Callable[[], None] | None = None) -> bool:
        """Answer as usual, doing `before` first, or do what is planned; return whether it was as usual."""
        fault = self.server.fault_at(phase)
        if fault and fault.kind == "slow":
            await pause(float(fault.text))
        if fault and fault.kind == "held":
            await self.server._let_go.wait()
        if fault and fault.kind == "premature":
            await self.say(fault.text)
        if fault is None or fault.kind in ("slow", "held", "flush", "premature", "stray"):
            if before:
                before()
            await self.say(usual)
            if fault and fault.kind == "stray":
                await self.say(fault.text)
            if fault and fault.kind == "flush":
                self.reader._buffer.clear()  # type: ignore[attr-defined]
            return True
        if fault.kind == "reply":
            await self.say(fault.text.replace("{line}", self.line))
            if fault.text.startswith("421"):
                self.writer.close()
                raise Hangup
            return False
        if fault.kind == "raw":
            self.writer.write(fault.text.encode("latin-1"))
            return False
        if fault.kind == "drip":
            for letter in fault.text.encode():
                self.writer.write(bytes([letter]))
                await self.writer.drain()
                await pause(1.0)
            return False
        if phase == "greeting":
            await pause(0.05)  # or the client would not get as far as to wait for it
        if fault.kind == "eof":
            self.writer.close()
            await asyncio.sleep(0.2)
        elif fault.kind in ("drop", "together"):
            if fault.kind == "together":
                await self.server.gather(int(fault.text))
            opened: socket.socket = self.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            await self.server._stopping.wait()
        raise Hangup

    async def hear_ehlo(self) -> None:
        self.ehlo = self.line.partition(" ")[2]
        if self.line.upper().startswith("HELO"):
            await self.say("250 mx.test")
            return
        offers = list(self.server.offers)
        if self.server.tls == "starttls" and not self.is_encrypted and self.server.offers_starttls:
            offers.append("STARTTLS")
        if self.server.username and (self.is_encrypted or self.server.tls == "none" or not self.server.offers_starttls):
            offers.append(f"AUTH {self.server.mechanisms}")
        lines = ["mx.test", *offers]
        await self.answer("ehlo", "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]))

    async def hear_starttls(self) -> None:
        if not await self.answer("starttls", "220 2.0.0 Go ahead"):
            return
        if "handshake" in self.server.faults:
            await self.reader.read(1)
            await self.answer("handshake", "")
        await self.writer.start_tls(self.server.context)

    async def hear_auth(self) -> None:
        given = self.line.split(" ")
        mechanism = given[1].upper() if len(given) > 1 else ""
        if mechanism == "PLAIN" and len(given) == 3:
            _id, name, password = base64.b64decode(given[2]).decode().split("\0")
        elif mechanism == "LOGIN":
            await self.say("334 VXNlcm5hbWU6")
            name = base64.b64decode(await self.read()).decode()
            await self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(await self.read()).decode()
        elif mechanism == "CRAM-MD5":
            await self.say("334 " + base64.b64encode(b"<1.2@mx.test>").decode())
            name, _digest = base64.b64decode(await self.read()).decode().split(" ")
            password = self.server.password
        else:
            await self.say("504 5.5.4 Unknown mechanism")
            return
        if (name, password) == (self.server.username, self.server.password):
            if await self.answer("auth", "235 2.7.0 Welcome"):
                self.signed_in = name
        else:
            await self.answer("auth", "535 5.7.8 Wrong user name or password")

    async def hear_mail(self) -> None:
        if self.server.username and not self.signed_in:
            await self.say("530 5.7.0 Authentication required")
            return
        sender, *options = self.line[len("MAIL FROM:") :].split(" ")
        self.sender, self.options = sender.strip("<>"), tuple(options)
        self.recipients = []
        self.is_open = await self.answer("mail", "250 2.1.0 Sender OK")

    async def hear_rcpt(self) -> None:
        if not self.is_open:
            await self.say("503 5.5.1 MAIL first")
            return
        address = self.line[len("RCPT TO:") :].strip("<>")
        phase = f"rcpt:{address}" if f"rcpt:{address}" in self.server.faults else "rcpt"
        if await self.answer(phase, "250 2.1.5 Recipient OK"):
            self.recipients.append(address)

    async def hear_data(self) -> None:
        if not self.recipients:
            await self.say(self.server.data_without_recipients)
            if self.server.data_without_recipients.startswith("354"):
                self.server.contents.append(await self.read_content())
                await self.answer("dot", "554 5.5.1 No valid recipients")
            return
        if not await self.answer("data", "354 Go ahead"):
            return
        await self.answer("reading", "")
        self.server.contents.append(await self.read_content())
        self.is_open = False
        await self.answer("content", "250 2.0.0 Queued as 4F1", before=partial(self.keep, self.server.contents[-1]))

    def keep(self, content: bytes) -> None:
        self.server.mails.append(
            AcceptedMail(
                sender=self.sender,
                recipients=tuple(self.recipients),
                content=content,
                options=self.options,
                tls=self.writer.get_extra_info("ssl_object").version() if self.is_encrypted else "",
                username=self.signed_in,
                ehlo=self.ehlo,
            )
        )

    async def read_content(self) -> bytes:
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise Hangup
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def hear_rset(self) -> None:
        self.recipients, self.is_open = [], False
        await self.answer("rset", "250 2.0.0 Forgotten")

    async def hear_quit(self) -> None:
        await self.answer("quit", "221 2.0.0 Bye")
        raise Hangup
