"""The whole explanation of a spec: equations, what each model reads, coupling and what it implies, kernels and cost."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Any

from rldsl.canonical.uses import LibraryUses
from rldsl.explain.cost import Cost, cost_of
from rldsl.explain.equation import Equation, Style, equation_of
from rldsl.explain.followers import follower_lines
from rldsl.explain.rubrics import rubric_lines
from rldsl.graph.model import Constant, Graph, Leaf, Node
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.staged import StagedObjective
from rldsl.passes import compile_objective
from rldsl.types import Level, Stage

STAGES = {Stage.CONSTANT: "constant", Stage.DATA: "data", Stage.ROLLOUT: "rollout", Stage.REWARD: "reward",
          Stage.STATISTICS: "iteration", Stage.OBJECTIVE: "objective", Stage.UPDATE: "update"}
COUPLING = {
    Level.TOKEN: "every token's gradient is known from its own row: read, combine and write are one sweep, a micro-batch "
                 "may be any set of tokens, and data-parallel ranks need to share nothing but the normalisers",
    Level.STEP: "the tokens of a step meet before their gradients are known: a micro-batch holds whole answers",
    Level.TURN: "the tokens of a turn meet before their gradients are known: a micro-batch holds whole turns",
    Level.SAMPLE: "the tokens of an answer meet before their gradients are known: a micro-batch holds whole answers",
    Level.PROMPT: "the answers to a prompt meet before their gradients are known: a micro-batch holds whole prompts",
    Level.BATCH: "the whole update batch meets before any gradient is known: a split batch takes two passes, the first of "
                 "which only reads",
}
VECTORS = "vectors of the whole update batch are multiplied: it is computed at once, and never split"


def text(spec: Spec) -> str:
    """The explanation, for people. `uses` names the imported functions, each with the hash of what it means."""
    parts = [f"{spec.source.name}  sha256 {spec.source.digest[:16]}"]
    if followers := follower_lines(spec):
        parts.append("models that follow\n" + indent("\n".join(followers), "  "))
    if rubrics := rubric_lines(spec):
        parts.append("rubrics\n" + indent("\n".join(rubrics), "  "))
    if spec.rewards:
        parts.append("rewards\n" + indent(_table(_value_lines(spec.graph, [(entry.name, entry.key) for entry in spec.rewards])),
                                          "  "))
    uses = LibraryUses(spec)
    parts += [_objective(spec, objective, uses) for objective in spec.objectives]
    return "\n\n".join(parts)


def _objective(spec: Spec, objective: ObjectiveSpec, uses: LibraryUses) -> str:
    staged = compile_objective(spec, objective)
    lines = [f"objective {objective.name} for {objective.model}", ""]
    definitions: dict[str, str] = {}
    for term in objective.terms:
        equation = equation_of(spec.graph, term.label, term.key, Style.TEXT)
        lines.append(f"  {'maximize' if term.maximize else 'minimize'} {equation.left} = {equation.right}")
        definitions |= dict(equation.definitions)
    lines += ["", *(f"    {name} = {right}" for name, right in definitions.items()), ""]
    used = [f"  uses {entry.name} {entry.short}" for entry in uses.of(objective)]
    lines += [*used, ""] if used else []
    named = [(entry.name, entry.key) for entry in objective.lets]
    named += [(term.label, term.key) for term in objective.terms]
    lines.append(indent(_table(_value_lines(spec.graph, named)), "  "))
    meaning = VECTORS if staged.multiplies_vectors else COUPLING[staged.coupling]
    lines += ["", f"  coupling level: {staged.coupling.word}", f"    {meaning}."]
    if staged.blocker is not None and staged.blocker in staged.graph.by_key:
        lines.append(f"    what couples: {_shown(staged.graph, staged.blocker)}")
    lines += ["", *_kernel_lines(spec, staged)]
    return "\n".join(lines)


def _shown(graph: Graph, key: int) -> str:
    return equation_of(graph, "", key, Style.TEXT).right


def _kernel_lines(spec: Spec, staged: StagedObjective) -> Iterator[str]:
    yield "  computed once for each update, over its whole batch:"
    prepared = [f"    {name}" for name in _prepared_names(staged)]
    yield from prepared or ["    nothing"]
    yield "  kernels, per token of the vocabulary rows (T tokens, H hidden, V vocabulary):"
    for cost in cost_of(spec, staged):
        yield from (f"    {line}" for line in _cost_lines(cost))
    for read in staged.direct:
        yield f"    {read.read.kind.value} of {read.read.model}: one number for each `{read.axis}`, no vocabulary"


def _prepared_names(staged: StagedObjective) -> list[str]:
    return [f"{_shown(staged.graph, key)} : {staged.graph[key].type}" for key in staged.prepared]


def _cost_lines(cost: Cost) -> Iterator[str]:
    yield f"{cost.model} on {cost.response}: reads {', '.join(cost.reads)}"
    yield f"  schedule: {cost.schedule}"
    yield f"  FLOPs: {cost.gemm_passes} T H V{cost.numbers}"
    yield f"  bytes over the logits: {cost.logit_passes} passes of 4 T V, in place; beside gradients one chunk is kept"


# ------------------------------------------------------------------ values
def values(spec: Spec) -> str:
    """Every value of the graph: its type, binding time and liveness."""
    from rldsl.graph.show import show_graph
    roots = [(entry.name, entry.key) for entry in (*spec.rewards, *spec.lets)]
    roots += [(f"{objective.name}/{entry.label}", entry.key) for objective in spec.objectives for entry in objective.terms]
    return show_graph(spec.graph, roots)


def _value_lines(graph: Graph, named: list[tuple[str, int]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("value", "type", "known at", "gradient")]
    for name, key in named:
        node = graph[key]
        rows.append((name, str(node.type), STAGES[node.type.stage], _liveness(node)))
    return rows


def _liveness(node: Node) -> str:
    return f"live in {', '.join(sorted(node.type.live))}" if node.type.is_live else "frozen"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


# ------------------------------------------------------------------ other forms
def latex(spec: Spec) -> str:
    """The equations of all objectives, as a LaTeX `align*` each."""
    blocks = []
    for objective in spec.objectives:
        lines: list[str] = []
        definitions: dict[str, str] = {}
        for term in objective.terms:
            equation = equation_of(spec.graph, term.label, term.key, Style.LATEX)
            sign = "\\max" if term.maximize else "\\min"
            lines.append(f"{sign}\\; \\mathrm{{{term.label.replace('_', chr(92) + '_')}}} &= {equation.right}")
            definitions |= dict(equation.definitions)
        lines += [f"{left} &= {right}" for left, right in definitions.items()]
        blocks.append("\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}")
    return "\n\n".join(blocks)


def as_document(spec: Spec) -> dict[str, Any]:
    """The explanation as plain data; kept in run folders as `explain.json`."""
    uses = LibraryUses(spec)
    return {"spec": spec.source.name, "sha256": spec.source.digest,
            "objectives": [_objective_document(spec, objective, uses) for objective in spec.objectives]}


def _objective_document(spec: Spec, objective: ObjectiveSpec, uses: LibraryUses) -> dict[str, Any]:
    staged = compile_objective(spec, objective)
    return {
        "name": objective.name, "model": objective.model, "coupling": staged.coupling.word,
        "pieces": staged.piece_axis.name,
        "terms": [{"label": term.label, "direction": "maximize" if term.maximize else "minimize",
                   "text": _equation(equation_of(spec.graph, term.label, term.key, Style.TEXT)),
                   "latex": _equation(equation_of(spec.graph, term.label, term.key, Style.LATEX)),
                   "type": str(spec.graph[term.key].type)} for term in objective.terms],
        "uses": [{"name": entry.name, "sha256": entry.digest} for entry in uses.of(objective)],
        "kernels": [{"model": cost.model, "response": cost.response, "reads": list(cost.reads), "schedule": cost.schedule,
                     "gemm_passes": cost.gemm_passes} for cost in cost_of(spec, staged)],
    }


def _equation(equation: Equation) -> dict[str, Any]:
    return {"equation": equation.right, "definitions": dict(equation.definitions)}


def constants(graph: Graph) -> Iterator[Node]:
    """Leaves that do not change, for drawings."""
    return (node for node in graph.nodes if isinstance(node.operation, (Constant, Leaf)))
