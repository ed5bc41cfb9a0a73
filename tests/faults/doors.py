"""A door in front of a database: a TCP proxy that can be shut, which drops what is open and refuses what knocks."""

import contextlib
import socket
import threading


class Door:
    """Forwards connections from `port` to a port of this machine while it is open. Its threads end with it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.is_open = True
        self.lock = threading.Lock()
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        with self.lock:
            self.is_open = False
            for pair in self.pairs:
                hang_up(*pair)
            self.pairs.clear()

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.shut()
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            with self.lock:
                if not self.is_open:
                    hang_up(client)
                    continue
                pair = (client, socket.create_connection(("127.0.0.1", self.target)))
                self.pairs.add(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        hang_up(source, sink)


def hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
