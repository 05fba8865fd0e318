"""What the nodes of a plan are called: in columns, in tables, in files. Every name is unique."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rldsl.graph.model import Elementwise, Foreign, Node, Read
from rldsl.scores.digests import node_digests
from rldsl.scores.plan import Plan, below

FIXED = ("row", "group", "sample", "prompt", "completion", "side", "finished")


@dataclass(frozen=True, slots=True)
class Names:
    """`values` and `fields` by the spec's names: their columns. `labels` and `digests` of calls, by key. `calls_of` are the calls
    below each scored node."""

    values: dict[str, str]
    fields: dict[str, str]
    labels: dict[int, str]
    digests: dict[int, str]
    calls_of: dict[int, tuple[int, ...]]


def name_nodes(plan: Plan) -> Names:
    """The same names for the same plan."""
    values = {entry.name: f"value.{entry.name}" if entry.name in FIXED else entry.name for entry in plan.values}
    taken = {*FIXED, *values.values()}
    fields = {field.name: f"data.{field.name}" if field.name in taken else field.name
              for field in (*plan.fields, *plan.own)}
    calls = [node.key for node in plan.calls]
    calls_of = {entry.key: tuple(key for key in calls if key in below(plan.spec, [entry.key])) for entry in plan.values}
    return Names(values, fields, _labels(plan, calls_of), node_digests(plan.spec), calls_of)


def _labels(plan: Plan, calls_of: dict[int, tuple[int, ...]]) -> dict[int, str]:
    """A call that is a named value has that name; any other that of the first value that it is made for, and its own."""
    named = {entry.key: entry.name for entry in reversed(plan.values)}
    found: dict[int, str] = {}
    for node in plan.calls:
        owner = next((entry.name for entry in plan.values if node.key in calls_of[entry.key]), "")
        wanted = named.get(node.key) or f"{owner}/{node.name or _word(node)}"
        found[node.key] = _free(wanted, found.values())
    return found


def _word(node: Node) -> str:
    match node.operation:
        case Foreign(name=name):
            return name.removeprefix("extern:")
        case Read(kind=kind, model=model):
            return f"{kind.value}({model})"
        case Elementwise(function=function):
            return function.value
        case _:
            return "value"


def _free(wanted: str, taken: Iterable[str]) -> str:
    known = set(taken)
    number = 2
    found = wanted
    while found in known:
        found, number = f"{wanted} {number}", number + 1
    return found
