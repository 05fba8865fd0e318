"""What: a surrogate of the importance ratio the wrong way round: the policy that wrote the text over the one that learns.

Why: the ratio says how much more likely the policy has made a text than it was when it wrote it. Its inverse falls as the text
becomes more likely, so `maximize` pushes away from good answers; and no inverse corrects for who drew the samples.

Example: `let r = exp(y.logp - logp(actor, y))` and `maximize s: mean(clipped(r, advantage, 0.8 .. 1.2))`; `mean(advantage / r)`
with `r = exp(logp(actor, y) - y.logp)`

Instead: `exp(logp(actor, y) - y.logp)`, the policy that learns first.

Found along the graph: an `exp` of log-probabilities of one policy, of which the one that learns is subtracted, held to bounds
around 1 or multiplied by something that depends on a reward; and something that does, divided by the ratio. An estimate of a
divergence, `exp(d) - d - 1`, is no such product, and a frozen factor turns nothing around: neither is reported.

When this is wrong: where the inverse is wanted as a weight; then it is a number of the sample, `frozen(1 / r)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.bounded import bounded_values
from rldsl.checks.facts import Facts, is_function, is_reward
from rldsl.checks.log_scale import LogScale, is_importance
from rldsl.checks.model import Check
from rldsl.checks.rl408_not_a_ratio import ratio_of
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Function, Node

CHECK = Check("RL409", "inverted-ratio", Severity.ERROR, "a ratio with the policy that learns below the line")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Inverted ratios that are bounded as ratios are or weigh a reward; each once."""
    live = {node.key for _, term in facts.terms() for node in facts.live_nodes_of(term.key)}
    seen: set[int] = set()
    for node, value, scale in _uses(facts):
        span = node.span or value.span
        if node.key not in live or value.key in seen or span is None:
            continue
        seen.add(value.key)
        if is_function(node, Function.DIVIDE):
            yield error("RL409", "a reward is divided by the ratio", span, "falls as the text becomes more likely",
                        why="what raises it makes good answers less likely.", fix="`*`: the ratio weighs what it corrects")
            continue
        written = facts.span(value.key, span)
        yield error("RL409", "this ratio is the wrong way round", written, "falls as the text becomes more likely",
                    others=[] if written == span else [Label(span, "used here")],
                    why="the policy that learns is below the line: what raises this makes good answers less likely.",
                    fix=f"{ratio_of(facts, scale)}, the policy that learns first")


def _uses(facts: Facts) -> Iterator[tuple[Node, Node, LogScale]]:
    """Where an inverted ratio is used as one, the `exp`, and what is within it."""
    for place in bounded_values(facts):
        if place.cuts and 0 < place.low < 1 < place.high:
            yield from _inverted(facts, place.node, place.key, -1)
    rewarded = facts.have_below(is_reward)
    for node in facts.graph.nodes:
        if is_function(node, Function.MULTIPLY, Function.GATED_MULTIPLY):
            for key, other in (node.inputs, node.inputs[::-1]):
                if other in rewarded:
                    yield from _inverted(facts, node, key, -1)
        elif is_function(node, Function.DIVIDE) and node.inputs[0] in rewarded:
            yield from _inverted(facts, node, node.inputs[1], 1)


def _inverted(facts: Facts, node: Node, key: int, sign: int) -> Iterator[tuple[Node, Node, LogScale]]:
    """An `exp` with a gradient, in which the policy that learns has this sign."""
    value = facts.through(key)
    if not facts.graph[key].type.is_live or not is_function(value, Function.EXP):
        return
    scale = facts.log_scales.get(facts.through(value.inputs[0]).key)
    if scale is None or not scale.is_ratio or not scale.is_of_one_text or not is_importance(scale, facts.root_model):
        return
    live = [part.weight for part in scale.parts if facts.graph[part.key].type.is_live and not part.is_frozen]
    if live and all(sign * weight > 0 for weight in live):
        yield node, value, scale
