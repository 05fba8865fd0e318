"""What a spec means, as a hash: comments, layout, tests and `plan` do not change it, parameters set from outside do."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from rldsl.graph.model import Graph
from rldsl.graph.spec import Spec
from rldsl.source import Source, Span

LEFT_OUT = frozenset({"doc", "sources", "plan", "tests", "deferred", "axes"})


def fingerprint(spec: Spec) -> str:
    """SHA-256 of all that a run depends on."""
    digest = hashlib.sha256()
    for part in _parts(spec):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[str]:
    match value:
        case Span() | Source():
            yield "where"
        case Enum():
            yield f"{type(value).__name__}.{value.name}"
        case Graph(nodes=nodes):
            yield from _of_many("graph", nodes)
        case None | bool() | int() | float() | str():
            yield f"{type(value).__name__} {value!r}"
        case tuple() | list():
            yield from _of_many("list", value)
        case frozenset() | set():
            yield from _of_many("set", sorted(" ".join(_parts(item)) for item in value))
        case Mapping():
            yield from _of_many("map", sorted(value.items()))
        case _ if dataclasses.is_dataclass(value):
            yield f"{type(value).__name__} {{"
            for field in dataclasses.fields(value):
                if field.name not in LEFT_OUT:
                    yield field.name
                    yield from _parts(getattr(value, field.name))
            yield "}"
        case _:
            raise TypeError(f"a spec holds no {type(value).__name__}")


def _of_many(kind: str, values: Iterable[Any]) -> Iterator[str]:
    yield f"{kind} ["
    for value in values:
        yield from _parts(value)
    yield "]"
