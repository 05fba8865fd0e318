"""What: a preference loss whose margin averages over tokens, with a beta that is usual for sums.

Why: averaging divides the margin by the length: with beta 0.1 and 200 tokens the loss hardly leaves ln 2.

Example: `-log_sigmoid(0.1 * (mean(logp(actor, win) - logp(ref, win), per: sample) - …))`

Instead: `sum(…, per: sample)`, or a beta chosen for means (2 to 10, as in SimPO).

When this is wrong: where beta was chosen for means; values from 1 up are not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Function, Node, Reduction
from rldsl.types import Level, LogProbability, LogRatio

CHECK = Check("RL706", "mean-logp-dpo", Severity.WARNING, "a preference margin of means with a beta for sums")

FOR_SUMS = 0.5


def run(facts: Facts) -> Iterator[Diagnostic]:
    """`log_sigmoid` of a small constant times a difference of means of log-ratios."""
    for _, term in facts.terms():
        for node in facts.live_nodes_of(term.key):
            if is_function(node, Function.LOG_SIGMOID) and (mean := _mean(facts, facts.through(node.inputs[0]))) is not None:
                yield warning("RL706", "the margin shrinks with answer length", facts.span(mean, term.span),
                              "a mean over tokens", why="with a beta for sums the loss hardly leaves ln 2.",
                              fix="`sum(…, per: sample)`, or a beta of 2 to 10")
                break


def _mean(facts: Facts, scaled: Node) -> int | None:
    if not is_function(scaled, Function.MULTIPLY):
        return None
    beta = next((number for entry in scaled.inputs if (number := facts.constant(entry)) is not None), None)
    if beta is None or abs(beta) > FOR_SUMS:
        return None
    for node in facts.live_nodes_of(scaled.key):
        if is_reduction(node, Reduction.MEAN) and _is_of_tokens(facts.graph[node.inputs[0]]):
            return node.key
    return None


def _is_of_tokens(node: Node) -> bool:
    """Whether a value is a log-probability at each token; a sum over an answer, chosen out of a group by a mean, is none."""
    return node.type.axis.level is Level.TOKEN and isinstance(node.type.provenance, (LogProbability, LogRatio))
