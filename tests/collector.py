"""A collector of OpenTelemetry's: it takes what an exporter sends over HTTP, and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class SentSpan:
    """A span as it was sent; ids in hex."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    service: str
    scope: str
    attributes: dict[str, Any]

    @classmethod
    def read(cls, span: Any, service: str, scope: str) -> Self:
        """Return a span of a message."""
        return cls(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            service=service,
            scope=scope,
            attributes={each.key: _value(each.value) for each in span.attributes},
        )


@dataclass
class Collector:
    """What has arrived.

    :param port: where it listens on 127.0.0.1.
    :param status: what it responds with.
    :param responds: it takes a request, and responds when this is set; it is set at the start.
    """

    port: int = 0
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    responds: threading.Event = field(default_factory=threading.Event)

    @property
    def spans(self) -> list[SentSpan]:
        """Every span that has arrived."""
        found: list[SentSpan] = []
        for body in self.bodies:
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = {each.key: each.value.string_value for each in of_resource.resource.attributes}
                for of_scope in of_resource.scope_spans:
                    service, scope = resource.get("service.name", ""), of_scope.scope.name
                    found += [SentSpan.read(span, service, scope) for span in of_scope.spans]
        return found


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """Run a collector.

    :param status: what it responds with.
    """
    collector = Collector(status=status)
    collector.responds.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.bodies.append(body)
            collector.responds.wait()
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
