"""A web server on the loopback interface for the pages under test.

It answers on ``127.0.0.1`` and as ``localhost``: two sites to the extension, one machine to us.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML document and the headers that it is sent with."""

    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Site:
    """What is served, by path."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pages: dict[str, Page] = {}

    def put(self, name: str, page: Page) -> str:
        """Serve ``page`` at a path of its own from now on; the path."""
        path = f"/{len(self._pages)}/{name}"
        self._pages[path] = page
        return path

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Address of a path, on either site."""
        return f"http://{host}:{self._port}{path}"

    def get(self, path: str) -> Page | None:
        """The page at ``path``."""
        return self._pages.get(path)


@contextmanager
def serve_site() -> Iterator[Site]:
    """A site that is up for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.get(self.path)
            body = page.html.encode() if page else b""
            self.send_response(200 if page else NOT_FOUND)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (page.headers if page else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: pytest shows what a failing test needs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
