"""Values that the field has a name for: estimators of a divergence, baselines of a group. Recognised by what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rldsl.canonical import polynomial as poly
from rldsl.canonical.functions import function_of
from rldsl.canonical.polynomial import ONE, Atom, Polynomial
from rldsl.canonical.reductions import Span, reduced
from rldsl.difference.model import Change
from rldsl.difference.phrases import per
from rldsl.difference.side import Ref, Side
from rldsl.graph.model import Function, Read, ReadKind, Reduce, Reduction
from rldsl.graph.order import ancestors

MOST_ADDENDS = 8
MOST_GROUPS = 8


def recognised(before: Side, after: Side, first: Ref, second: Ref) -> list[Change]:
    """One change, where both values have names."""
    for names in (estimators, baselines):
        found = names(before, first), names(after, second)
        if found[0] and found[1] and found[0] != found[1]:
            return [Change(f"{found[0]} → {found[1]}", before.equation(first), after.equation(second))]
    return []


# ------------------------------------------------------------------ divergences
def estimators(side: Side, ref: Ref) -> str:
    """`estimator k3` of two log-probabilities, or `exact KL`; empty where it is none."""
    operation = side.node(side.bare(ref)).operation
    if isinstance(operation, Read) and operation.kind in (ReadKind.KL, ReadKind.JS, ReadKind.TV):
        return f"exact {operation.kind.value.upper()}"
    value = side.of(ref)
    logs = _log_probabilities(value) if len(value.addends) <= MOST_ADDENDS else []
    for first in logs:
        for second in logs:
            difference = poly.subtract(poly.of_atom(first), poly.of_atom(second))
            for name, estimate in _estimates(difference):
                if first != second and estimate == value:
                    return f"estimator {name}"
    return ""


def _estimates(log_ratio: Polynomial) -> Iterator[tuple[str, Polynomial]]:
    """Schulman 2020, "Approximating KL Divergence", of `log p - log q` over samples from p."""
    yield "k1", log_ratio
    yield "k2", poly.scale(poly.power(log_ratio, 2), Fraction(1, 2))
    inverse = poly.exponential(poly.scale(log_ratio, Fraction(-1)))
    yield "k3", poly.subtract(poly.add(inverse, log_ratio), ONE)
    yield "|k1|", function_of(Function.ABSOLUTE, [log_ratio])
    yield "k1 squared", poly.power(log_ratio, 2)


def _log_probabilities(value: Polynomial) -> list[Atom]:
    """The log-probabilities that a value is made of, each once, in a fixed order."""
    found: dict[str, Atom] = {}
    waiting, seen = [value], set[str]()
    while waiting:
        current = waiting.pop()
        if current.digest in seen:
            continue
        seen.add(current.digest)
        for atom in current.atoms:
            if _is_log_probability(atom):
                found[atom.digest] = atom
            waiting.extend(atom.parts)
    return [found[digest] for digest in sorted(found)][:MOST_ADDENDS]


def _is_log_probability(atom: Atom) -> bool:
    return (atom.head[0] == "read" and "kind=ReadKind logp" in atom.head) or \
        (atom.head[0] == "recorded" and atom.head[2] == "logp")


# ------------------------------------------------------------------ baselines
def baselines(side: Side, ref: Ref) -> str:
    """`the mean of the group` or `the mean of the others of the group`; empty where it is neither."""
    value = side.of(ref)
    for x, span in _grouped(side, ref):
        if value == reduced(Reduction.MEAN, x, span, None, False):
            return f"baseline: the mean {per(span.end)}"
        if value == _of_others(x, span):
            return f"baseline: the mean of the others {per(span.end)}"
    return ""


def _of_others(x: Polynomial, span: Span) -> Polynomial:
    """`(sum - x) / (n - 1)`, absent in a group of one."""
    number = reduced(Reduction.COUNT, x, span, None, False)
    others = poly.subtract(reduced(Reduction.SUM, x, span, None, False), x)
    others = poly.multiply(others, poly.inverse(poly.subtract(number, ONE)))
    several = function_of(Function.GREATER, [number, ONE])
    return function_of(Function.SELECT, [several, others, poly.number(float("nan"))])


def _grouped(side: Side, ref: Ref) -> Iterator[tuple[Polynomial, Span]]:
    """What is summed or averaged within a value, and over which groups; the outermost first."""
    bare = side.bare(ref)
    needed = ancestors(side.graph, [bare.key])
    nodes = [node for node in reversed(side.graph.nodes) if node.key in needed and isinstance(node.operation, Reduce)]
    for node in nodes[:MOST_GROUPS]:
        match node.operation:
            case Reduce(reduction=Reduction.SUM | Reduction.MEAN, to=end, masked=False):
                start = side.graph[node.inputs[0]].type.axis
                names = {axis: side.names.axis(axis) for above in (start, end) for axis in above.chain()}
                yield side.of(Ref(node.inputs[0], bare.frozen)), Span(start, end, names)
            case _:
                pass
