"""What: one part of a sum of rewards spans so much more than the others that it decides the sum.

Why: a length of 0 to 4096 added to a verdict of 0 or 1 is a length reward. Ranges are known from the graph, so this is said
before anything is trained: of `y.length` it is `min_tokens` (at least 1) to `max_tokens` of its rollout.

Example: `correct + 0.1 * text.length(y.text)`, `correct - 0.01 * y.length` with `max_tokens: 4096`

Instead: bring the parts to one scale: `0.1 * clip(text.length(y.text) / 4096, 0 .. 1)`, `y.length / 4096`.

When this is wrong: where the small part is meant to break ties alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.graph.model import Freeze, Function, Node, Reduce, Spread
from rldsl.graph.spec import NamedValue
from rldsl.types import Element, format_number

CHECK = Check("RL602", "range-mismatch", Severity.WARNING, "one range decides a weighted sum")
FACTOR = 10.0
NEAR_ZERO = 0.01
_PASSING = (Function.ADD, Function.SUBTRACT, Function.MULTIPLY, Function.DIVIDE, Function.NEGATE)


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Rewards that are sums with one part spanning ten times the rest together. Of a quotient by what comes near 0 the range
    tells how near, and not how large its values are: nothing is said of those. A parameter that makes a part small may have been
    set to do so, hence the other parts are taken at the largest that it may be."""
    for reward in facts.spec.rewards:
        parts = facts.addends(reward.key)
        spans = {key: facts.interval(key).span for key in parts if facts.constant(key) is None}
        if len(spans) < 2 or any(_is_unscaled(facts, facts.graph[key]) or _is_guarded(facts, key) for key in spans):
            continue
        largest = max(spans, key=lambda key: spans[key])
        rest = sum(facts.widest(key).span for key in spans if key != largest)
        if math.isfinite(rest) and rest > 0 and spans[largest] > FACTOR * rest:
            yield _finding(facts, reward, largest, spans[largest], rest)


def _is_unscaled(facts: Facts, node: Node) -> bool:
    return node.type.element not in (Element.REAL, Element.INT, Element.BOOL) or facts.interval(node.key).is_everything


def _is_guarded(facts: Facts, key: int) -> bool:
    """Whether a divisor may come near 0, seen through what leaves such a range as it is."""
    waiting, seen = [key], set[int]()
    while waiting:
        node = facts.graph[waiting.pop()]
        if is_function(node, Function.DIVIDE) and facts.constant(node.inputs[1]) is None:
            divisor = facts.interval(node.inputs[1])
            if divisor.low < NEAR_ZERO and divisor.high > -NEAR_ZERO:
                return True
        if isinstance(node.operation, Spread | Freeze | Reduce) or is_function(node, *_PASSING):
            inputs = node.inputs[:1] if isinstance(node.operation, Reduce) else node.inputs
            waiting.extend(entry for entry in inputs if entry not in seen)
            seen.update(inputs)
    return False


def _finding(facts: Facts, reward: NamedValue, largest: int, span: float, rest: float) -> Diagnostic:
    node = facts.graph[largest]
    name = f"`{node.name}`" if node.name else "this part"
    return warning("RL602", f"{name[:30]} decides this sum", facts.span(largest, reward.span),
                   f"spans {_shown(span)}"[:40], others=[Label(reward.span, f"the rest spans {_shown(rest)}"[:40])],
                   why=f"the other parts together span {_shown(rest)}, so they hardly matter.",
                   fix=f"bring it to the scale of the others, for example `{_scaled(span)}`")


def _scaled(span: float) -> str:
    return "clip(x / 4096, 0 .. 1)" if math.isinf(span) else f"x / {format_number(round(span, 4))}"


def _shown(span: float) -> str:
    return "without bound" if math.isinf(span) else format_number(round(span, 4))
