"""A small judge over HTTP that answers from the text alone, and misbehaves when told to. Standard library only.

In a test::

    with JudgeServer([Status(500), Says("yes")]) as server:   # the first calls behave so, all later ones as `then`
        ...                                                   # server.url, server.calls, server.largest

On its own: `python -m tests.judging.server --port 8100 --latency 0.2`; then `JUDGE_URL=http://127.0.0.1:8100/v1`.
`POST /script` with a JSON list such as `[{"Status": {"code": 500}}, {"Verdict": {}}]` sets what the next calls meet;
`GET /counts` gives what was counted; `POST /reset` forgets both.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Verdict:
    """An object of the schema that was sent (or that the instruction shows), decided by the text. `usage`: whether it says what
    it took. `finish`: its `finish_reason`."""

    usage: bool = True
    finish: str = "stop"
    seconds: float = 0.0


@dataclass(frozen=True)
class Status:
    """An HTTP status with an error message; `retry_after` becomes the header."""

    code: int
    message: str = "the test says so"
    retry_after: str | None = None


@dataclass(frozen=True)
class Says:
    """This text as the reply, whatever was asked. `thinking`: a `reasoning_content` beside it."""

    text: str | None
    finish: str = "stop"
    thinking: str | None = None


@dataclass(frozen=True)
class Echo:
    """The user's text as the reply: what a judge does that obeys the text that it judges."""


@dataclass(frozen=True)
class Raw:
    """This body with status 200."""

    body: str


@dataclass(frozen=True)
class CutBody:
    """The connection ends in the middle of the body."""


@dataclass(frozen=True)
class HangUp:
    """The connection ends before any response."""


@dataclass(frozen=True)
class Drip:
    """A byte of the response now and then: no single read is slow, all of them together never end."""

    pause: float = 0.05


@dataclass(frozen=True)
class TwoVerdicts:
    """Two objects, one after the other, that say different things."""


@dataclass(frozen=True)
class RefusesForm:
    """400 for requests with these forms of `response_format`; else a verdict."""

    forms: tuple[str, ...] = ("json_schema", "json_object")


@dataclass(frozen=True)
class RepeatsKey:
    """401 with the key in the message, as some servers do."""


Behaviour: TypeAlias = (Verdict | Status | Says | Echo | Raw | CutBody | HangUp | Drip | TwoVerdicts | RefusesForm | RepeatsKey)
_NAMED = {kind.__name__: kind for kind in (Verdict, Status, Says, Echo, Raw, CutBody, HangUp, Drip, TwoVerdicts, RefusesForm,
                                           RepeatsKey)}


@dataclass(frozen=True)
class Call:
    """One request: its body as JSON, its headers, when it came and went (of `time.monotonic`)."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float

    @property
    def system(self) -> str:
        """The system text."""
        return "".join(message["content"] for message in self.body["messages"] if message["role"] == "system")

    @property
    def user(self) -> str:
        """The user's text."""
        return "".join(message["content"] for message in self.body["messages"] if message["role"] == "user")

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema of `response_format`, else the one that the instruction ends with."""
        asked = self.body.get("response_format", {})
        if asked.get("type") == "json_schema":
            found: Mapping[str, Any] = asked["json_schema"]["schema"]
            return found
        found, _ = json.JSONDecoder().raw_decode(self.system[self.system.rindex("JSON schema: ") + len("JSON schema: "):])
        return found


def verdict_of(text: str, schema: Mapping[str, Any], path: str = "") -> Any:
    """Any value of a schema, chosen by a hash of the text and of where it stands: the same text, the same verdict. A list of whole
    numbers whose length is left open rises from the least of them."""
    draw = int.from_bytes(hashlib.sha256(f"{path}\0{text}".encode("utf-8", "surrogatepass")).digest()[:8], "big")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][draw % len(schema["enum"])]
    match schema.get("type"):
        case "object":
            return {name: verdict_of(text, part, f"{path}.{name}") for name, part in schema.get("properties", {}).items()}
        case "array":
            count, items = schema.get("minItems", 1), schema["items"]
            if items.get("type") == "integer" and schema.get("maxItems", count) > count:
                low, high = items["minimum"], items["maximum"]
                return [low, *(number for number in range(low + 1, high + 1) if draw >> number % 64 & 1)]
            return [verdict_of(text, schema["items"], f"{path}[{place}]") for place in range(count)]
        case "boolean":
            return draw % 2 == 0
        case "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 10)
            return low + draw % (high - low + 1)
        case "number":
            low, high = schema.get("minimum", 0.0), schema.get("maximum", 1.0)
            return low + (high - low) * (draw % 1001) / 1000
        case _:
            return " ".join(text.split()[:4])[:min(40, schema.get("maxLength", 40))].replace("\x00", "")


@dataclass
class Counts:
    """What a server saw. `largest` is how many calls were under way at the same time."""

    calls: list[Call] = field(default_factory=list)
    answered: int = 0
    under_way: int = 0
    largest: int = 0


class _Connection(asyncio.StreamReaderProtocol):
    """Is among the open ones from when it is made, before anybody serves it, until it is lost: then its socket is closed."""

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
                 among: set[asyncio.WriteTransport]) -> None:
        super().__init__(asyncio.StreamReader(), serve)
        self._among = among
        self._made: Any = None

    def connection_made(self, transport: Any) -> None:
        """It is open."""
        self._made = transport
        self._among.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is no more."""
        self._among.discard(self._made)
        super().connection_lost(exc)


class JudgeServer:
    """Serves on a thread of its own until it is closed. `script` is for the first calls in the order in which they come, `then` for
    all others; `judge` decides verdicts instead of `verdict_of`."""

    def __init__(self, script: Sequence[Behaviour] = (), *, then: Behaviour | None = None, latency: float = 0.0, port: int = 0,
                 judge: Callable[[Call], Any] | None = None) -> None:
        self.counts = Counts()
        self._script, self._then = list(script), then or Verdict()
        self._latency, self._port = latency, port
        self._judge = judge or (lambda call: verdict_of(call.user, call.schema))
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.WriteTransport] = set()
        self._accepting: set[asyncio.Task[Any]] = set()
        self._listening: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="judge-server", daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        """What `base_url` is to be."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def calls(self) -> list[Call]:
        """Every request, in order."""
        return self.counts.calls

    @property
    def largest(self) -> int:
        """The most calls that were under way at the same time."""
        return self.counts.largest

    def behave(self, script: Sequence[Behaviour], then: Behaviour | None = None) -> None:
        """What the next calls meet."""
        self._script, self._then = list(script), then or self._then

    def disappear(self) -> None:
        """Stop listening and end every connection, from any thread."""
        asyncio.run_coroutine_threadsafe(self._vanish(), self._loop).result(10)

    def close(self) -> None:
        """End the server and its thread."""
        if self._thread.is_alive():
            self.disappear()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def __enter__(self) -> JudgeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ on the server's thread
    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._listening = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self._listening.setblocking(False)
        self._port = self._listening.getsockname()[1]
        self._loop.add_reader(self._listening, self._accept, self._listening)
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._late())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _accept(self, listening: socket.socket) -> None:
        """Not `asyncio.start_server`: closed while a connection is accepted, it leaves that one's socket open."""
        with suppress(BlockingIOError, ConnectionError):
            while True:
                found, _ = listening.accept()
                making = self._loop.connect_accepted_socket(lambda: _Connection(self._serve, self._open), found)
                task = self._loop.create_task(making)
                self._accepting.add(task)
                task.add_done_callback(self._accepting.discard)

    async def _vanish(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        await asyncio.gather(*self._accepting, return_exceptions=True)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _late(self) -> None:
        """A connection that was accepted while the others were ended begins now, and is ended too. One whose client does not read
        would wait for that."""
        for _ in range(10):
            await asyncio.sleep(0)
        await self._vanish()
        for transport in list(self._open):
            transport.abort()
        while self._open:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its response; whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = head[0].split(" ", 2)
        if not path.endswith("/chat/completions"):
            return await self._control(method, path, body, writer)
        call = Call(json.loads(body), headers, time.monotonic())
        counts = self.counts
        counts.calls.append(call)
        counts.under_way += 1
        counts.largest = max(counts.largest, counts.under_way)
        try:
            behaviour = self._script.pop(0) if self._script else self._then
            if self._latency:
                await asyncio.sleep(self._latency)
            return await self._respond(behaviour, call, writer)
        finally:
            counts.under_way -= 1
            counts.answered += 1

    async def _control(self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        counts = self.counts
        match method, path:
            case "GET", "/counts":
                pass
            case "POST", "/reset":
                self.counts, self._script = Counts(), []
            case "POST", "/script":
                self._script = [_NAMED[name](**given) for entry in json.loads(body) for name, given in entry.items()]
            case _:
                return await _send(writer, 404, {"error": {"message": f"there is no {path}"}})
        return await _send(writer, 200, {"calls": len(counts.calls), "largest": counts.largest})

    async def _respond(self, behaviour: Behaviour, call: Call, writer: asyncio.StreamWriter) -> bool:
        match behaviour:
            case Verdict(usage=usage, finish=finish, seconds=seconds):
                await asyncio.sleep(seconds)
                return await _send(writer, 200, _completion(call, json.dumps(self._judge(call)), finish, usage))
            case Status(code=code, message=message, retry_after=wait):
                return await _send(writer, code, {"error": {"message": message}}, {"retry-after": wait} if wait is not None else {})
            case Says(text=text, finish=finish, thinking=thinking):
                return await _send(writer, 200, _completion(call, text, finish, True, thinking))
            case Echo():
                return await _send(writer, 200, _completion(call, call.user, "stop", True))
            case Raw(body=body):
                return await _send(writer, 200, body)
            case CutBody():
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"choices\": [{\"mess")
                await writer.drain()
                return False
            case HangUp():
                return False
            case Drip(pause=pause):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                for _ in range(100_000):
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(pause)
                return False
            case TwoVerdicts():
                texts = [json.dumps(verdict_of(f"{call.user}{place}", call.schema)) for place in (1, 2)]
                return await _send(writer, 200, _completion(call, "\n".join(texts), "stop", True))
            case RefusesForm(forms=forms):
                form = call.body.get("response_format", {}).get("type")
                if form in forms:
                    return await _send(writer, 400, {"error": {"message": f"response_format.type `{form}` is unavailable now"}})
                return await self._respond(Verdict(), call, writer)
            case RepeatsKey():
                key = call.headers.get("authorization", "").removeprefix("Bearer ")
                return await _send(writer, 401, {"error": {"message": f"Incorrect API key provided: {key}."}})


def _completion(call: Call, text: str | None, finish: str, usage: bool, thinking: str | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking is not None:
        message["reasoning_content"] = thinking
    made: dict[str, Any] = {"id": "chatcmpl-test", "object": "chat.completion", "model": call.body.get("model"),
                            "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    if usage:  # four characters to a token
        made["usage"] = {"prompt_tokens": (len(call.system) + len(call.user)) // 4, "completion_tokens": len(text or "") // 4}
    return made


async def _send(writer: asyncio.StreamWriter, code: int, body: Mapping[str, Any] | str,
                also: Mapping[str, str] | None = None) -> bool:
    content = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogatepass")
    lines = [f"HTTP/1.1 {code} Said", "content-type: application/json", f"content-length: {len(content)}",
             *(f"{name}: {value}" for name, value in (also or {}).items())]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
    await writer.drain()
    return True


def main() -> None:
    """Serve until interrupted; the first line printed is the address."""
    parser = argparse.ArgumentParser(description="A judge over HTTP for tests: `base_url` is what it prints.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    with JudgeServer(port=given.port, latency=given.latency) as server:
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
