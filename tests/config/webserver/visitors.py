"""Visitors with sockets of their own, who say what they like when they like, and a server in a thread for them."""

import contextlib
import http.client
import socket
import threading
import time

from config.webserver.limits import Limits
from config.webserver.serving import make_server


@contextlib.contextmanager
def serving(application, **limits):
    """Serve the WSGI application in a thread, and give the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    server = make_server(application, Limits(**limits), client_of=client_of, is_proxy=lambda peer: False)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def client_of(environ) -> str:
    return environ["REMOTE_ADDR"]


class Visitor:
    """One connection."""

    def __init__(self, port: int, said: bytes = b"", *, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        if said:
            self.say(said)

    def say(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def hear(self) -> bytes:
        """Return all that comes until the connection is closed."""
        heard = b""
        with contextlib.suppress(ConnectionError):
            while octets := self.socket.recv(65536):
                heard += octets
        return heard

    @property
    def is_open(self) -> bool:
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(30)

    def closed_after(self) -> float:
        """Return the seconds until the connection is closed, whatever comes before."""
        begin = time.monotonic()
        self.hear()
        return time.monotonic() - begin

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def crowd(port: int, number: int, said: bytes = b"", *, buffer: int = 0):
    """As many visitors, each of whom has said the same."""
    visitors = [Visitor(port, said, buffer=buffer) for _ in range(number)]
    try:
        yield visitors
    finally:
        for visitor in visitors:
            visitor.close()


def get(port: int, path: str = "/", **headers: str) -> tuple[int, bytes]:
    """Return the status and the body of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
