"""What an expression can stand for while a spec is elaborated: a graph value, or something that only calls can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rldsl.resolve.modules import Scope
from rldsl.syntax import tree
from rldsl.types import Level


@dataclass(frozen=True, slots=True)
class GraphValue:
    """A node of the graph."""

    key: int


@dataclass(frozen=True, slots=True)
class ModelValue:
    """A policy, critic, scorer, embedder or judge."""

    name: str


@dataclass(frozen=True, slots=True)
class ResponseValue:
    """A rollout or response; `context` is the key of the prompt text in `y given text`."""

    name: str
    context: int | None = None


@dataclass(frozen=True, slots=True)
class SupportValue:
    """The tokens that the sampler of a rollout could draw, at each of its tokens."""

    name: str


@dataclass(frozen=True, slots=True)
class DataValue:
    """A data set."""

    name: str


@dataclass(frozen=True, slots=True)
class LevelValue:
    """A level named in `per:` or `to:`."""

    level: Level


@dataclass(frozen=True, slots=True)
class BoundsValue:
    """`low .. high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class WordValue:
    """A bare word that is an option of a call, such as `end` in `from: end`."""

    word: str


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function written in `.rl`."""

    function: tree.Function
    scope: Scope


@dataclass(frozen=True, slots=True)
class BuiltinValue:
    """A function of the language itself."""

    name: str


@dataclass(frozen=True, slots=True)
class HostValue:
    """A primitive that runs on the host: `verify.math`, or one under its bare name."""

    name: str


@dataclass(frozen=True, slots=True)
class ExternValue:
    """An `extern fn`."""

    name: str


@dataclass(frozen=True, slots=True)
class RubricValue:
    """A rubric: a callable of texts."""

    name: str


@dataclass(frozen=True, slots=True)
class NamespaceValue:
    """`verify`, `text`: names after a dot; or a module by its `as` name."""

    name: str
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class OtherValue:
    """A declaration that no expression can use (`objective`, `eval`, `buffer`, `sampler`)."""

    word: str
    name: str


@dataclass(frozen=True, slots=True)
class FailedValue:
    """Something that was already reported."""


Value: TypeAlias = (GraphValue | ModelValue | ResponseValue | SupportValue | DataValue | LevelValue | BoundsValue | WordValue
                    | FunctionValue | BuiltinValue | HostValue | ExternValue | RubricValue | NamespaceValue | OtherValue
                    | FailedValue)


def identity_of(value: Value) -> object:
    """What makes two values the same, as a key."""
    match value:
        case FunctionValue(function=function, scope=scope):
            return FunctionValue, id(function), scope.name
        case NamespaceValue(name=name, scope=scope):
            return NamespaceValue, name, None if scope is None else scope.name
        case _:
            return value


def describe(value: Value) -> str:
    """What a value is, for messages: `a policy`, `a level`."""
    match value:
        case GraphValue():
            return "a value"
        case ModelValue():
            return "a model"
        case ResponseValue():
            return "a response"
        case SupportValue():
            return "what could be drawn"
        case DataValue():
            return "a data set"
        case LevelValue():
            return "a level"
        case BoundsValue():
            return "a range `low .. high`"
        case WordValue():
            return "an option word"
        case FunctionValue() | BuiltinValue() | HostValue() | ExternValue():
            return "a function"
        case RubricValue():
            return "a rubric"
        case NamespaceValue():
            return "a module"
        case OtherValue(word=word):
            return f"an {word}" if word[0] in "aeiou" else f"a {word}"
        case FailedValue():
            return "something already reported"
