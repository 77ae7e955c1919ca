"""Serve the page of a bundle on this machine, and nothing else.

Only what model.json lists is served, and the runtime: a request is looked up in a table and never
becomes a path.
"""

import contextlib
import errno
import shutil
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pipelines.errors import EnvironmentFault, UserError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
HEADERS = {
    # Cross-origin isolation: what WebAssembly needs for shared memory, and nobody may embed us.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def table(bundle, card, runtime_files):
    """{URL path: file} of all that is served.

    Raises:
        UserError: the bundle holds no page.
    """
    bundle = Path(bundle)
    names = [*card.get("files", {}), "model.json"]
    if "index.html" not in names:
        raise UserError(f"{bundle} holds no index.html; make the bundle again")
    files = {f"/{name}": bundle / name for name in names}
    files |= {f"/runtime/{name}": file for name, file in runtime_files.items()}
    return {"/": bundle / "index.html"} | files


def server(files, host, port):
    """A server of `files`, bound but not yet running.

    Raises:
        EnvironmentFault: the address is taken or not ours.
    """
    handler = type("Handler", (_Handler,), {"files": files})
    kind = _IPv6 if ":" in host else ThreadingHTTPServer
    try:
        bound = kind((host, port), handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise EnvironmentFault(
                f"port {port} is taken; name another with --port, or --port 0 for any free one"
            ) from None
        raise EnvironmentFault(f"cannot serve on {host} port {port}: {error.strerror}") from None
    bound.daemon_threads = True
    return bound


class _IPv6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    files = {}
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "keras-cnns", ""
    timeout = 30  # seconds that a silent client may hold its thread

    def do_GET(self):  # noqa: N802, the name that http.server calls
        self._answer()

    def do_HEAD(self):  # noqa: N802
        self._answer(body=False)

    def _answer(self, *, body=True):
        if not self._is_for_us():
            return self.send_error(421, "Misdirected Request")
        file = self.files.get(unquote(urlsplit(self.path).path))
        if file is None or not file.is_file():
            return self.send_error(404)
        with open(file, "rb") as content:
            self.send_response(200)
            kind = TYPES.get(PurePosixPath(file.name).suffix, "application/octet-stream")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            if body:
                shutil.copyfileobj(content, self.wfile)
        return None

    def _is_for_us(self):
        """Whether a request to loopback names loopback: a foreign name may point here (DNS)."""
        if self.server.server_address[0] not in LOOPBACK:
            return True
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:  # no host at all
            return False
        return name in LOOPBACK

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        """Say nothing: whoever looks at the page sees what came."""

    def handle(self):
        with contextlib.suppress(ConnectionError, TimeoutError):  # the browser went away
            super().handle()
