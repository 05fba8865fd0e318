"""What: log-probabilities under two temperatures are compared.

Why: a ratio of them is not 1 for an unchanged policy, and a divergence of them is not 0: the sampler's distribution
is another one than the scored one.

Example: `temperature: 0.6` in the rollout and `logp(actor, y) - y.logp`

Instead: `logp(actor, y, temperature: 0.6)`, for the reference and the entropy too.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.types import LogProbability, LogRatio, format_number

CHECK = Check("RL406", "temperature", Severity.ERROR, "sampled at one temperature, scored at another")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Differences of log-probabilities whose temperatures differ."""
    seen: set[tuple[float, float, str]] = set()
    for node in facts.graph.nodes:
        provenance = node.type.provenance
        if not isinstance(provenance, LogRatio) or node.span is None:
            continue
        top, below = provenance.numerator, provenance.denominator
        mark = (top.temperature, below.temperature, top.response)
        if top.temperature != below.temperature and mark not in seen:
            seen.add(mark)
            yield error("RL406", "log-probabilities are for another temperature", node.span,
                        f"{format_number(top.temperature)} against {format_number(below.temperature)}",
                        others=[Label(facts.responses[top.response].span, "sampled here")],
                        why="for an unchanged policy this is not 0.", fix=_fix(top, below))


def _fix(top: LogProbability, below: LogProbability) -> str:
    sampled = below if below.version.value == "sampler" else top
    other = top if sampled is below else below
    return f"`logp({other.model}, {other.response}, temperature: {format_number(sampled.temperature)})`"
