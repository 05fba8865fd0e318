"""The steps of a `train` block, with what they name resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rldsl.source import Span

if TYPE_CHECKING:
    from rldsl.graph.spec import Settings


@dataclass(frozen=True, slots=True)
class Repeat:
    """`count` passes of `body`."""

    count: int
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StageStep:
    """A named part of the training, for logs and reports."""

    name: str
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Every:
    """At each `count`-th pass of the enclosing repeat."""

    count: int
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    """Where the Bool scalar `condition` is true."""

    condition: int
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw `count` rows of `data` (None: the one data set that the following updates need)."""

    count: int
    data: str | None
    sampler: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Update:
    """Train `model` with `objective`. Settings: minibatch (Amount), epochs, micro_batch (Amount), optimizer
    (Invocation), clip_gradient, ..."""

    model: str
    objective: str
    settings: Settings
    on: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Reset:
    """Copy the weights of `to` into `model`."""

    model: str
    to: str
    span: Span


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Run an `eval`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Save:
    """Write a checkpoint that is kept."""

    span: Span


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a state its next value, here."""

    state: str
    key: int
    span: Span


Step: TypeAlias = "Repeat | StageStep | Every | When | Draw | Update | Reset | Evaluate | Save | Assign"
