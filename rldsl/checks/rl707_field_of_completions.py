"""What: a run draws completions, and reads a field that belongs to those of a file.

Why: a field that is declared `@ sample` (a label, a grade) has a value for each completion that stands in the file. A completion
that a policy writes in training is none of them, and has no such value.

Example: `data graded from jsonl("…") { question: Text  label: Bool @ sample }` with `rollout y ~ actor(graded.question)`,
`reward agrees = where(y.label, right, 1 - right)` and a `train` block

Instead: score the spec without its `train` block (`rldsl score`); train on completions of the data, a row for each
(`response w = graded.completion given graded.question`: `w.label`), or on a reward that the text decides.

When this is wrong: never; there is no such value to read.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Leaf, SourceKind

CHECK = Check("RL707", "field-of-completions", Severity.ERROR, "a label of a file's completions in a run that draws its own")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Fields `@ sample` that are read of rollouts, in a spec that trains."""
    if not facts.spec.train:
        return
    responses = {entry.name: entry for entry in facts.spec.responses}
    declared = {(data.axis, field.name): field for data in facts.spec.data for field in data.fields if field.each}
    for node in facts.spec.graph.nodes:
        match node.operation:
            case Leaf(kind=SourceKind.RECORDED, owner=owner, field=name) if node.span is not None and \
                    (responses[owner].prompt_axis, name) in declared:
                yield error("RL707", "a completion that is drawn has no label", node.span, f"`{owner}.{name}`"[:40],
                            others=[Label(declared[responses[owner].prompt_axis, name].span, "of each completion in the file"),
                                    Label(responses[owner].span, "drawn here")],
                            why=f"`{name}` was written beside completions of the file; those of a run are new.",
                            fix=f"score it without `train`, or train on given ones: `response w = …`, `w.{name}`")
            case _:
                pass
