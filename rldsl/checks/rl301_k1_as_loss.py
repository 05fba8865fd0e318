"""What: a term whose gradient by the policy's own log-probabilities is the same at every token it samples.

Why: over samples from the policy the average of `grad log p` is 0, so a term whose weight does not depend on the sample
moves nothing on average and adds noise. The estimator `k1` as a loss is the usual case: its value estimates the divergence,
its gradient does not know the reference at all.

Example: `minimize kl: 0.04 * mean(k1(actor, ref, y))`

Instead: `k2(actor, ref, y)`, whose gradient is that of KL(actor||ref), the exact `kl(actor, ref, y)`, or `k1` inside the
reward.

When this is wrong: the samples are not the policy's own. A `response` from the data is never reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import (
    Elementwise,
    Foreign,
    Function,
    Leaf,
    Node,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    SourceKind,
    Spread,
)
from rldsl.graph.spec import TermSpec
from rldsl.types import Version

CHECK = Check("RL301", "k1-as-loss", Severity.ERROR, "a term whose expected gradient is zero")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Terms that are linear in own log-probabilities with a weight that knows nothing of the sample."""
    for _, term in facts.terms():
        for node, read in facts.reads_of(term.key):
            if is_own(facts, read) and _is_flat(facts, term.key, node.key):
                yield _finding(facts, term, node)
                break


def is_own(facts: Facts, read: Read) -> bool:
    """Whether a read is the trained policy's log-probability of what it sampled itself."""
    response = facts.responses.get(read.response)
    return (read.kind is ReadKind.LOGP and read.version is Version.CURRENT and read.context is None and response is not None
            and response.is_sampled and facts.root_model(response.model) == facts.root_model(read.model))


def _is_flat(facts: Facts, root: int, read: int) -> bool:
    """Whether every path that a gradient takes from `root` to `read` is linear, with weights that are the same for all
    samples. What is frozen is no path: of `frozen(a - b) + b` the gradient is that of `b`."""
    on_path = {read}
    for node in facts.live_nodes_of(root):
        if any(entry in on_path for entry in node.inputs):
            on_path.add(node.key)
    for key in on_path - {read}:
        node = facts.graph[key]
        live = [place for place, entry in enumerate(node.inputs) if entry in on_path]
        if not _linear(facts, node, live):
            return False
    return root in on_path and root != read


def _linear(facts: Facts, node: Node, live: list[int]) -> bool:
    match node.operation:
        case Spread():
            return True
        case Reduce(reduction=Reduction.SUM | Reduction.MEAN, masked=masked):
            return live == [0] and not masked
        case Elementwise(function=Function.ADD | Function.SUBTRACT | Function.NEGATE):
            return True
        case Elementwise(function=Function.MULTIPLY):
            return len(live) == 1 and _is_blind(facts, node.inputs[1 - live[0]])
        case Elementwise(function=Function.DIVIDE):
            return live == [0] and _is_blind(facts, node.inputs[1])
        case _:
            return False


def _is_blind(facts: Facts, key: int) -> bool:
    """Whether a weight knows nothing of what was sampled."""
    return key not in facts.have_below(_sees)


def _sees(node: Node) -> bool:
    match node.operation:
        case Read() | Foreign():
            return True
        case Leaf(kind=kind):
            return kind in (SourceKind.RECORDED, SourceKind.DATA)
        case _:
            return False


def _finding(facts: Facts, term: TermSpec, node: Node) -> Diagnostic:
    references = [read for _, read in facts.reads_of(term.key) if read.version.is_reference]
    span = facts.span_of_use(term.key, node.key, term.span)
    if not references:
        return error("RL301", "this term's expected gradient is zero", span, "weighed the same at every token",
                     why="`log p` of the policy's own samples averages to a gradient of 0; only a weight that depends on the"
                         " sample, such as an advantage, makes it learn.",
                     fix="multiply it by an advantage, or use a `response` from the data")
    reference = facts.models.get(references[0].model)
    others = [Label(reference.span, "the reference it should pull towards")] if reference is not None else []
    name = references[0].model
    return error("RL301", "this KL term cannot pull the policy back", span, "as a loss, its expected gradient is zero",
                 others=others,
                 why="the gradient of `k1` averages to 0 over samples from the policy, whatever "
                     f"`{name}` is.",
                 fix=f"use `k2({node.operation.model}, {name}, {references[0].response})` here, or put `k1` into the reward"
                 if isinstance(node.operation, Read) else "")
