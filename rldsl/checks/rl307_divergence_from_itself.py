"""What: a divergence or a log-ratio of a model and itself, under the same weights.

Why: both sides are one value, so it is 0 at every token and its gradient is 0: the term trains nothing, the ratio is always 1.

Example: `minimize kl: 0.1 * mean(kl(actor, actor, y))`, `mean(k3(actor, actor, y))`, `exp(logp(actor, y) - logp(actor, y))`

Instead: another model, `policy ref = frozen(actor)` and `kl(actor, ref, y)`; for a ratio what the sampler recorded,
`exp(logp(actor, y) - y.logp)`.

The same model at another time (`frozen(actor)`, `ema`, `stored`, `y.logp`, `logp(actor, y)` at the top level), after another
prompt, or with its gradient stopped (`logp(actor, y) - frozen(logp(actor, y))`, which is 0 and has a gradient) is another value,
and is not reported.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Function, Node, Read
from rldsl.source import Span
from rldsl.types import LogProbability, Version

CHECK = Check("RL307", "divergence-from-itself", Severity.ERROR, "a divergence or log-ratio of a model and itself")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Exact divergences of one read, and differences of log-probabilities in which everything cancels; once a place."""
    seen: set[Span] = set()
    for node in facts.graph.nodes:
        if node.span is None or node.span in seen:
            continue
        match node.operation:
            case Read() as read if read.other == read.model and read.other_version is read.version:
                seen.add(node.span)
                yield _of_read(facts, read, node.span)
            case _ if (scored := _cancelled(facts, node)) is not None:
                seen.add(node.span)
                yield _of_difference(facts, node, scored, node.span)


def _cancelled(facts: Facts, node: Node) -> LogProbability | None:
    """What is subtracted from itself, if nothing else is left of a sum."""
    scale = facts.log_scales.get(node.key)
    if scale is None or not scale.cancels or not is_function(node, Function.ADD, Function.SUBTRACT):
        return None
    before = facts.log_scales[node.inputs[0]]
    return None if before.cancels else before.parts[0].of


def _of_read(facts: Facts, read: Read, span: Span) -> Diagnostic:
    form = f"{read.kind.value}({read.model}, {{}}, {read.response})"
    return error("RL307", f"a divergence of `{read.model[:24]}` from itself", span, "both sides are the same weights",
                 why="it is 0 at every token, and so is its gradient: nothing is learned from it.",
                 fix=_against_another(facts, read.model, form))


def _of_difference(facts: Facts, node: Node, scored: LogProbability, span: Span) -> Diagnostic:
    """Of log-probabilities: a ratio, or a divergence that is estimated from them."""
    form = _form(facts, node, scored)
    fix = _against_another(facts, scored.model, form)
    response = facts.responses.get(scored.response)
    if "logp(" in form and response is not None and response.is_sampled and scored.version is not Version.SAMPLER:
        fix += f"; for a ratio `logp({scored.model}, {scored.response}) - {scored.response}.logp`"
    return error("RL307", f"log-probabilities of `{scored.model[:20]}` less themselves", span, "both sides are the same value",
                 why="the difference is 0 at every token, and so is its gradient: a divergence made of it trains nothing, a ratio "
                     "is always 1.", fix=fix)


def _form(facts: Facts, node: Node, scored: LogProbability) -> str:
    """As it is written, with a place for another model where this one is named last."""
    before, name, after = facts.text_at(node.key).rpartition(scored.model)
    if name and scored.model in before:
        return f"{before}{{}}{after}"
    return f"logp({scored.model}, {scored.response}) - logp({{}}, {scored.response})"


def _against_another(facts: Facts, model: str, form: str) -> str:
    """The form with a frozen model of the spec, or with one to declare."""
    known = next((entry.name for entry in facts.spec.models if entry.base == model and not entry.shares_weights), None)
    written = form.replace("{}", known or "ref")
    return f"`{written}`" if known is not None else f"`policy ref = frozen({model})`, and `{written}`"
