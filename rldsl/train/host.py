"""Calls on the host within an iteration: texts of groups, what `else skip` and `else stop` say, everything else run
outside. Runs nothing itself but the first two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign, Node
from rldsl.rewards.outcome import is_absent
from rldsl.train.failures import Unhandled
from rldsl.train.outcome import place_of
from rldsl.types import Level

if TYPE_CHECKING:
    from rldsl.train.values import Values

LONGEST = 160  # characters of a text in a message
TIMED = ("verify.", "extern:")


def call_host(values: Values, node: Node, inputs: Sequence[Any]) -> Any:
    """The value of a `Foreign` node."""
    operation = node.operation
    assert isinstance(operation, Foreign)
    match operation.name:
        case "majority":
            return _majority(values, node, list(inputs[0]))
        case "policy.skip":
            return inputs[0]
        case "policy.stop":
            return _or_stop(values, node, inputs[0])
        case _:
            outcome = values.world.host.call(operation, inputs)
            values.failed[node.key] = frozenset(outcome.failed)
            name = node_name(values, node)
            if operation.name.startswith(TIMED):
                values.seconds[name] = values.seconds.get(name, 0.0) + outcome.seconds
            values.world.failures.settle(node, name, outcome, lambda _, place: sample_at(values, node, place))
            return outcome.values


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


def _majority(values: Values, node: Node, texts: list[Any]) -> list[Any]:
    """The most frequent text of each group, the first of ties; absent where nothing is there."""
    operation = node.operation
    assert isinstance(operation, Foreign)
    settings = dict(operation.settings)
    return most_frequent(texts, values.layout.bounds(str(settings["from"]), str(settings["per"])))


def most_frequent(texts: Sequence[Any], bounds: npt.NDArray[np.int64]) -> list[Any]:
    """Of each group, between one bound and the next, the most frequent text, the first of ties; None for an empty group."""
    found: list[Any] = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        there = Counter(text for text in texts[start:stop] if text is not None)
        found.append(there.most_common(1)[0][0] if there else None)
    return found


def _or_stop(values: Values, node: Node, column: Any) -> Any:
    missing = np.flatnonzero([is_absent(value) for value in column])
    if len(missing) == 0:
        return column
    source = values.world.spec.graph[node.inputs[0]]
    where = f" ({place_of(values.world.spec, node.span)})" if node.span else ""
    raise Unhandled(f"{node_name(values, source)} has no value for {len(missing)} of {len(column)}, and the spec says "
                    f"`else stop`{where}\n  {sample_at(values, node, int(missing[0]))}")


def _shown(text: Any) -> str:
    words = repr(str(text))
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…'"
