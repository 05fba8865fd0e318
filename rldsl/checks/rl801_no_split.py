"""What: a micro-batch that cuts through what an objective couples.

Why: the values of an answer, or of all answers to a prompt, meet before any gradient is known; half of them give
another gradient.

Example: `micro_batch: 1 samples` with a gradient through a leave-one-out baseline

Instead: `micro_batch: 1 prompts`, or no `micro_batch` at all.

When this is wrong: never; an objective that couples the whole batch, or multiplies vectors of it, is computed in two passes
and accepts every micro-batch.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.spec import Amount
from rldsl.graph.staged import StagedObjective
from rldsl.types import Level

CHECK = Check("RL801", "no-split", Severity.ERROR, "a micro-batch finer than the coupling level")

UNITS = {"tokens": Level.TOKEN, "samples": Level.SAMPLE, "prompts": Level.PROMPT, "rows": Level.PROMPT}


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Updates whose `micro_batch` counts something finer than the objective's coupling level."""
    for use in facts.updates:
        amount = dict(use.update.settings).get("micro_batch")
        objective = next((entry for entry in facts.spec.objectives if entry.name == use.update.objective), None)
        if not isinstance(amount, Amount) or objective is None:
            continue
        from rldsl.passes import compile_objective  # only where a micro-batch is written: `check` stays quick
        staged = compile_objective(facts.spec, objective)
        if staged.multiplies_vectors:
            continue  # computed twice, the first time without activations
        if staged.coupling is not Level.BATCH and UNITS[amount.unit] > staged.piece_axis.level:
            cause = _cause(facts, staged)
            yield error("RL801", "this objective cannot be cut there", use.update.span, f"cut into {amount.unit}",
                        others=[cause] if cause is not None else [],
                        why=f"its values meet per {staged.coupling.word} before any gradient is known.",
                        fix=f"`micro_batch: {max(1, int(amount.number))} {_word(staged.piece_axis.level)}`")


def _word(level: Level) -> str:
    return "samples" if level is Level.SAMPLE else "prompts"


def _cause(facts: Facts, staged: StagedObjective) -> Label | None:
    node = staged.graph.by_key.get(staged.blocker) if staged.blocker is not None else None
    return Label(node.span, "here they meet") if node is not None and node.span is not None else None
