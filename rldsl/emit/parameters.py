"""The parameters of emitted functions: what they are called, and what has to be handed over for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rldsl.emit.names import Names
from rldsl.graph.model import Graph, Read
from rldsl.graph.staged import LiveRead, StagedObjective
from rldsl.types import BATCH, Axis

Kind: TypeAlias = Literal["span", "bounds", "owners", "input", "prepared", "read", "output"]
FunctionName: TypeAlias = Literal["prepare", "coefficients", "values", "combined"]
FUNCTIONS: tuple[FunctionName, ...] = ("prepare", "coefficients", "values")
_ORDER: tuple[Kind, ...] = ("span", "bounds", "owners", "input", "prepared", "read", "output")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One array of an emitted function, after `start, stop`.

    `bounds` is `layout.bounds(axis, ancestor)`, int64; `owners` is `layout.owners(axis, ancestor)`, int64, int32 on a device. All
    others are float64, one number for each place of `axis`. `key` is the node that an input, a prepared value or a read belongs to;
    of a coefficient among the outputs it is the read whose coefficient is written, else the node that is computed.
    `label` is the name that the caller knows: an input's name, a value's label.
    """

    kind: Kind
    name: str
    axis: str
    ancestor: str | None = None
    key: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """What one function of a staged objective is given and computes, before any back end."""

    name: FunctionName
    piece: Axis
    given: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    computed: tuple[int, ...]  # the node that each output holds


def live_reads(staged: StagedObjective) -> tuple[LiveRead, ...]:
    """All reads of the objective, those of the vocabulary distribution first."""
    return (*(read for group in staged.groups for read in group.reads), *staged.direct)


def outline(staged: StagedObjective, name: FunctionName, names: Names, suffix: str = "") -> Outline:
    """Inputs and outputs of one function. The names of what is given end in `suffix`."""
    graph = staged.graph
    slopes = [(read.key, read.coefficient, f"d_{read_name(read.read)}", None)
              for read in live_reads(staged) if read.coefficient is not None]
    labelled = {**dict(staged.values), "loss": staged.loss}
    values = [(key, key, label, label) for label, key in labelled.items()]
    prepared = () if name == "prepare" else _prepared(graph, staged.prepared, names, suffix)
    reads = () if name == "prepare" else _reads(staged, names, suffix)
    given = (*_inputs(staged, names, suffix), *prepared, *reads)
    outputs: Sequence[tuple[int, int, str, str | None]]
    match name:
        case "prepare":
            outputs = [(key, key, graph[key].name or "prepared", None) for key in staged.prepared]
        case "coefficients":
            outputs = slopes
        case "values":
            outputs = values
        case "combined":
            outputs = [*slopes, *values]
    written = tuple(Parameter("output", names.fresh(text, suffix="_out"), graph[node].type.axis.name, None, key, label)
                    for key, node, text, label in outputs)
    piece = staged.piece_axis if name == "coefficients" else BATCH
    return Outline(name, piece, given, written, tuple(node for _, node, _, _ in outputs))


def _inputs(staged: StagedObjective, names: Names, suffix: str) -> tuple[Parameter, ...]:
    return tuple(Parameter("input", names.fresh(given.name, suffix=suffix), given.axis.name, None, given.key, given.name)
                 for given in staged.inputs)


def _prepared(graph: Graph, keys: Sequence[int], names: Names, suffix: str) -> tuple[Parameter, ...]:
    return tuple(Parameter("prepared", names.fresh(graph[key].name or "prepared", suffix=suffix),
                           graph[key].type.axis.name, None, key) for key in keys)


def _reads(staged: StagedObjective, names: Names, suffix: str) -> tuple[Parameter, ...]:
    return tuple(Parameter("read", names.fresh(read_name(read.read), suffix=suffix), read.axis.name, None, read.key)
                 for read in live_reads(staged))


def read_name(read: Read) -> str:
    """As a read is called in emitted code: `actor_logp_y`, `actor_kl_ref_y`."""
    words = [read.model, read.kind.value, read.other, read.probe, read.response]
    return "_".join(word for word in words if word)


def signature(function: str, items: Iterable[str], width: int = 120) -> str:
    """The items as they stand between the parentheses of a definition, broken between items."""
    indent = " " * len(f"def {function}(")
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    return "\n".join([*lines, line]).strip().removesuffix(",")


def ordered(parameters: Collection[Parameter], is_used: Callable[[Parameter], bool]) -> tuple[Parameter, ...]:
    """Those in use (outputs always), in the order of a signature."""
    used = [parameter for parameter in parameters if parameter.kind == "output" or is_used(parameter)]
    return tuple(sorted(used, key=lambda parameter: _ORDER.index(parameter.kind)))
