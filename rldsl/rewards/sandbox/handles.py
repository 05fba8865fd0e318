"""What the tests hold of the code's values that are no plain data. Each use asks the code's process; no comparison does.

A handle equals itself alone. It is never equal to plain data, and arithmetic and order with plain data are refused, so that no
class of the code learns what a test expects of it.
"""

from __future__ import annotations

import builtins
import reprlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from . import plain
from .wire import Raised, Wire


class CodeEnded(Exception):
    """The code tried to end the process, or raised an exception that has no name among the builtin ones."""


class BrokenTests(Exception):
    """The tests cannot be run, whatever the code is."""


class Code:
    """The code's process as the tests see it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.handles: dict[int, Handle] = {}
        self.functions: list[Callable[..., Any]] = []
        wire.serve, wire.export, wire.take = self.serve, self.export, self.take

    def ask(self, what: str, *arguments: Any) -> Any:
        """The result of an operation on values of the code."""
        found = self._asked(what, {"arguments": [self.wire.encode(part) for part in arguments]})
        return self.wire.decode(found.get("value"))

    def call(self, handle: Handle, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The result of a call; arguments that it changed in place are changed here too."""
        crossed = [self.wire.encode(part) for part in arguments]
        others = {name: self.wire.encode(part) for name, part in named.items()}
        found = self._asked("call", {"to": self.export(handle), "arguments": crossed, "named": others})
        changed = found.get("changed")
        for place, after in (changed if isinstance(changed, dict) else {}).items():
            _change(arguments[int(place)], self.wire.decode(after))
        return self.wire.decode(found.get("value"))

    def names(self, wanted: list[str]) -> dict[str, Any]:
        """Those of the names that the code has, with their values; a module of the code is none."""
        found = self._asked("names", {"names": wanted}).get("values")
        values: dict[str, Any] = {}
        for name, value in (found if isinstance(found, dict) else {}).items():
            if name in wanted and not (isinstance(value, list) and value[:1] == ["module"]):
                values[name] = self.wire.decode(value)
        return values

    def load(self) -> None:
        """Run the code."""
        self._asked("load", {})

    def _asked(self, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.wire.ask(what, arguments)
        except Raised as raised:
            _raise_here(raised)
        return found

    def export(self, value: Any) -> Any:
        """A tag for what is no plain data: the code's own, builtins by name, functions of the tests."""
        if isinstance(value, Handle):
            return ["held", [object.__getattribute__(value, "_number")]]
        name = getattr(value, "__name__", None)
        if isinstance(name, str) and getattr(builtins, name, None) is value:
            return ["builtin", name]
        if callable(value) and not isinstance(value, type):
            self.functions.append(value)
            return ["function", len(self.functions) - 1]
        raise BrokenTests(f"the tests hand a value of class {type(value).__name__} to the code; plain data and functions can be")

    def take(self, tag: str, held: Any) -> Any:
        """The value of a tag."""
        if tag == "held":
            number, kind = int(held[0]), str(held[1])
            if number not in self.handles:
                self.handles[number] = Handle(self, number, kind)
            return self.handles[number]
        if tag == "builtin" and isinstance(getattr(builtins, str(held), None), type):
            return getattr(builtins, held)
        raise plain.NotPlain("the code gave a module" if tag == "module" else "a message in another form")

    def serve(self, wire: Wire, what: str, question: dict[str, Any]) -> dict[str, Any]:
        """The code calls a function of the tests that it was given."""
        if what != "call":
            raise plain.NotPlain("the code may call functions that it was given, and nothing else")
        function = self.functions[int(question["to"])]
        arguments = [wire.decode(part) for part in question["arguments"]]
        named = {str(name): wire.decode(part) for name, part in question["named"].items()}
        return {"value": wire.encode(function(*arguments, **named))}


class Handle:
    """A value of the code: it stays there, and what is done with it is done there."""

    __slots__ = ("_code", "_kind", "_number")

    def __init__(self, code: Code, number: int, kind: str) -> None:
        object.__setattr__(self, "_code", code)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_kind", kind)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _code(self).ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _code(self).ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        _code(self).ask("delattr", self, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _code(self).call(self, arguments, named)

    def __iter__(self) -> Iterator[Any]:
        walker = _code(self).ask("iter", self)
        if not isinstance(walker, Handle):
            raise TypeError("the code gave no iterator")
        while True:
            try:
                value = _code(self).ask("next", walker)
            except StopIteration:
                return
            yield value

    def __next__(self) -> Any:
        return _code(self).ask("next", self)

    def __getitem__(self, key: Any) -> Any:
        return _code(self).ask("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _code(self).ask("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        _code(self).ask("delitem", self, key)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Handle) and _code(self).ask("isinstance", value, self) is True

    def __enter__(self) -> Any:
        return _code(self).ask("getattr", self, "__enter__")()

    def __exit__(self, *how: Any) -> bool:
        return _code(self).ask("getattr", self, "__exit__")(None, None, None) is True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_number"))


def _code(handle: Handle) -> Code:
    found: Code = object.__getattribute__(handle, "_code")
    return found


def _of_kind(name: str, kind: type) -> Callable[[Handle], Any]:
    """An operation whose result must be of one builtin class."""
    def run(self: Handle) -> Any:
        found = _code(self).ask(name, self)
        if type(found) is not kind:
            raise TypeError(f"the code's {name} gave no {kind.__name__}")
        return found

    return run


def _among_handles(name: str) -> Callable[[Handle, object], Any]:
    """An operation of two values of the code; with plain data it is refused."""
    def run(self: Handle, other: object) -> Any:
        if not isinstance(other, Handle):
            kind = object.__getattribute__(self, "_kind")
            raise TypeError(f"the code gave an object of class {kind} where plain data is computed with")
        return _code(self).ask(name, self, other)

    return run


def _in_handles(self: Handle, value: object) -> bool:
    return any(part is value or part == value for part in self)


def _equip() -> None:
    for kind in (bool, str, int, float):
        setattr(Handle, f"__{kind.__name__}__", _of_kind(kind.__name__, kind))
    for name, kind in (("len", int), ("repr", str), ("index", int)):
        setattr(Handle, f"__{name}__", _of_kind(name, kind))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "lt", "le", "gt", "ge"):
        word = name.rstrip("_")
        setattr(Handle, f"__{word}__", _among_handles(name))
        if name not in ("lt", "le", "gt", "ge"):
            setattr(Handle, f"__r{word}__", _among_handles(name))
    setattr(Handle, "__contains__", _in_handles)  # noqa: B010


_equip()


def _change(value: Any, after: Any) -> None:
    """Give a list, dictionary, set or bytearray of the tests the contents that the call left in it."""
    if isinstance(value, (list, bytearray)) and type(after) is type(value):
        value[:] = after
    elif isinstance(value, (dict, set)) and type(after) is type(value):
        value.clear()
        value.update(after)


def _raise_here(raised: Raised) -> NoReturn:
    """The nearest builtin exception of what the code raised; one that ends processes is no exception that a test can expect."""
    fault = raised.as_builtin()
    if isinstance(fault, Exception) and type(fault) is not Exception:
        raise fault from None
    kind = type(fault).__name__ if fault is not None else "Exception"
    raise CodeEnded(f"{kind}: {raised.said}" if raised.said else kind) from None


class _Short(reprlib.Repr):
    """Values in a sentence; a handle by its class alone, without asking the code."""

    def repr_Handle(self, value: Handle, level: int) -> str:
        return f"<an object of class {object.__getattribute__(value, '_kind')[:40]}>"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def shown(value: Any) -> str:
    """A value in at most some 200 characters."""
    try:
        return _SHORT.repr(value)[:200]
    except Exception:
        return f"<{type(value).__name__}>"
