"""A mail server and an HTTP endpoint on loopback that keep what they are given."""

import threading
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"


class Mailbox:
    """What a mail server received; `open` says whether it takes mail."""

    def __init__(self):
        self.messages, self.open = [], True

    async def handle_DATA(self, server, session, envelope):
        if not self.open:
            return "451 try again later"
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    @property
    def texts(self):
        return [found.get_body(("plain", "html")).get_content() for found in self.messages]

    @property
    def subjects(self):
        return [str(found["Subject"]) for found in self.messages]


@contextmanager
def mail_server():
    """A real SMTP server; gives the mailbox and the Apprise URL that leads to it."""
    from aiosmtpd.controller import Controller

    class OnAnyPort(Controller):
        def _trigger_server(self):
            # Told port 0, the server takes a free one; the library would try to reach port 0.
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    mailbox = Mailbox()
    controller = OnAnyPort(mailbox, hostname=LOOPBACK, port=0, ready_timeout=20)
    controller.start()
    try:
        yield (
            mailbox,
            f"mailto://{LOOPBACK}:{controller.port}?from=models@bank.example&to=risk@bank.example&mode=insecure",
        )
    finally:
        controller.stop()


class Endpoint:
    """What was posted to an address, and how it answers."""

    def __init__(self):
        self.posts, self.status, self.url, self.answer = [], 204, "", b"said"


@contextmanager
def endpoint():
    """A real HTTP server; gives what it receives."""
    received = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if received.status < 300:
                received.posts.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(received.status)
            if received.status == 302:
                self.send_header("Location", received.url + "elsewhere")
            self.send_header("Content-Length", str(len(received.answer)))
            self.end_headers()
            self.wfile.write(received.answer)

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    received.url = f"http://{LOOPBACK}:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
