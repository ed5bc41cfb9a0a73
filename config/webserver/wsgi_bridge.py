"""Runs the WSGI application: reads requests whole, has a thread answer them, and sends the answers."""

from __future__ import annotations

import asyncio
import functools
import http
import io
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from typing import IO, Any, cast
from urllib.parse import unquote_to_bytes

from config.webserver.answers import Answer, ClientGone
from config.webserver.connections import LimitedConnection, client_key
from config.webserver.limits import Limits
from config.webserver.request_threads import Busy, RequestThreads

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refused(Exception):
    """The request is answered without the application. The text is shown."""

    def __init__(self, status: http.HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Disconnected(Exception):
    """The client has gone."""


class WsgiBridge:
    """An ASGI application around a WSGI application.

    `client_of` returns the address of the client of an environ: behind a proxy not that of the connection.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        limits: Limits,
        client_of: Callable[[Environ], str],
    ) -> None:
        self.application = application
        self.limits = limits
        self.client_of = client_of
        self.threads = RequestThreads(limits)

    async def __call__(
        self, scope: dict[str, Any], receive: Receive, send: Send, *, connection: LimitedConnection
    ) -> None:
        try:
            with await self.read_body(scope, receive, connection) as body:
                connection.work()
                await self.answer(scope, body, send, connection)
        except Disconnected:
            connection.give_up()
        except Refused as refusal:
            connection.wait_for_client()
            await self.refuse(refusal, send, connection)

    # ---------------------------------------------------------------- in

    async def read_body(self, scope: dict[str, Any], receive: Receive, connection: LimitedConnection) -> IO[bytes]:
        """Return the whole body. Raises Refused if it is too large or takes too long, and Disconnected."""
        length = declared_length(scope)
        if length > self.limits.body_size:
            raise Refused(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        if not length and not is_chunked(scope):
            return io.BytesIO()
        connection.wait_for_client()
        body = cast(IO[bytes], tempfile.SpooledTemporaryFile(self.limits.body_in_memory))  # noqa: SIM115
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds) as limit:
                started = asyncio.get_running_loop().time()
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    body.write(message.get("body", b""))
                    size += len(message.get("body", b""))
                    if size > self.limits.body_size:
                        raise Refused(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
                    limit.reschedule(started + self.limits.body_seconds + size / self.limits.slowest)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            body.close()
            raise Refused(http.HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.") from None
        except BaseException:
            body.close()
            raise
        body.seek(0)
        scope["body_size"] = size
        return body

    # ---------------------------------------------------------------- out

    async def answer(self, scope: dict[str, Any], body: IO[bytes], send: Send, connection: LimitedConnection) -> None:
        """Have a thread answer, and send what it answers. Raises Refused and Disconnected."""
        environ = make_environ(scope, body)
        answer = Answer(asyncio.get_running_loop(), self.limits.answer_in_memory)
        lane = self.threads.lane(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        call = functools.partial(self.call, environ, answer, connection)
        try:
            future = await lane.submit(client_key(self.client_of(environ)), call)
        except Busy:
            raise Refused(http.HTTPStatus.SERVICE_UNAVAILABLE, "The server is busy. Try again shortly.") from None
        try:
            piece, more = await answer.read()
            if not answer.status:
                raise Refused(http.HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. The error has been logged.")
            connection.wait_for_client()
            async with asyncio.timeout(self.limits.piece_seconds):
                await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            while True:
                if answer.is_broken and not more:  # the end would make it look whole
                    raise Disconnected
                async with asyncio.timeout(self.limits.piece_seconds):
                    await send({"type": "http.response.body", "body": piece, "more_body": more})
                if not more:
                    break
                if connection.is_lost:
                    raise Disconnected
                piece, more = await answer.read()
        except TimeoutError:
            raise Disconnected from None
        finally:
            answer.close()
            await asyncio.wait([asyncio.wrap_future(future)])  # it still reads the body

    def call(self, environ: Environ, answer: Answer, connection: LimitedConnection) -> None:
        """Run the application, in a thread."""
        if connection.is_lost:  # while the request waited for the thread
            answer.finish()
            return

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], None]:
            if exc_info and answer.status:
                raise exc_info[1]
            answer.start(
                int(status.partition(" ")[0]),
                [(name.encode("latin-1"), value.strip(" ").encode("latin-1")) for name, value in headers],
            )
            return answer.write

        try:
            chunks = self.application(environ, start_response)
            try:
                for chunk in chunks:
                    answer.write(chunk)
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
        except ClientGone:
            pass
        except Exception:  # whatever the application raises: the server goes on
            logger.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answer.is_broken = True
        finally:
            answer.finish()

    async def refuse(self, refusal: Refused, send: Send, connection: LimitedConnection) -> None:
        """Answer with a line of text and close the connection, the rest of whose request is not wanted."""
        text = f"{refusal}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            (b"connection", b"close"),
        ]
        if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"5"))
        try:
            async with asyncio.timeout(self.limits.piece_seconds):
                await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
                await send({"type": "http.response.body", "body": text})
        except TimeoutError:
            connection.give_up()


def declared_length(scope: dict[str, Any]) -> int:
    """Return the Content-Length, 0 if there is none; h11 has checked that it is one number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def is_chunked(scope: dict[str, Any]) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


def make_environ(scope: dict[str, Any], body: IO[bytes]) -> Environ:
    """Return the WSGI environ (PEP 3333) of a request.

    A name with an underscore could pass for one with a hyphen, such as that of a proxy's header, and is left out.
    """
    path = scope["raw_path"]
    if not path.startswith((b"/", b"*")):  # absolute form (RFC 9112, 3.2.2)
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    host, port = scope["server"] or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name or raw_name == b"transfer-encoding":
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    if "body_size" in scope:
        environ["CONTENT_LENGTH"] = str(scope["body_size"])
    return environ
