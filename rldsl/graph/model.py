"""The dataflow graph: frozen nodes over a closed set of operations. Building and typing are in `build`, order in `order`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from rldsl.source import Span
from rldsl.types import Axis, Type, Version


class Function(StrEnum):
    """Elementwise functions. All inputs and the result stand on one axis; scalars of the batch are spread first."""

    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    GATED_MULTIPLY = "gated_multiply"  # a * b, and 0 wherever a is exactly 0 whatever b is; made by `differentiate`
    DIVIDE = "divide"
    POWER = "power"
    NEGATE = "negate"
    MINIMUM = "minimum"  # of ties the first argument; so is its gradient
    MAXIMUM = "maximum"
    CLIP = "clip"        # (x, low, high); gradient 1 inside and on the bounds
    ABSOLUTE = "absolute"
    SIGN = "sign"
    EXP = "exp"
    LOG = "log"
    EXPM1 = "expm1"
    LOG1P = "log1p"
    SQRT = "sqrt"
    SIGMOID = "sigmoid"
    LOG_SIGMOID = "log_sigmoid"
    SOFTPLUS = "softplus"
    TANH = "tanh"
    COS = "cos"
    RELU = "relu"
    FLOOR = "floor"
    LESS = "less"
    LESS_EQUAL = "less_equal"
    GREATER = "greater"
    GREATER_EQUAL = "greater_equal"
    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    AND = "and"
    OR = "or"
    NOT = "not"
    SELECT = "select"            # (condition, when true, when false)
    OTHERWISE = "otherwise"      # (x, alternative): alternative where x is absent (NaN)
    IS_MISSING = "is_missing"
    DOT = "dot"                  # of two vectors, a number
    COSINE = "cosine"


class Reduction(StrEnum):
    """Reductions to a coarser axis. Absent values are left out of every reduction. After `expand` only
    SUM, MINIMUM, MAXIMUM and QUANTILE remain."""

    SUM = "sum"
    MEAN = "mean"
    MINIMUM = "min"
    MAXIMUM = "max"
    STD = "std"                            # divides by n - 1; absent for n < 2
    VAR = "var"
    STD_POPULATION = "std_population"      # divides by n
    VAR_POPULATION = "var_population"
    COUNT = "count"                        # how many (present) values; of booleans: how many are true
    ANY = "any"
    ALL = "all"
    QUANTILE = "quantile"                  # linear interpolation, as torch.quantile
    FIRST = "first"
    LAST = "last"


class SourceKind(StrEnum):
    """Where a leaf comes from."""

    DATA = "data"          # field of a data set, @ its rows
    RECORDED = "recorded"  # what a rollout or response carries: text, logp, finished, uniform
    PARAM = "param"        # a hyper-parameter that may change over training or by `--set`: a scalar
    STATE = "state"        # kept over iterations
    GIVEN = "given"        # an input of a staged objective (made by the `stage` pass), or a value written in a test
    PROGRESS = "progress"  # `iteration`, `step`: how far training is


class ReadKind(StrEnum):
    """What is read from a model at each token (or other place). The first seven need the vocabulary distribution of the row."""

    LOGP = "logp"          # log-probability of the token that stands there
    ENTROPY = "entropy"    # of the next-token distribution, nats
    KL = "kl"              # KL(model || other), exact over the vocabulary
    JS = "js"              # Jensen-Shannon divergence of model (with the weight that the read has) and other, nats
    TV = "tv"              # total variation distance of model and other
    ALPHA = "alpha_divergence"  # (1 - sum model^a other^(1 - a)) / (a (1 - a))
    LOGZ = "logz"          # log of the partition sum of the logits
    VALUE = "value"        # a critic's value of the state before the token
    SCORE = "score"        # a scorer's head at the last token of each place of the read's axis
    HIDDEN = "hidden"      # a vector: the last layer's state after the token
    PRODUCT = "product"    # a dot product or cosine of vectors of current weights: a node of the spec's graph, made by `stage`
    PROBE = "probe"        # a live value written in a test


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a truth value or a text."""

    value: float | bool | str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that comes from outside the graph. `owner.field`, as in `problems.answer`, `y.logp`, `beta`."""

    kind: SourceKind
    owner: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Elementwise:
    """One function of inputs on one axis."""

    function: Function


@dataclass(frozen=True, slots=True)
class Reduce:
    """Inputs `(x,)` or `(x, mask)` if `masked` (a Bool on x's axis); QUANTILE has the level q as its last input."""

    reduction: Reduction
    to: Axis
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """Weights on x's axis by which a MINIMUM, MAXIMUM or QUANTILE reduction of the same inputs selects (first of
    ties; interpolation weights for a quantile): `reduce(x) = sum(x * pick(x))`. No gradient flows through it."""

    reduction: Reduction
    to: Axis
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Copy a coarse value to each place of a finer axis below it."""

    to: Axis


@dataclass(frozen=True, slots=True)
class Scan:
    """Inputs `(x, decay)` on one axis: `y_t = x_t + decay_t * y_{t+1}` from the end (`from_end`), or
    `y_t = x_t + decay_t * y_{t-1}` from the start, restarting in each place of `per`. `decay` is frozen."""

    per: Axis
    from_end: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """Inputs `(x, fill)` on one axis: the value `offset` places later (earlier if negative) in the same place of `per`,
    `fill` where there is none."""

    per: Axis
    offset: int


@dataclass(frozen=True, slots=True)
class Rank:
    """Input `(x,)`: 0-based place of each value among those of its `per`, ascending unless `descending`, stable."""

    per: Axis
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """Input `(x,)` on an axis of pairs: at the pair (i, j) what x is at (j, i). With `Spread` it brings each member the
    values of the others."""

    per: Axis


@dataclass(frozen=True, slots=True)
class Position:
    """No input: 0-based index of each place of `axis` within its `per`. Of an Int type on `axis`."""

    axis: Axis
    per: Axis


@dataclass(frozen=True, slots=True)
class Size:
    """No input: how many places of `axis` lie in each place of `to`. Of an Int type on `to`."""

    axis: Axis
    to: Axis


@dataclass(frozen=True, slots=True)
class Read:
    """A model read: @ token of `response`, unless `tokens` says that it stands above them, and which they are. `other` is
    the second model of a divergence. No inputs, or the context text of `response given context`. `other_version` is its
    version. `parameter` is the weight of the first model in JS, alpha in ALPHA. `probe` names the value for PROBE,
    `source` the node for PRODUCT, of which `response` is one of several. `within`: the distributions are restricted to what the
    response's sampler could draw at each token, and renormalised."""

    kind: ReadKind
    model: str
    response: str
    version: Version
    temperature: float = 1.0
    other: str | None = None
    other_version: Version | None = None
    probe: str | None = None
    context: int | None = None
    tokens: Axis | None = None
    parameter: float | None = None
    source: int | None = None
    within: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stops the gradient."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A call that is run outside the numeric graph, on the host: text operations, verifiers, extern functions, rubrics,
    process rewards. `name` is the primitive's name (`verify.math`, `text.concat`) or `extern:NAME`, `rubric:NAME`.
    `names` are the argument names of the inputs, in their order. `settings` are constants of the call, sorted."""

    name: str
    names: tuple[str, ...] = ()
    settings: tuple[tuple[str, Setting], ...] = ()


Setting: TypeAlias = float | bool | str | None | tuple["Setting", ...]

Operation: TypeAlias = (Constant | Leaf | Elementwise | Reduce | Pick | Spread | Scan | Shift | Rank | Mirror | Position
                        | Size | Read | Freeze | Foreign)


@dataclass(frozen=True, slots=True)
class Node:
    """One value. `inputs` are keys of nodes before it. `name` is the user's own name for it, if any."""

    key: int
    operation: Operation
    inputs: tuple[int, ...]
    type: Type
    span: Span | None = field(default=None, compare=False)
    name: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which each stands after its inputs. Keys are stable over passes for nodes that stay."""

    nodes: tuple[Node, ...]
    by_key: Mapping[int, Node] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", MappingProxyType({node.key: node for node in self.nodes}))

    def __getitem__(self, key: int) -> Node:
        return self.by_key[key]

    def __len__(self) -> int:
        return len(self.nodes)
