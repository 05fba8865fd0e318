"""What: the reference of a divergence shares the weights that are being trained.

Why: it moves with the policy. The divergence stays near zero whatever the policy does, and its gradient flows into both
sides.

Example: `policy ref = actor with { system: "…" }` and `minimize kl: mean(kl(actor, ref, y))`

Instead: `policy ref = frozen(actor)`, the weights as they are when training starts; or one that follows at a distance,
`ema(actor, rate: 0.01)`, `stored(actor, lag: 1)`.

When this is wrong: where two roles of one policy are meant to agree (consistency), which is no reference.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Read
from rldsl.types import LogRatio, Version

CHECK = Check("RL202", "trainable-reference", Severity.ERROR, "a reference that shares the trained weights")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Divergences and log-ratios between two names of the same trained weights."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            pair = _pair(node.operation, node.type.provenance)
            if pair is not None and pair[0] != pair[1] and facts.root_model(pair[0]) == facts.root_model(pair[1]):
                shared = next(name for name in reversed(pair) if facts.models[name].shares_weights)
                yield error("RL202", "the reference moves with the policy", facts.span(node.key, term.span),
                            f"`{shared}` has the trained weights"[:40],
                            others=[Label(facts.models[shared].span, "declared as another role, not a snapshot")],
                            why=f"`{pair[0]}` and `{pair[1]}` are the same weights, so this pulls towards nothing.",
                            fix=f"`policy {shared} = frozen({facts.root_model(shared)})`")
                break


def _pair(operation: object, provenance: object) -> tuple[str, str] | None:
    match operation, provenance:
        case Read(model=model, other=str() as other, version=Version.CURRENT, other_version=Version.CURRENT), _:
            return model, other
        case _, LogRatio(numerator=top, denominator=below) if top.version is below.version is Version.CURRENT:
            return top.model, below.model
        case _:
            return None
