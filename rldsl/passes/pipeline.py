"""The order of the passes, each with its reason, and the driver that runs them and verifies what each ensures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rldsl.graph.model import Function, Graph, Reduction
from rldsl.graph.show import show_graph
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.staged import StagedObjective
from rldsl.graph.verify import Phase, verify
from rldsl.infer import Builder
from rldsl.infer.agree import check_types
from rldsl.passes import couple, differentiate, expand, normalise, share, simplify, stage
from rldsl.passes.assemble import assemble
from rldsl.passes.draft import Draft
from rldsl.types import BATCH, Stage


@dataclass(frozen=True, slots=True)
class Pass:
    """One step: its name, what it does, the phase it leaves the graph in, why it stands where it stands."""

    name: str
    run: Callable[[Draft], Draft]
    ensures: Phase
    reason: str
    is_optional: bool = False


PASSES: tuple[Pass, ...] = (
    Pass("stage", stage.run, Phase.STAGED, "first: all that is known before the update leaves the graph"),
    Pass("expand", expand.run, Phase.EXPANDED, "derivatives are written for primitives alone"),
    Pass("simplify", simplify.run, Phase.EXPANDED, "each node less is a derivative less", True),
    Pass("share", share.run, Phase.EXPANDED, "adjoints meet at shared nodes", True),
    Pass("differentiate", differentiate.run, Phase.DIFFERENTIATED, "needs the whole loss, small"),
    Pass("simplify again", simplify.run, Phase.DIFFERENTIATED, "derivatives by rule are full of ones", True),
    Pass("share again", share.run, Phase.DIFFERENTIATED, "derivatives repeat what the loss computes", True),
    Pass("couple", couple.run, Phase.DIFFERENTIATED, "needs what the coefficients really depend on"),
    Pass("normalise", normalise.run, Phase.DIFFERENTIATED, "last: chooses among the nodes that are left"),
)


def compile_objective(spec: Spec, objective: ObjectiveSpec, *, optimise: bool = True) -> StagedObjective:
    """Stage one objective. Without `optimise` no pass that only makes it smaller is run: for tests."""
    draft = _draft(spec.graph, objective)
    for step in PASSES:
        if optimise or not step.is_optional:
            before, draft = draft, step.run(draft)
            if draft.graph is not before.graph:
                verify(draft.graph, step.ensures)
                check_types(draft.graph)
            _dump(step.name, draft)
    return assemble(draft)


def _draft(graph: Graph, objective: ObjectiveSpec) -> Draft:
    """The objective with its loss: the minimised terms less the maximised ones. A term that is absent adds nothing."""
    builder = Builder(graph, Stage.UPDATE)
    loss: int | None = None
    for term in objective.terms:
        part = builder.reduce(Reduction.SUM, term.key, BATCH, span=term.span)
        if loss is None:
            loss = builder.elementwise(Function.NEGATE, part, span=term.span) if term.maximize else part
        else:
            function = Function.SUBTRACT if term.maximize else Function.ADD
            loss = builder.elementwise(function, loss, part, span=term.span)
    values = tuple((f"objective/{term.label}", term.key) for term in objective.terms)
    draft = Draft(objective.name, objective.model, graph, builder.constant(0.0) if loss is None else loss, values)
    return Draft(draft.name, draft.model, builder.graph(draft.roots), draft.loss, draft.values)


def _dump(name: str, draft: Draft) -> None:
    """`RLDSL_DUMP=after:differentiate` shows the graph on standard error; `after:all` after each pass."""
    if os.environ.get("RLDSL_DUMP") in (f"after:{name}", "after:all"):
        sys.stderr.write(f"# after {name}\n{show_graph(draft.graph, draft.labelled_roots)}")
