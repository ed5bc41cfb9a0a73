"""A real HTTP server that keeps what it is told, and answers as a test wants."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POLL = 0.01  # seconds in which it notices that it is closed


class Receiver:
    """Listens on 127.0.0.1 until it is closed. `status` is what it answers; with `waits` it first does nothing."""

    def __init__(self, *, status=204, waits=0.0, location=""):
        self.told, self.bodies, self.headers = [], [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append(body)
                receiver.headers.append(dict(self.headers))
                receiver.told.append(json.loads(body))
                time.sleep(waits)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, args=[POLL], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
