"""What: the same reference is used in the reward that makes the advantage and in a term of the objective.

Why: the policy is held back twice, by two coefficients that are tuned as if they were one.

Example: `total - 0.05 * sum(k1(actor, ref, y), per: sample)` and `minimize kl: mean(k3(actor, ref, y))`

Instead: keep one of them.

When this is wrong: where both are meant, with coefficients chosen together.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.graph.spec import ObjectiveSpec
from rldsl.types import LogRatio, Version

CHECK = Check("RL304", "kl-twice", Severity.WARNING, "a KL penalty in the reward and in the objective")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Objectives with a live divergence from a reference that their frozen inputs were already compared with."""
    for objective in facts.spec.objectives:
        before = _references_before(facts, objective)
        for term in objective.terms:
            for node in facts.live_nodes_of(term.key):
                provenance = node.type.provenance
                if isinstance(provenance, LogRatio) and provenance.denominator.version.is_reference \
                        and provenance.denominator.model in before:
                    yield warning("RL304", "the KL penalty is applied twice", facts.span_of_use(term.key, node.key, term.span),
                                  "the second penalty",
                                  others=[Label(facts.span(before[provenance.denominator.model], term.span),
                                                "the first, in the reward")],
                                  why=f"both hold the policy to `{provenance.denominator.model}`.", fix="keep one of them")
                    return


def _references_before(facts: Facts, objective: ObjectiveSpec) -> dict[str, int]:
    found = {}
    for term in objective.terms:
        for node in facts.nodes_of(term.key):
            match node.type.provenance:
                case LogRatio(numerator=top, denominator=below) if top.version is Version.ITERATION and below.version.is_reference:
                    found[below.model] = node.key
                case _:
                    pass
    return found
