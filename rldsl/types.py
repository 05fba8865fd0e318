"""Types of values: element, interval, level with its origin, liveness, binding time, provenance. No inference here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum


class Element(StrEnum):
    """What one value is. `NONE` is the type of a value whose computation already failed to type-check."""

    REAL = "Real"
    INT = "Int"
    BOOL = "Bool"
    TEXT = "Text"
    JSON = "Json"
    VECTOR = "Vector"
    NONE = "?"


NUMERIC = frozenset({Element.REAL, Element.INT, Element.BOOL})


class Level(IntEnum):
    """Nesting of levels, coarse to fine: `batch > prompt > sample > turn > step > token`. `pair`, `criterion` and `member`
    are levels of *parts*: they lie below whatever axis they are made of."""

    BATCH = 0
    PROMPT = 1
    SAMPLE = 2
    TURN = 3
    STEP = 4
    TOKEN = 5
    PAIR = 6
    CRITERION = 7
    MEMBER = 8

    @property
    def word(self) -> str:
        """As it is written in a spec."""
        return self.name.lower()

    @property
    def words(self) -> str:
        """Several of its places."""
        return {Level.BATCH: "batches", Level.CRITERION: "criteria"}.get(self, f"{self.word}s")

    @property
    def is_of_parts(self) -> bool:
        """Whether its places are parts of something that may stand at any level."""
        return self >= Level.PAIR


@dataclass(frozen=True, slots=True)
class Axis:
    """A ragged index set: the rows of `problems`, the samples of `y`, the tokens of `y`. The root is the batch.

    `name` is `batch`, a data set's name (its rows), or `rollout.level`. Values of an axis are stored packed, in the
    order of its parent. `owner` is the data, rollout or response whose axis this is. An axis of pairs has one place for
    each other member of the group `among` that its parent's place belongs to, in their order. An axis of *fixed parts* has
    `size` places below each place of its parent; `maker` says what makes them, where that is more than an expression on each
    (the rubric of criteria, the way in which a text is cut into steps). The places of an axis that *covers* the axis `over`
    (steps) divide its places among them, in order: each place of `over` lies in one of them too, though it is not its parent.
    """

    name: str
    level: Level
    owner: str
    parent: Axis | None
    among: Axis | None = None
    size: int | None = None
    maker: str = ""
    over: Axis | None = None

    def chain(self) -> tuple[Axis, ...]:
        """This axis and its ancestors, finest first; the last is `BATCH`."""
        found: list[Axis] = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return tuple(found)

    @property
    def members(self) -> Axis:
        """Of an axis of pairs: where the members of a pair stand."""
        assert self.among is not None and self.parent is not None
        return self.parent

    def is_within(self, other: Axis) -> bool:
        """Whether each place of this axis lies in one of `other`: this axis itself, one of its ancestors, or what covers one
        of these (a value of `other` spreads to this axis)."""
        return other in self.chain() or (other.over is not None and other.over in self.chain())

    def nests_in(self, other: Axis) -> bool:
        """Whether `other` is this axis or one of its ancestors. What covers it is not."""
        return other in self.chain()

    @property
    def base(self) -> Axis:
        """The nearest axis, itself or above, that is not one of parts."""
        return next(axis for axis in self.chain() if not axis.level.is_of_parts)

    @property
    def is_of_pairs(self) -> bool:
        """Whether its places are pairs, or parts of pairs."""
        return any(axis.among is not None for axis in self.chain())

    @property
    def is_derived(self) -> bool:
        """Whether how many places it has follows from its parent's: pairs and fixed parts."""
        return self.among is not None or self.size is not None

    def __str__(self) -> str:
        return self.name


BATCH = Axis("batch", Level.BATCH, "", None)

def pair_axis(members: Axis, among: Axis) -> Axis:
    """The ordered pairs of two members of one place of `among`, below the first of the two."""
    return Axis(f"{members.name}.{Level.PAIR.word}({among.name})", Level.PAIR, members.owner, members, among)


def parts_axis(parent: Axis, level: Level, size: int, maker: str = "") -> Axis:
    """`size` parts of each place of `parent`. Two axes of one level, size and maker are of the same parts: values on them meet
    as soon as their parents nest (`infer.levels.common_axis`)."""
    said = f"{maker}: {size}" if maker else str(size)
    return Axis(f"{parent.name}.{level.word}({said})", level, parent.owner, parent, size=size, maker=maker)


def lifted(axis: Axis, parent: Axis) -> Axis:
    """The same fixed parts, of the places of `parent`."""
    assert axis.size is not None
    return parts_axis(parent, axis.level, axis.size, axis.maker)


@dataclass(frozen=True, slots=True)
class Interval:
    """All values lie in it. `values` lists them where they are finitely many (`{0, 1}`)."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    values: tuple[float, ...] | None = None

    def contains(self, value: float) -> bool:
        """Whether `value` may occur."""
        if self.values is not None:
            return value in self.values
        above = value > self.low or (value == self.low and not self.low_open)
        below = value < self.high or (value == self.high and not self.high_open)
        return above and below

    @property
    def span(self) -> float:
        """Width of the interval; `inf` where unbounded."""
        return self.high - self.low

    @property
    def is_everything(self) -> bool:
        """Whether nothing is known."""
        return self.low == -math.inf and self.high == math.inf

    def __str__(self) -> str:
        if self.values is not None:
            return "{" + ", ".join(format_number(value) for value in self.values) + "}"
        left = "(" if self.low_open or self.low == -math.inf else "["
        right = ")" if self.high_open or self.high == math.inf else "]"
        return f"{left}{format_number(self.low)}, {format_number(self.high)}{right}"


def format_number(value: float) -> str:
    """A number as a spec would write it: `1`, `0.5`, `inf`."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


EVERYTHING = Interval()
UNIT = Interval(0.0, 1.0)
BINARY = Interval(0.0, 1.0, values=(0.0, 1.0))


def point(value: float) -> Interval:
    """The interval of one known value."""
    return Interval(value, value, values=(value,))


class Stage(IntEnum):
    """Binding time: when a value is known. A value is as late as its latest part."""

    CONSTANT = 0
    DATA = 1
    ROLLOUT = 2
    REWARD = 3
    STATISTICS = 4
    OBJECTIVE = 5
    UPDATE = 6


class Version(StrEnum):
    """Which weights a model read sees."""

    SAMPLER = "sampler"      # as recorded while sampling
    ITERATION = "iteration"  # the trainer's weights at the start of the iteration (the proximal policy)
    CURRENT = "current"      # the trainer's weights at each update: live
    FROZEN = "frozen"        # a model that no update changes
    AVERAGE = "average"      # weights that follow a trained model's (`ema`), as they are when they are read
    STORED = "stored"        # a trained model's weights at the start of an earlier iteration

    @property
    def is_reference(self) -> bool:
        """Whether no gradient moves these weights, and they are not those of the iteration: what a policy is held to."""
        return self in (Version.FROZEN, Version.AVERAGE, Version.STORED)


@dataclass(frozen=True, slots=True)
class LogProbability:
    """Where a log-probability comes from: whose, of which response, under which weights and transforms. `within`: of what the
    sampler could draw, renormalised; `truncates` says that this is less than the vocabulary for another reason than
    `min_tokens`."""

    model: str
    response: str
    version: Version
    temperature: float = 1.0
    within: bool = False
    truncates: bool = False


@dataclass(frozen=True, slots=True)
class LogRatio:
    """Difference of two log-probabilities, or a reduction of one. `summed` holds the level it was summed to."""

    numerator: LogProbability
    denominator: LogProbability
    summed: Level | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Exponential of a `LogRatio`: an importance ratio."""

    log: LogRatio


Provenance = LogProbability | LogRatio | Ratio | None


@dataclass(frozen=True, slots=True)
class Type:
    """Type of a value, as in `Real in [0, 1] @ y.sample`.

    `live` names the trained models whose gradient flows through the value (empty: frozen). `optional` says that the
    value may be absent.
    """

    element: Element
    interval: Interval = EVERYTHING
    axis: Axis = BATCH
    live: frozenset[str] = frozenset()
    stage: Stage = Stage.CONSTANT
    optional: bool = False
    provenance: Provenance = None

    @property
    def is_live(self) -> bool:
        """Whether a gradient flows through."""
        return bool(self.live)

    @property
    def is_error(self) -> bool:
        """Whether the value stands for a mistake that was already reported."""
        return self.element is Element.NONE

    def frozen(self) -> Type:
        """The same type without a gradient."""
        return replace(self, live=frozenset())

    def __str__(self) -> str:
        text = self.element.value
        if self.element in (Element.REAL, Element.INT) and not self.interval.is_everything:
            text += f" in {self.interval}"
        if self.optional:
            text += " or absent"
        return text if self.axis == BATCH else f"{text} @ {self.axis.name}"


ERROR_TYPE = Type(Element.NONE)
