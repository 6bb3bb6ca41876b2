"""The supplier of the nightly sync: a small HTTP server with a catalogue of three pages."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGES = 3
_PER_PAGE = 2
#: Seconds that a page takes, so that one can watch.
_PAUSE = 0.15


class Supplier(ThreadingHTTPServer):
    """Answers from `start()` to `stop()`, on a free port of this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Catalogue)
        #: The pages that were asked for, in order.
        self.asked: list[int] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/catalogue"

    def start(self) -> None:
        self._thread.start()

    def handle_error(self, *_: Any) -> None:
        """A client that was killed does not wait for its answer."""

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Catalogue(BaseHTTPRequestHandler):
    server: Supplier

    def do_GET(self) -> None:
        """One page, as `?page=` says."""
        number = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
        self.server.asked.append(number)
        time.sleep(_PAUSE)
        body = json.dumps(_page(number)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error belongs to the demo."""


def _page(number: int) -> dict[str, Any]:
    items = [
        {"sku": f"P{number}{letter}", "name": f"Product {number}{letter}", "price": 10.0 * number}
        for letter in "ab"[:_PER_PAGE]
    ]
    return {"items": items, "nextPage": number + 1 if number < PAGES else None}
