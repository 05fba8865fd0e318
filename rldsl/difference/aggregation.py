"""How values per token become one number: which tokens, answers and prompts count how much, and what changed about that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rldsl.difference.model import Change
from rldsl.difference.phrases import level_word
from rldsl.difference.side import Ref, Side, show_number
from rldsl.graph.model import Reduce, Reduction
from rldsl.types import BATCH, Axis, Level

if TYPE_CHECKING:
    from rldsl.difference.least import Comparison

_LINEAR = frozenset({Reduction.MEAN, Reduction.SUM})


@dataclass(frozen=True, slots=True)
class Step:
    """One mean or sum, from an axis to one above it; `mask` says which values take part. Or, with neither axis, a number that
    multiplies and values that divide: `divisors` as equations with their digests."""

    reduction: Reduction | None
    start: Axis = BATCH
    end: Axis = BATCH
    mask: Ref | None = None
    number: Fraction = Fraction(1)
    divisors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps from the outside in, and the values that are left below each: `inner[0]` is the whole, `inner[i]` what lies below
    the first i steps."""

    steps: tuple[Step, ...]
    inner: tuple[Ref, ...]


def chain_of(side: Side, ref: Ref) -> Chain:
    """The means and sums that a value starts with."""
    steps, inner = list[Step](), [ref]
    while (found := _step(side, inner[-1])) is not None:
        steps.append(found[0])
        inner.append(found[1])
    while steps and steps[-1].reduction is None:
        steps.pop()
        inner.pop()
    return Chain(tuple(steps), tuple(inner))


def _step(side: Side, ref: Ref) -> tuple[Step, Ref] | None:
    bare = side.bare(ref)
    node = side.node(bare)
    if bare.key in side.named:
        return None
    match node.operation:
        case Reduce(reduction=reduction, to=to, masked=masked) if reduction in _LINEAR:
            mask = Ref(node.inputs[1], True) if masked else None
            below, start = Ref(node.inputs[0], bare.frozen), side.graph[node.inputs[0]].type.axis
            return Step(reduction, start, to, mask), below
        case _:
            return _scaled(side, bare)


def _scaled(side: Side, ref: Ref) -> tuple[Step, Ref] | None:
    """A mean or sum that is multiplied by a number or divided by counts and other frozen values."""
    number, factors = side.factors(ref)
    rest = [part for part in factors if not (part.by < 0 and not side.node(part.ref).type.is_live)]
    divided = [part for part in factors if part not in rest]
    if len(rest) != 1 or rest[0].by != 1 or rest[0].ref == ref or (number == 1 and not divided):
        return None
    return Step(None, number=number, divisors=tuple((side.equation(part.ref), side.of(part.ref).digest) for part in divided)), \
        rest[0].ref


# ------------------------------------------------------------------ comparison
def aggregation_changes(comparison: Comparison, first: Ref, second: Ref) -> list[Change]:
    """What changed in how values are put together, and below; empty where both are put together alike."""
    sides = comparison.before, comparison.after
    chains = chain_of(comparison.before, first), chain_of(comparison.after, second)
    if not all(_is_aggregation(side, ref, chain) for side, ref, chain in zip(sides, (first, second), chains, strict=True)):
        return []
    if _signature(sides[0], chains[0].steps) == _signature(sides[1], chains[1].steps):
        return []
    depths = _meeting(comparison, *chains)
    inner = chains[0].inner[depths[0]], chains[1].inner[depths[1]]
    texts = [describe(side, chain.steps[:depth], scale)
             for side, chain, depth, scale in zip(sides, chains, depths, comparison.scales, strict=True)]
    below = comparison.changes(*inner)
    if texts[0] == texts[1] and below:
        return below
    meaning = _between(*texts) if texts[0] != texts[1] else "values are put together in another way"
    return [Change(meaning, sides[0].equation(first, inner[0]), sides[1].equation(second, inner[1])), *below]


def _between(before: str, after: str) -> str:
    if after.startswith(f"{before}, "):
        return f"{before}, and now {after.removeprefix(f'{before}, ')}"
    if before.startswith(f"{after}, "):
        return f"{after}, and no longer {before.removeprefix(f'{after}, ')}"
    return f"{before} → {after}"


def _is_aggregation(side: Side, ref: Ref, chain: Chain) -> bool:
    """Whether values that carry a gradient become one number of the batch."""
    first = next((step for step in chain.steps if step.reduction is not None), None)
    return first is not None and first.end == BATCH and side.node(ref).type.is_live


def has_sum(side: Side, ref: Ref) -> bool:
    """Whether values are summed on their way to one number, so that their number weighs."""
    return any(step.reduction is Reduction.SUM for step in chain_of(side, ref).steps)


def _meeting(comparison: Comparison, first: Chain, second: Chain) -> tuple[int, int]:
    """How many steps lie above the outermost value that both share; all of them, where there is none."""
    for depth in range(1, len(first.steps) + len(second.steps) + 1):
        for left in range(max(0, depth - len(second.steps)), min(depth, len(first.steps)) + 1):
            if comparison.before.of(first.inner[left]) == comparison.after.of(second.inner[depth - left]):
                return left, depth - left
    return len(first.steps), len(second.steps)


def _signature(side: Side, steps: Sequence[Step]) -> list[tuple[object, ...]]:
    return [(step.reduction, side.names.axis(step.start), side.names.axis(step.end),
             None if step.mask is None else side.of(step.mask).digest, step.number, sorted(word for _, word in step.divisors))
            for step in steps]


# ------------------------------------------------------------------ words
def describe(side: Side, steps: Sequence[Step], scale: Fraction = Fraction(1)) -> str:
    """`every answer counts the same`, and where only some values take part, which; `scale` multiplies the whole."""
    reductions = [step for step in steps if step.reduction is not None]
    masks = [f"where {side.equation(step.mask)}" for step in reductions if step.mask is not None]
    number = scale
    for step in steps:
        number *= step.number
    divisors = [text for step in steps for text, _ in step.divisors]
    said = [_counts(reductions), *masks, *(f"divided by {text}" for text in divisors)]
    if number != 1:
        said.append(f"divided by {show_number(1 / number)}" if number < 1 and (1 / number).denominator == 1
                    else f"times {show_number(number)}")
    return ", ".join(said)


def _counts(steps: Sequence[Step]) -> str:
    if not steps:
        return "one value"
    if all(step.reduction is Reduction.MEAN for step in steps):
        return _equal_shares(steps)
    levels = [step.start.level for step in steps]
    if [step.reduction for step in steps] == [Reduction.MEAN, Reduction.SUM] and levels == [Level.SAMPLE, Level.TOKEN]:
        return "an answer counts by its length"
    words = [f"the {step.reduction.value} over {level_word(step.start)}s" for step in steps if step.reduction is not None]
    return " of ".join(words)


def _equal_shares(steps: Sequence[Step]) -> str:
    """Of means: which values have equal shares, from the outside in."""
    words = [level_word(step.start) for step in steps]
    if len(words) > 1 and steps[-1].start.level is Level.TOKEN and steps[-1].end.level is Level.SAMPLE:
        words.pop()  # the tokens of an answer share what the answer has
    outer = f"every {words[0]} counts the same"
    end = steps[0].end
    where = "" if end == BATCH else f" in its {level_word(end)}"
    within = "".join(f", and within it every {word}" for word in words[1:])
    return outer + where + within
