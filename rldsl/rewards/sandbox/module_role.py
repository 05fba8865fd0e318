"""The code as a module whose names are asked for: the side that is not trusted. Whatever it answers is an answer of the code.

It is told names to look up and values to call its functions with, never a test or an expected value.
"""

from __future__ import annotations

import builtins
import operator
import sys
import types
from collections.abc import Callable
from typing import Any

from . import plain
from .wire import Closed, Raised, Wire

_MUTABLE = (list, dict, set, bytearray)
_OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_",
                                               "xor", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "getitem",
                                               "setitem", "delitem", "index")}
_OF_ONE: dict[str, Callable[..., Any]] = {
    "len": len, "iter": iter, "next": next, "str": str, "repr": repr, "bool": bool, "int": int, "float": float,
    "getattr": getattr, "setattr": setattr, "delattr": delattr, "isinstance": isinstance, "dir": dir}


def serve_module(source: str, name: str, requests: int, replies: int) -> None:
    """Run the code as the module `name`, then answer questions on the pipes until they close."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    held = _Held(module)
    wire = Wire(requests, replies)
    wire.serve, wire.export, wire.take = held.serve, held.export, lambda tag, value: held.take(wire, tag, value)
    held.source = source
    try:
        wire.run()
    except Closed:
        return


class _Held:
    """The code's values that are no plain data, by number, and what may be done with them."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module
        self.source = ""
        self.values: list[Any] = []
        self.numbers: dict[int, int] = {}

    def export(self, value: Any) -> Any:
        """A tag for a value; numpy's numbers are numbers."""
        kind: type = type(value)
        if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
            return plain.encode(value.item(), self.export)
        if isinstance(value, types.ModuleType):
            return ["module", str(value.__name__)]
        name = str(getattr(value, "__name__", ""))
        if kind is type and getattr(builtins, name, None) is value:
            return ["builtin", name]
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.values)
            self.values.append(value)
        return ["held", [self.numbers[id(value)], str(kind.__name__), callable(value)]]

    def take(self, wire: Wire, tag: str, value: Any) -> Any:
        """The value of a tag: one of ours, a builtin, or a function of the other side."""
        if tag == "held":
            return self.values[value[0]]
        if tag == "builtin":
            return getattr(builtins, value)
        if tag == "function":
            return _Theirs(wire, value)
        raise plain.NotPlain("a message in another form")

    def serve(self, wire: Wire, what: str, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to one question."""
        if what == "load":
            exec(compile(self.source, f"{self.module.__name__}.py", "exec"), self.module.__dict__)
            return {}
        if what == "names":
            space = self.module.__dict__
            return {"values": {name: self._named(wire, space[name]) for name in question["names"] if name in space}}
        if what == "call":
            return self._call(wire, question)
        arguments = [wire.decode(part) for part in question["arguments"]]
        run = _OPERATORS.get(what) or _OF_ONE[what]
        return {"value": wire.encode(run(*arguments))}

    def _named(self, wire: Wire, value: Any) -> Any:
        try:
            return wire.encode(value)
        except plain.NotPlain:  # too deep, a cycle: it stays here
            self.values.append(value)
            return ["held", [len(self.values) - 1, type(value).__name__, False]]

    def _call(self, wire: Wire, question: dict[str, Any]) -> dict[str, Any]:
        """Call a value; beside the result, what became of arguments that the call has changed."""
        function = wire.decode(question["to"])
        arguments = [wire.decode(part) for part in question["arguments"]]
        named = {name: wire.decode(part) for name, part in question["named"].items()}
        result = function(*arguments, **named)
        if isinstance(result, types.CoroutineType):
            import asyncio

            result = asyncio.run(result)
        changed = {}
        for place, (value, before) in enumerate(zip(arguments, question["arguments"], strict=True)):
            if isinstance(value, _MUTABLE):
                after = wire.encode(value)
                if after != before:
                    changed[str(place)] = after
        return {"value": wire.encode(result), "changed": changed}


class _Theirs:
    """A function of the tests: calling it asks them."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire, self._number = wire, number

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        wire = self._wire
        question = {"to": self._number, "arguments": [wire.encode(part) for part in arguments],
                    "named": {name: wire.encode(part) for name, part in named.items()}}
        try:
            return wire.decode(wire.ask("call", question)["value"])
        except Raised as raised:
            raise (raised.as_builtin() or raised) from None
