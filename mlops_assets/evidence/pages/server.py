"""The server of the pages, for the machine that it runs on: `python -m mlops_assets.evidence.pages.server PORT FOLDER`.

Belongs here: which files a browser gets, and with which headers. What is in the pages is written elsewhere. The pages show
what came from data and declarations, so a browser is told to run nothing that a page of ours does not need.
"""

import http.server
import sys
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOOPBACK = "127.0.0.1"
FIRST_PAGE, DRAWN = "fleet.html", "evidently.html"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
DRAWN_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the pages that Evidently draws: they need their own scripts, which get an origin of their own and no network."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives regular files below one folder to a browser that asked this machine by its own name."""

    server_version = "mlops_assets"
    sys_version = ""

    def do_GET(self) -> None:
        """Send a file, or refuse."""
        if self._may_be_sent():
            super().do_GET()

    def do_HEAD(self) -> None:
        """Send a file's headers, or refuse."""
        if self._may_be_sent():
            super().do_HEAD()

    def end_headers(self) -> None:
        """Add the headers that keep a page from doing more than showing itself."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        drawn = urlsplit(self.path).path.endswith(f"/{DRAWN}")
        self.send_header("Content-Security-Policy", DRAWN_POLICY if drawn else PAGE_POLICY)
        super().end_headers()

    def _may_be_sent(self) -> bool:
        # A page on another site can make a browser ask this server under that site's name (DNS rebinding).
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This server answers under its own address only")
            return False
        asked = unquote(urlsplit(self.path).path)
        if asked == "/":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/{FIRST_PAGE}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        root = Path(self.directory)
        parts = [part for part in asked.split("/") if part]
        places = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
        hidden = any(part.startswith(".") or "\0" in part for part in parts)
        if hidden or any(place.is_symlink() for place in places) or not places[-1].is_file():
            self.send_error(HTTPStatus.NOT_FOUND, "There is no such page")
            return False
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: one line a request hides what Dagster and MLflow print beside it."""


def make_server(port: int, folder: Path) -> http.server.ThreadingHTTPServer:
    """A server of the pages in `folder`, on this machine's loopback address; port 0 lets the system choose."""
    return http.server.ThreadingHTTPServer((LOOPBACK, port), partial(Handler, directory=str(folder.resolve())))


def main() -> None:
    """Serve until the process is ended."""
    make_server(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()


if __name__ == "__main__":
    main()
