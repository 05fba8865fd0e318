"""How much of a reward each of its terms and factors decides. Computes from kept values alone.

The share of a part X of a reward R is `cov(R - R', R) / var(R)`, where R' is R computed with X held at its mean. Of the terms of
a sum it is their share of the variance, and the shares add up to 1; of factors and of what is clipped or selected it is what goes
with X alone, and the rest is what parts decide together. The share of the range is `(max - min of R - R') / (max - min of R)`.
Where nobody was asked for a part, because it decides nothing there, it counts with its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from rldsl.graph.model import Elementwise, Foreign, Freeze, Function, Leaf, Node, Read, Spread
from rldsl.graph.spec import NamedValue, Spec
from rldsl.rewards.engine.asked import Mask
from rldsl.scores.kept import Numbers, Recomputed
from rldsl.scores.parts import part_names
from rldsl.scores.plan import is_inline, is_number
from rldsl.scores.statistics import scaled
from rldsl.types import BATCH

_SUMS = frozenset({Function.ADD, Function.SUBTRACT, Function.NEGATE})
_PRODUCTS = frozenset({Function.MULTIPLY, Function.GATED_MULTIPLY, Function.DIVIDE})


@dataclass(frozen=True, slots=True)
class Part:
    """A value that a reward is made of: a `term` of a sum, a `factor` of a product, or `within` something else."""

    key: int
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Share:
    """What a part decides of a reward; None where the reward does not vary."""

    reward: str
    part: str
    kind: str
    variance: float | None
    range: float | None


def shares_of(found: Recomputed, reward: NamedValue, base: Numbers) -> tuple[Share, ...]:
    """The share of each part of a reward; none where it is a single call."""
    parts = parts_of(found.plan.spec, reward.key, _labels(found))
    if len(parts) < 2 and not any(_names(found, part) for part in parts):
        return ()
    held = {key: np.asarray(values, np.float64) for key, values in found.values([part.key for part in parts]).items()}
    filled = {part.key: _filled(held[part.key], found.open_places(part.key), len(_names(found, part)) or 1) for part in parts}
    return tuple(share for part in parts for share in _shares(found, reward, part, base, filled))


def _labels(found: Recomputed) -> dict[int, str]:
    named = {entry.key: entry.name for entry in reversed(found.plan.values)}
    return {**found.names.labels, **named}


def _names(found: Recomputed, part: Part) -> tuple[str, ...]:
    return part_names(found.plan.spec, found.plan.spec.graph[part.key].type.axis)


def _filled(values: Numbers, open_: Mask | None, parts: int) -> Numbers:
    """With the mean of what was asked where nobody was, of each of `parts` fixed parts its own."""
    if open_ is None:
        return values
    means = np.array([_mean(values[place::parts]) for place in range(parts)])
    return np.where(open_, np.tile(means, len(values) // parts), values)


def _mean(values: Numbers) -> float:
    present = values[~np.isnan(values)]
    small, power = scaled(present)
    return math.ldexp(float(small.mean()), power) if len(present) else float("nan")


def _shares(found: Recomputed, reward: NamedValue, part: Part, base: Numbers, values: Mapping[int, Numbers]) -> Iterator[Share]:
    """Of a part, and of one of fixed parts (criteria) also of each alone."""
    held = values[part.key]
    yield _share(found, reward, part, base, {**values, part.key: _flat(held)})
    names = _names(found, part)
    for place, name in enumerate(names):
        alone = held.copy()
        alone[place::len(names)] = _flat(held[place::len(names)])
        yield _share(found, reward, replace(part, label=f"{part.label}: {name}"), base, {**values, part.key: alone})


def _flat(values: Numbers) -> Numbers:
    """The mean at every place that has a value."""
    return np.where(np.isnan(values), np.nan, _mean(values))


def _share(found: Recomputed, reward: NamedValue, part: Part, base: Numbers, values: Mapping[int, Numbers]) -> Share:
    """With `values` as the reward's parts."""
    without = Recomputed(found.plan, found.names, found.kept, {**found.fixed, **values}).values([reward.key])[reward.key]
    both = np.isfinite(base) & np.isfinite(without)
    (whole, rest), _ = scaled(np.stack([base[both], without[both]]))
    moved = whole - rest
    spread = float(whole.max() - whole.min()) if len(whole) else 0.0
    if spread == 0.0:
        return Share(reward.name, part.label, part.kind, None, None)
    variance = float(((moved - moved.mean()) * (whole - whole.mean())).sum() / ((whole - whole.mean()) ** 2).sum())
    return Share(reward.name, part.label, part.kind, variance, float(moved.max() - moved.min()) / spread)


def parts_of(spec: Spec, root: int, labels: Mapping[int, str]) -> tuple[Part, ...]:
    """The nearest values below a reward that vary: named ones, calls, fields of the data. Each once, in their order."""
    found: dict[int, Part] = {}
    waiting = [(root, "term")]
    while waiting:
        key, kind = waiting.pop()
        node = spec.graph[key]
        if node.type.axis == BATCH:
            continue
        if key != root and _is_part(spec, node, labels):
            known = found.get(key)
            found[key] = Part(key, labels.get(key) or _label(node), kind if known is None or known.kind == kind else "within")
            continue
        inner = _kind(spec, node, kind)
        waiting.extend((entry, inner) for entry in reversed(node.inputs))
    return tuple(found.values())


def _is_part(spec: Spec, node: Node, labels: Mapping[int, str]) -> bool:
    if not is_number(node.type.element):
        return False
    if node.key in labels or isinstance(node.operation, Leaf | Read):
        return True
    if isinstance(node.operation, Foreign):
        return not is_inline(node)
    return any(not is_number(spec.graph[key].type.element) for key in node.inputs)


def _kind(spec: Spec, node: Node, kind: str) -> str:
    """How what lies below a node takes part in what lies above."""
    match node.operation:
        case Spread() | Freeze():
            return kind
        case Foreign() if is_inline(node):
            return kind
        case Elementwise(function=function) if function in _SUMS:
            return kind
        case Elementwise(function=function) if function in _PRODUCTS:
            varying = [key for key in node.inputs if not _is_scalar(spec, key)]
            return kind if len(varying) < 2 else "factor" if kind in ("term", "factor") else kind
        case _:
            return "within"


def _is_scalar(spec: Spec, key: int) -> bool:
    """Whether it is one number for the whole batch, spread or not."""
    node = spec.graph[key]
    while isinstance(node.operation, Spread | Freeze):
        node = spec.graph[node.inputs[0]]
    return node.type.axis == BATCH


def _label(node: Node) -> str:
    match node.operation:
        case Leaf(owner=owner, field=field):
            return f"{owner}.{field}"
        case _:
            return node.name or "a comparison of texts"
