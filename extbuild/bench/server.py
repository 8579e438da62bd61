"""A web server on this machine for the benchmark's pages: no other can be reached from them.

Pages are cross-origin isolated, so that peers have shared memory and precise clocks.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from socket import socket
from socketserver import BaseServer
from urllib.parse import unquote, urlsplit

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css",
    ".gguf": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".onnx": "application/octet-stream",
    ".wasm": "application/wasm",
}


@contextmanager
def serving(folders: Mapping[str, Path]) -> Iterator[str]:
    """Serve each folder below its first path segment; gives the address, without its last slash.

    The folder ``""`` answers for every path that no other has.
    """
    handler = partial(_Handler, folders=folders)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="bench server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def find(folders: Mapping[str, Path], path: str) -> Path | None:
    """The file that a request's path means; None where there is none or it lies outside."""
    parts = PurePosixPath(unquote(urlsplit(path).path).lstrip("/")).parts
    if ".." in parts:
        return None
    named = folders.get(parts[0]) if parts else None
    file = named.joinpath(*parts[1:]) if named else folders[""].joinpath(*parts)
    return file if file.is_file() else None


class _Handler(SimpleHTTPRequestHandler):
    """Answers GET with whole files."""

    protocol_version = "HTTP/1.1"
    extensions_map: dict[str, str] = _TYPES

    def __init__(
        self,
        request: socket,
        client_address: tuple[str, int],
        server: BaseServer,
        *,
        folders: Mapping[str, Path],
    ) -> None:
        self._folders = folders  # before the base class, which answers the request at once
        super().__init__(request, client_address, server)

    def translate_path(self, path: str) -> str:
        """The base class opens what this names; an empty name is answered by 404."""
        return str(find(self._folders, path) or "")

    def end_headers(self) -> None:
        """Add the headers of isolation."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the progress of the benchmark is on the same screen."""
