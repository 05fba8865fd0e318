"""What the tests of data share: a declaration written short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rldsl.data.rows import Rows
from rldsl.graph.spec import DataSpec, FieldSpec, Invocation
from rldsl.source import Span
from rldsl.types import BATCH, Axis, Element, Level

HERE = Span("spec.rl", 0, 1)
Load: TypeAlias = Callable[..., Rows]
Faults: TypeAlias = Callable[..., list[str]]
Write: TypeAlias = Callable[[str | bytes], None]


def declare(source: str, fields: str, *positional: Any, **named: Any) -> DataSpec:
    """`declare("jsonl", "question: Text, size: Int", "rows.jsonl")`."""
    pairs = [part.split(":") for part in fields.split(",") if part.strip()]
    specs = tuple(FieldSpec(name.strip(), Element(element.strip()), False, HERE) for name, element in pairs)
    invocation = Invocation(source, positional, tuple(named.items()))
    return DataSpec("problems", invocation, specs, Axis("problems", Level.PROMPT, "problems", BATCH), HERE)
