"""What a function of one log-ratio measures, and what it follows as a loss: found by its values, however it is written.

With `d = log p - log q` at tokens that p sampled, g(d) estimates `E_p[g]`, and as a loss moves by `E_p[g'(d) grad log p]` on
average. Estimators of one divergence may differ by a multiple of `q/p - 1`, whose mean is 0; losses of one divergence may
differ by a constant in their slope, since `E_p[grad log p]` is 0. What is left is told apart here:

- the alpha divergence of order a has `exp((a - 1) d)` as value and as slope; KL(p||q) and KL(q||p) are its orders 1 and 0;
- total variation and Jensen-Shannon (with a weight that the expression names) by comparison.

Nothing is reported here, and nothing is known of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rldsl.graph.model import Elementwise, Freeze, Graph, Node, Read, ReadKind, Spread
from rldsl.infer.scalar import evaluate
from rldsl.types import Version, format_number

STEP = 0.5
RATIOS = tuple(STEP * place for place in range(-3, 4))
BASES = (-2.1, -3.4, -2.6, -3.9, -2.2, -3.1, -2.9)  # of log q, in no order: what depends on more than d fits nothing
NUDGE = 1e-4
MOST_CURVES = 5_000
MOST_WEIGHTS = 4
EXACT, NEAR = 1e-9, 1e-5  # of values; of slopes, which are central differences

Values: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A node at all ratios: as it is, and with log p a little higher and lower where a gradient would flow."""

    still: Values
    higher: Values
    lower: Values
    current: frozenset[int] = frozenset()
    frozen: frozenset[int] = frozenset()
    weights: frozenset[float] = frozenset()

    @property
    def slopes(self) -> Values:
        """The derivative by log p."""
        return tuple((up - down) / (2 * NUDGE) for up, down in zip(self.higher, self.lower, strict=True))


@dataclass(frozen=True, slots=True)
class Estimator:
    """`value` and `slope` name the divergence that is measured and the one that is followed as a loss, where there is one.
    A flat slope follows nothing. `is_distance`: 0 where the policies agree, and above 0 elsewhere."""

    value: str | None
    slope: str | None
    is_flat: bool
    is_distance: bool


def curves_of(graph: Graph, constant: Callable[[int], float | None]) -> dict[int, Curve]:
    """The nodes that depend on nothing but one current and one frozen log-probability, with their values."""
    found: dict[int, Curve] = {}
    for node in graph.nodes:
        if len(found) >= MOST_CURVES:
            break
        curve = _curve(node, found, constant)
        if curve is not None:
            found[node.key] = curve
    return found


def _curve(node: Node, known: dict[int, Curve], constant: Callable[[int], float | None]) -> Curve | None:
    match node.operation:
        case Read(kind=ReadKind.LOGP, version=Version.CURRENT):
            still = tuple(base + ratio for base, ratio in zip(BASES, RATIOS, strict=True))
            return Curve(still, tuple(value + NUDGE for value in still), tuple(value - NUDGE for value in still),
                         current=frozenset({node.key}))
        case Read(kind=ReadKind.LOGP, version=version) if version.is_reference:
            return Curve(BASES, BASES, BASES, frozen=frozenset({node.key}))
        case Spread() | Freeze() | Elementwise() if node.inputs and all(key in known for key in node.inputs):
            return _combined(node, [known[key] for key in node.inputs])
        case _:
            value = constant(node.key)
            return None if value is None else _level(value)


def _level(value: float) -> Curve:
    values = (value,) * len(RATIOS)
    return Curve(values, values, values, weights=frozenset({value}) if 0 < value < 1 else frozenset())


def _combined(node: Node, inputs: Sequence[Curve]) -> Curve | None:
    current = frozenset(key for curve in inputs for key in curve.current)
    frozen = frozenset(key for curve in inputs for key in curve.frozen)
    if len(current) > 1 or len(frozen) > 1:
        return None
    weights = frozenset(sorted({weight for curve in inputs for weight in curve.weights})[:MOST_WEIGHTS])
    match node.operation:
        case Elementwise(function=function):
            still, higher, lower = (tuple(evaluate(function, *place) for place in zip(*parts, strict=True))
                                    for parts in zip(*((curve.still, curve.higher, curve.lower) for curve in inputs),
                                                     strict=True))
            return Curve(still, higher, lower, current, frozen, weights)
        case Freeze():
            still = inputs[0].still
            return Curve(still, still, still, current, frozen, weights)
        case _:
            return inputs[0]


# ------------------------------------------------------------------ what it is
def estimator_of(curve: Curve) -> Estimator | None:
    """What a curve measures and follows; None for one that is no function of a policy and a reference."""
    values, slopes = curve.still, curve.slopes
    if not curve.current or not curve.frozen or not all(map(math.isfinite, (*values, *slopes))):
        return None
    middle = values[len(values) // 2]
    return Estimator(_named(_value_signature(values), curve.weights, of_slopes=False),
                     _named(_differences(slopes), curve.weights, of_slopes=True),
                     is_flat=max(slopes) - min(slopes) <= NEAR,
                     is_distance=abs(middle) <= EXACT and min(values) >= -EXACT and max(values) > EXACT)


def _differences(values: Values) -> Values:
    return tuple(after - before for before, after in zip(values, values[1:], strict=False))


def _value_signature(values: Values) -> Values:
    """The values without any constant and any multiple of q/p."""
    shrinks = math.exp(-STEP)
    steps = _differences(values)
    return tuple(after - shrinks * before for before, after in zip(steps, steps[1:], strict=False))


def _named(signature: Values, weights: frozenset[float], *, of_slopes: bool) -> str | None:
    near = NEAR if of_slopes else EXACT
    order = _order(signature, near)
    if order is not None:
        return _name_of_order(order)
    reduce = _differences if of_slopes else _value_signature
    if _is_multiple(signature, reduce(tuple(map(_variation_slope if of_slopes else _variation, RATIOS))), near):
        return "the total variation"
    for weight in sorted({0.5, *weights}):
        shape = _mixture_slope if of_slopes else _mixture
        if _is_multiple(signature, reduce(tuple(shape(ratio, weight) for ratio in RATIOS)), near):
            return "the Jensen-Shannon divergence"
    return None


def _order(signature: Values, near: float) -> float | None:
    """The a of `exp((a - 1) d)` with a positive factor: each entry is the same multiple of the one before."""
    if min(signature) <= near:
        return None
    ratios = [after / before for before, after in zip(signature, signature[1:], strict=False)]
    if max(ratios) - min(ratios) > 10 * near * max(ratios):
        return None
    return round(1 + math.log(ratios[0]) / STEP, 3) + 0.0


def _name_of_order(order: float) -> str:
    if order == 1:
        return "KL(policy‖ref)"
    return "KL(ref‖policy)" if order == 0 else f"the alpha divergence of order {format_number(order)}"


def _is_multiple(found: Values, wanted: Values, near: float) -> bool:
    size = max(map(abs, wanted))
    place = max(range(len(wanted)), key=lambda entry: abs(wanted[entry]))
    factor = found[place] / wanted[place]
    return factor > near and all(abs(entry - factor * other) <= 10 * near * factor * size
                                 for entry, other in zip(found, wanted, strict=True))


def _variation(ratio: float) -> float:
    return abs(math.expm1(-ratio)) / 2


def _variation_slope(ratio: float) -> float:
    return ((ratio > 0) - (ratio < 0)) / 2


def _mixture(ratio: float, weight: float) -> float:
    mixture = math.log1p((1 - weight) * math.expm1(-ratio))
    return (1 - weight) * math.exp(-ratio) * (-ratio - mixture) - weight * mixture


def _mixture_slope(ratio: float, weight: float) -> float:
    return -weight * math.log1p((1 - weight) * math.expm1(-ratio))
