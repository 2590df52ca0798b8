"""An address on loopback that takes what the exporter sends to Application Insights."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = "00000000-0000-0000-0000-000000000001"


@contextmanager
def ingestion() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A connection string, and what arrives there."""
    arrived: list[dict[str, Any]] = []

    class Track(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            items = json.loads(body)
            arrived.extend(items)
            answer = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Track) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield (
                f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{server.server_port}/",
                arrived,
            )
        finally:
            server.shutdown()
            serving.join()
