"""Questions and answers between two processes, both ways over one pair of pipes: lines of JSON, values as `plain` data.

Either side may be asked while it waits for an answer. What is no plain data stays where it is, and a number stands for it.
"""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable
from typing import Any, Optional

from . import plain

_READ = 1 << 16
LARGEST = 16 << 20


class Closed(Exception):
    """The other side is gone; the message says how, where that is known."""


class Raised(Exception):
    """The other side answered with an exception: the names of its classes, nearest first, and its text."""

    def __init__(self, classes: list[str], said: str) -> None:
        super().__init__(said)
        self.classes = classes
        self.said = said

    def as_builtin(self) -> BaseException | None:
        """The nearest of its classes that is a builtin exception, made here; None where there is none."""
        for name in self.classes:
            kind = getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                try:
                    return kind(self.said)
                except TypeError:  # one that takes more than a text
                    continue
        return None


class Wire:
    """One end. `serve(wire, what, arguments)` answers what the other end asks; `export` and `take` are for values that are no
    plain data: a tag for one, and the value for a tag. Whoever holds a wire sets them; before, nothing is answered."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._incoming = bytearray()
        self.asked = 0
        self.serve: Callable[[Wire, str, dict[str, Any]], Any] = _deaf
        self.export: Callable[[Any], Any] = _cannot
        self.take: Callable[[str, Any], Any] = _nothing

    def encode(self, value: Any) -> Any:
        """A value as it crosses."""
        return plain.encode(value, self.export)

    def decode(self, value: Any) -> Any:
        """What crossed."""
        return plain.decode(value, self.take)

    def ask(self, what: str, arguments: dict[str, Any]) -> Any:
        """The answer to a question, as it crossed; `Raised` where that is an exception."""
        self.asked += 1
        number = self.asked
        self.send({"ask": what, "number": number, **arguments})
        while True:
            message = self.receive()
            if "ask" in message:
                self.answer(message)
            elif message.get("number") == number:
                if "raised" in message:
                    raise Raised([str(name) for name in message["raised"]], str(message.get("said", "")))
                return message

    def answer(self, message: dict[str, Any]) -> None:
        """Serve one question of the other side."""
        number = message.get("number")
        try:
            found = self.serve(self, str(message["ask"]), message)
            self.send({"number": number, **found})
        except Closed:
            raise
        except BaseException as fault:
            classes = [kind.__name__ for kind in type(fault).__mro__ if kind.__module__ == "builtins"]
            self.send({"number": number, "raised": classes, "said": _said(fault), "class": type(fault).__name__})

    def run(self) -> None:
        """Answer until the other side is gone."""
        while True:
            message = self.receive()
            if "ask" in message:
                self.answer(message)

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        data = json.dumps(message).encode() + b"\n"
        if len(data) > LARGEST:
            raise plain.NotPlain(f"it takes {len(data):,} bytes; {LARGEST:,} can cross")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._sink, view):]
        except OSError:
            raise Closed("") from None

    def receive(self) -> dict[str, Any]:
        """The next message; what is none is passed over."""
        while True:
            line = self._line()
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(message, dict):
                if "gone" in message:
                    raise Closed(str(message["gone"]))
                return message

    def _line(self) -> bytes:
        start = 0
        while True:
            end = self._incoming.find(b"\n", start)
            if end >= 0:
                line = bytes(self._incoming[:end])
                del self._incoming[:end + 1]
                return line
            start = len(self._incoming)
            if start > 2 * LARGEST:
                raise Closed("it sent a message without end")
            data = _read(self._source)
            if not data:
                raise Closed("")
            self._incoming += data


def _read(source: int) -> bytes:
    try:
        return os.read(source, _READ)
    except OSError:
        return b""


def _said(fault: BaseException) -> str:
    try:
        return str(fault)[:400]
    except BaseException:
        return "?"


def _deaf(wire: Wire, what: str, question: dict[str, Any]) -> Any:
    raise plain.NotPlain("nothing is answered yet")


def _cannot(value: Any) -> Any:
    raise plain.NotPlain(f"a value of class {type(value).__name__} cannot cross")


def _nothing(tag: str, held: Optional[Any]) -> Any:
    raise plain.NotPlain("a message in another form")
