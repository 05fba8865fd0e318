"""What: what is held to bounds around 1 is no ratio: a log-ratio whose `exp` is missing, a log-probability, or a probability.

Why: the ratio of an unchanged policy is 1, its logarithm 0. No log-ratio lies within `0.8 .. 1.2` until the policy has moved far:
clipped it is 0.8, and has no gradient. A probability is at most 1, and that of most tokens far below.

Example: `let r = logp(actor, y) - y.logp` and `clipped(r, advantage, 0.8 .. 1.2)`; `mean(logp(actor, y) - y.logp, per: sample)`
likewise; `clip(exp(logp(actor, y)), 0.8 .. 1.2)`

Instead: `exp(logp(actor, y) - y.logp)`, `exp(mean(logp(actor, y) - y.logp, per: sample))`.

Found along the graph, whatever the names: sums, differences, means and multiples of log-probabilities that cancel where the
policy is unchanged; clips, `min` with `max`, comparisons with two bounds, and the gate `sigmoid(t * (r - 1))`. Bounds that are not
wholly above 0 are not reported, nor frozen logarithms that compare two models: they are no importance ratios.

When this is wrong: where a log-ratio is meant to be cut far from 0; write where it starts, `clip(log_ratio - 0.5, 0 .. 1.5)` for
`0.5 .. 2`, which has the same gradient. A bound of the ratio on its logarithm is `clip(log_ratio, log(0.8) .. log(1.2))`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.bounded import Bounded, bounded_values
from rldsl.checks.facts import Facts, is_function
from rldsl.checks.log_scale import LogScale, is_importance
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Function, Node
from rldsl.source import Span
from rldsl.types import format_number

CHECK = Check("RL408", "not-a-ratio", Severity.ERROR, "bounds of a ratio on what is no ratio")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Values of log scale, and probabilities, that are held to an interval above 0 around 1; once a place."""
    seen: set[Span] = set()
    for place in bounded_values(facts):
        if place.node.span is None or place.node.span in seen:
            continue
        finding = _finding(facts, place, place.node.span)
        if finding is not None:
            seen.add(place.node.span)
            yield finding


def _finding(facts: Facts, place: Bounded, span: Span) -> Diagnostic | None:
    """A ratio of 1 lies within the bounds, and its logarithm does not."""
    if not 0 < place.low <= 1 <= place.high:
        return None
    value = facts.through(place.key)
    scale = facts.log_scales.get(value.key)
    if scale is not None and not scale.cancels:
        return _of_logarithm(facts, place, value, scale, span)
    if is_function(value, Function.EXP) and place.low < 1 < place.high:
        inside = facts.log_scales.get(facts.through(value.inputs[0]).key)
        if inside is not None and not inside.cancels and not inside.is_ratio and value.type.interval.high <= 1:
            return _of_probability(facts, place, value, inside, span)
    return None


def _of_logarithm(facts: Facts, place: Bounded, value: Node, scale: LogScale, span: Span) -> Diagnostic | None:
    """A log-ratio whose gradient is cut, or that compares a policy with itself; a log-probability below all bounds."""
    is_own = is_importance(scale, facts.root_model)
    if scale.is_ratio and scale.is_of_one_text and (is_own or (value.type.is_live and place.cuts)):
        return _of_ratio(facts, place, value, span, "the policy is unchanged" if is_own else "the policies agree")
    if not scale.is_ratio and not place.is_gate and value.type.interval.high <= 0:
        return error("RL408", "a log-probability is used as a ratio", span, "it is never above 0",
                     others=[Label(facts.span(value.key, span), "at most 0")],
                     why=f"a log-probability is at most 0, so nothing of it lies within {_shown(place)}.",
                     fix=ratio_of(facts, scale))
    return None


def _of_ratio(facts: Facts, place: Bounded, value: Node, span: Span, where: str) -> Diagnostic:
    why = "and the gate stands around 1." if place.is_gate else \
        f"outside of {_shown(place)}: nothing lies within the bounds until the policy has moved far."
    return error("RL408", "a log-ratio is used as a ratio", span, "`exp` is missing",
                 others=[Label(facts.span(value.key, span), f"0 where {where}")],
                 why=f"where {where} it is 0, {why}", fix=f"`exp({facts.text_at(value.key) or '…'})`")


def _of_probability(facts: Facts, place: Bounded, value: Node, scale: LogScale, span: Span) -> Diagnostic:
    return error("RL408", "a probability is used as a ratio", span, f"the bounds are {_shown(place)}"[:40],
                 others=[Label(facts.span(value.key, span), "at most 1, and mostly far below")],
                 why="a ratio is a probability over that of the policy that wrote the text: 1 where that policy is unchanged.",
                 fix=ratio_of(facts, scale))


def _shown(place: Bounded) -> str:
    return f"{format_number(place.low)} .. {format_number(place.high)}"


def ratio_of(facts: Facts, scale: LogScale) -> str:
    """The importance ratio of the text that is scored."""
    scored = scale.parts[0].of
    response = facts.responses.get(scored.response)
    if response is not None and response.is_sampled:
        return f"`exp(logp({facts.root_model(scored.model)}, {scored.response}) - {scored.response}.logp)`"
    return f"`exp(logp({scored.model}, {scored.response}) - logp(ref, {scored.response}))`, `ref` being who wrote it"
