"""What: one part of a sum of rewards spans so much more than the others that it decides the sum.

Why: a length of 0 to 4096 added to a verdict of 0 or 1 is a length reward. Ranges are known from the graph, so this is said
before anything is trained.

Example: `correct + 0.1 * text.length(y.text)`

Instead: bring the parts to one scale: `0.1 * clip(text.length(y.text) / 4096, 0 .. 1)`.

When this is wrong: where the small part is meant to break ties alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.graph.model import Node
from rldsl.graph.spec import NamedValue
from rldsl.types import Element, format_number

CHECK = Check("RL602", "range-mismatch", Severity.WARNING, "one range decides a weighted sum")
FACTOR = 10.0


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Rewards that are sums with one part spanning ten times the rest together."""
    for reward in facts.spec.rewards:
        parts = facts.addends(reward.key)
        spans = {key: facts.graph[key].type.interval.span for key in parts if facts.constant(key) is None}
        if len(spans) < 2 or any(_is_unscaled(facts.graph[key]) for key in spans):
            continue
        largest = max(spans, key=lambda key: spans[key])
        rest = sum(span for key, span in spans.items() if key != largest)
        if math.isfinite(rest) and rest > 0 and spans[largest] > FACTOR * rest:
            yield _finding(facts, reward, largest, spans[largest], rest)


def _is_unscaled(node: Node) -> bool:
    return node.type.element not in (Element.REAL, Element.INT, Element.BOOL) or node.type.interval.is_everything


def _finding(facts: Facts, reward: NamedValue, largest: int, span: float, rest: float) -> Diagnostic:
    node = facts.graph[largest]
    name = f"`{node.name}`" if node.name else "this part"
    return warning("RL602", f"{name[:30]} decides this sum", facts.span(largest, reward.span),
                   f"spans {_shown(span)}"[:40], others=[Label(reward.span, f"the rest spans {_shown(rest)}"[:40])],
                   why=f"the other parts together span {_shown(rest)}, so they hardly matter.",
                   fix="bring it to the scale of the others, for example `clip(x / 4096, 0 .. 1)`")


def _shown(span: float) -> str:
    return "without bound" if math.isinf(span) else format_number(round(span, 4))
