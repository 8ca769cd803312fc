"""A service on loopback that takes alerts, or is out of order."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Channel(ThreadingHTTPServer):
    """A service that takes Apprise's JSON messages, or answers that it is out of order."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Take)
        self.sent = []
        self.severities = []
        self.works = True

    @property
    def address(self):
        return f"json://127.0.0.1:{self.server_port}"


class Take(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.works:
            self.server.sent.append(f"{message['title']}\n{message['message']}")
            self.server.severities.append(message["type"])
        self.send_response(200 if self.server.works else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def open_channel():
    with Channel() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
