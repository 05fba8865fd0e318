"""Calls on the host within an iteration: what becomes of failures, what `else stop` says, how messages call things. Runs
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rldsl.graph.model import Foreign, Node
from rldsl.rewards.outcome import Cost, Outcome
from rldsl.train.failures import Unhandled
from rldsl.train.outcome import place_of
from rldsl.types import Level

if TYPE_CHECKING:
    from rldsl.train.values import Values

LONGEST = 160  # characters of a text in a message
TIMED = ("verify.",)


@dataclass(frozen=True, slots=True)
class Calls:
    """Hears what the calls of some values gave."""

    values: Values

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """Count failures; raises `Unhandled` where they cannot be gone on with."""
        values = self.values
        values.world.failures.settle(node, node_name(values, node), outcome,
                                     lambda _, index: sample_at(values, node, places[index]))

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """`else stop`."""
        values = self.values
        source = values.world.spec.graph[node.inputs[0]]
        where = f" ({place_of(values.world.spec, node.span)})" if node.span else ""
        raise Unhandled(f"{node_name(values, source)} has no value for {len(places)} of {count}, and the spec says "
                        f"`else stop`{where}\n  {sample_at(values, node, places[0])}")


def call_measures(values: Values) -> dict[str, float]:
    """The seconds that calls took, by the names of values, and what judges were paid. Depends on the clock, and on what was
    answered before."""
    found: dict[str, float] = {}
    for key, record in values.calls.asked.items():
        node = values.world.spec.graph[key]
        name = node_name(values, node).replace("`", "")
        if values.calls.is_outside(key) or _called(node).startswith(TIMED):
            found[f"reward_time/{name}"] = found.get(f"reward_time/{name}", 0.0) + record.seconds
        if record.cost != Cost():
            for what, spent in _spent(record.cost).items():
                for label in (f"judge/{name}/{what}", f"judge/{what}"):
                    found[label] = found.get(label, 0.0) + spent
    return found


def _spent(cost: Cost) -> dict[str, float]:
    return {"calls": float(cost.calls), "tokens": float(cost.tokens_in + cost.tokens_out), "money": cost.money}


def _called(node: Node) -> str:
    return node.operation.name if isinstance(node.operation, Foreign) else ""


def node_name(values: Values, node: Node) -> str:
    """How messages call a value: by its own name, or by that of the reward that it is a part of."""
    operation = node.operation
    called = f"`{operation.name}`" if isinstance(operation, Foreign) else "a value"
    if node.name is not None:
        return f"`{node.name}`"
    for reward in values.world.spec.rewards:
        if node.key in values.world.finder.of([reward.key]).keys:
            return f"{called} in reward `{reward.name}`"
    return called


def sample_at(values: Values, node: Node, place: int) -> str:
    """The row or the sample that a place of a value belongs to, shown."""
    axis = next((found for found in node.type.axis.chain() if found.level <= Level.SAMPLE), node.type.axis)
    tokens = values.tokens.get(axis.owner)
    if axis.level != Level.SAMPLE or tokens is None:
        return f"place {place + 1} of `{axis}`"
    sample = int(values.layout.owners(node.type.axis.name, axis.name)[place])
    prompt = values.column(values.world.responses[axis.owner].prompt)[int(tokens.prompt_of_sample[sample])]
    return f"at the answer {_shown(tokens.texts[sample])} to the prompt {_shown(prompt)}"


def _shown(text: Any) -> str:
    words = repr(str(text))
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…'"
