"""`rldsl score --serve`: the rewards of a spec over HTTP, so that any trainer in any language can ask for them.

`POST /score` takes `{"rows": [{"prompt": …, "completion": …, …}]}` and answers `{"completions": [{"values", "states",
"evidence"}], "cost", "seconds"}`, in the order of the rows; `"group": "COLUMN"` says what makes a group. `GET /` says what is
served. A request that cannot be scored is answered 422 with what is wrong; a call that failed is a state of a completion,
not an error.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from rldsl.data.errors import DataErrors
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import LiveScores

MOST_BYTES: Final = 1 << 28
MOST_DIGITS: Final = 20
SILENCE: Final = 60.0  # seconds without a byte after which a connection is let go
_KNOWN: Final = ("rows", "group")


class BadRequest(Exception):
    """What is wrong with a request, and its status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class RewardServer(ThreadingHTTPServer):
    """Answers on one address until `shutdown`. Requests are scored side by side."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], scores: LiveScores) -> None:
        self.scores = scores
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = str(self.server_address[0]), int(self.server_address[1])
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(scores: LiveScores, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Answer until interrupted. `ready` hears the address. Raises `ScoreError` where it cannot listen there."""
    try:
        server = RewardServer((host, port), scores)
    except OSError as fault:
        raise ScoreError(f"nothing can listen on {host}:{port}", f"{fault.strerror or fault}.", "`--serve 0` takes any free port",
                         exit_status=2) from None
    with server:
        ready(server.url)
        thread = threading.Thread(target=server.serve_forever, name="rldsl-serve", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(1.0)
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: RewardServer
    protocol_version = "HTTP/1.1"
    timeout = SILENCE

    def do_GET(self) -> None:
        """What is served."""
        plan = self.server.scores.plan
        if self.path != "/":
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"there is no {self.path}; `POST /score` scores, `GET /` says what"})
            return
        self._answer(HTTPStatus.OK, {
            "spec": plan.spec.source.name, "reward": self.server.scores.reward.name,
            "rewards": [entry.name for entry in plan.values if entry.name in plan.rewards],
            "fields": {field.name: field.element.value for field in (*plan.fields, *plan.own)},
            "compares": self.server.scores.meets_others})

    def do_POST(self) -> None:
        """Score."""
        try:
            request = self._request()
            found = self.server.scores.score(request["rows"], request.get("group"))
            self._answer(HTTPStatus.OK, {"reward": self.server.scores.reward.name, **found.document()})
        except BadRequest as fault:
            self._answer(fault.status, {"error": str(fault)})
        except (ScoreError, DataErrors) as fault:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(fault)})
        except Exception as fault:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"{type(fault).__name__}: {fault}"})

    def _request(self) -> dict[str, Any]:
        if self.path != "/score":
            raise BadRequest(HTTPStatus.NOT_FOUND, f"there is no {self.path}; `POST /score` scores")
        content = self._read()
        try:
            request = json.loads(content)
        except (ValueError, RecursionError) as fault:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {fault}") from None
        if not isinstance(request, dict) or not isinstance(request.get("rows"), list) or not request["rows"]:
            raise BadRequest(HTTPStatus.BAD_REQUEST, '`{"rows": [{"completion": …}]}` is expected, with at least a row')
        if unknown := [name for name in request if name not in _KNOWN]:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"`{unknown[0]}` is not known: a request has {', '.join(_KNOWN)}")
        if not all(isinstance(row, dict) for row in request["rows"]):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "each row is an object of columns")
        if not isinstance(request.get("group", ""), str):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "`group` is the name of a column")
        return request

    def _read(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "the request has no Content-Length")
        if len(length) > MOST_DIGITS or int(length) > MOST_BYTES:
            self.close_connection = True
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BYTES:,} bytes; score in several requests")
        content = self.rfile.read(int(length))
        if len(content) < int(length):
            self.close_connection = True
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body ends after {len(content)} of {length} bytes")
        return content

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        content = json.dumps(document, allow_nan=False).encode()
        if status >= HTTPStatus.BAD_REQUEST and self.command == "POST" and status is HTTPStatus.NOT_FOUND:
            self.close_connection = True  # its body was not read
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """One line a request, without texts."""
        print(f"{self.address_string()} {format % arguments}", file=sys.stderr)
