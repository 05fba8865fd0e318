"""What: log-probabilities over all tokens are held against some over those that could be drawn.

Why: the sampler renormalised over the tokens it kept (`top_p`, `top_k`, `within`), the other side does not: the ratio is off
by the mass that was cut.

Example: `top_p: 0.9` in the rollout and `logp(actor, y) - y.logp`

Instead: `logp(actor, y, within: y.support)` reads over the same tokens; or `top_p: 1` and `top_k: 0`.

When this is wrong: where the cut mass is tiny and the bias accepted.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.types import LogProbability, LogRatio, Version

CHECK = Check("RL407", "truncated-support", Severity.WARNING, "a ratio of two different supports")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Log-ratios of one side that was cut and one that was not, once for each rollout and pair of models."""
    seen: set[tuple[str, str, str]] = set()
    for node in facts.graph.nodes:
        match node.type.provenance:
            case LogRatio(numerator=above, denominator=below) if _differ(above, below) and node.span is not None:
                mark = (below.response, above.model, below.model)
                if mark not in seen:
                    seen.add(mark)
                    cut, whole = (above, below) if above.within else (below, above)
                    yield warning("RL407", "the ratio is off by the mass that was cut", node.span,
                                  "two different sets of tokens",
                                  others=[Label(facts.responses[below.response].span, "cut here")],
                                  why=f"one side is over the tokens that `{cut.response}` could be drawn from, the other over all.",
                                  fix=_fix(whole))
            case _:
                pass


def _differ(above: LogProbability, below: LogProbability) -> bool:
    """`min_tokens` alone, which cuts the ends of the first tokens, is no such difference."""
    return above.within != below.within and (above.truncates or below.truncates)


def _fix(whole: LogProbability) -> str:
    if whole.version is Version.SAMPLER:
        return "leave `within:` out of the other one"
    return f"`logp({whole.model}, {whole.response}, within: {whole.response}.support)`"
