"""What the launches of one function are made of: a kernel's text, the arrays that it is handed, names, host calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rldsl.diagnostics import InternalError
from rldsl.emit.names import Names, identifier
from rldsl.emit.parameters import FUNCTIONS, FunctionName, Parameter, signature
from rldsl.emit.triton.signatures import KernelSignature
from rldsl.types import Axis

INDENT = "    "
WHOLE_BLOCK = 256   # places at a time, of a part of the batch
PARTS = 512         # of a reduction to the batch, at most
MERGE_BLOCK = 256   # parts at a time, by one program
WARPS = 4           # at least
LANE = 1            # place of one thread: with two, calls of float64 division spill where there are many values
HELPERS = ("gate", "smaller", "larger", "clip", "sign", "relu", "power", "known", "choose", "otherwise", "expm1", "log1p",
           "sigmoid", "log_sigmoid", "softplus", "tanh", "after", "first_smallest", "first_largest")
COMBINING: tuple[FunctionName, ...] = (*FUNCTIONS, "combined")  # the functions of an emitted module, but for those of rows
RESERVED = (*HELPERS, *COMBINING, "torch", "triton", "tl", "math", "device", "divided", "first", "last", "length", "count",
            "start", "stop", "at", "part", "t", "present", "rank", "pick_quantile", "segment_quantile", "BLOCK")


def warps_of(block: int) -> int:
    """Of a launch; a kernel without a block works on single numbers, and 32 places are one warp's."""
    return max(WARPS, block // (32 * LANE)) if block > 32 else 1


@dataclass(frozen=True, slots=True)
class Kernel:
    """One emitted kernel: its name, parameters after the integers, body, and the block of places that it works on."""

    name: str
    integers: tuple[str, ...]
    pointers: tuple[tuple[str, str], ...]  # name, and `fp64` or `i64`
    lines: tuple[str, ...]
    block: int
    says: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """As they stand in the definition, but for BLOCK."""
        return (*self.integers, *(name for name, _ in self.pointers))

    @property
    def definition(self) -> str:
        """What stands between the parentheses of its definition."""
        return signature(self.name, [*self.parameters, *(["BLOCK: tl.constexpr"] if self.block else [])])

    @property
    def signature(self) -> KernelSignature:
        """For compilation ahead of time: integers below 2^31 are 32 bits wide where Triton launches, and places are fewer."""
        arguments = {**dict.fromkeys(self.integers, "i32"), **{name: f"*{kind}" for name, kind in self.pointers}}
        return KernelSignature(self.name, arguments, {"BLOCK": self.block} if self.block else {}, warps_of(self.block), 3,
                               fuses=False)


@dataclass(slots=True)
class Arrays:
    """The arrays of one function: what the caller hands over, and what launches keep. Remembers what is used."""

    given: Mapping[int, Parameter]
    names: Names
    kept: dict[int, str] = field(default_factory=dict)
    indices: dict[tuple[str, str, str], Parameter] = field(default_factory=dict)
    spans: dict[str, Parameter] = field(default_factory=dict)
    used: dict[str, Parameter] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)  # of the kernel that is being written: its pointers
    settling: set[int] = field(default_factory=set)      # and what its programs have stored so far

    def values(self, key: int) -> str | None:
        """The array of a value that is handed over or kept."""
        if key in self.settling:
            raise InternalError(f"a program would read v{key}, which other programs write in the same launch")
        if key in self.given:
            parameter = self.given[key]
            self.used[parameter.name] = parameter
            self.asked[parameter.name] = "fp64"
            return parameter.name
        if key in self.kept:
            self.asked[self.kept[key]] = "fp64"
        return self.kept.get(key)

    def bounds(self, axis: Axis, ancestor: Axis) -> str:
        """Where the places of an axis below those of another one start."""
        return self.index("bounds", axis, ancestor)

    def owners(self, axis: Axis, ancestor: Axis) -> str:
        """In which place of another axis each place of an axis lies."""
        return self.index("owners", axis, ancestor)

    def index(self, kind: Literal["bounds", "owners"], axis: Axis, ancestor: Axis, by_host: bool = False) -> str:
        """The parameter with bounds (int64) or owners (int32: half of what every token loads)."""
        identity = (kind, axis.name, ancestor.name)
        if identity not in self.indices:
            text = f"{axis.name}_in_{ancestor.name}" if kind == "bounds" else f"{ancestor.name}_of_{axis.name}"
            self.indices[identity] = Parameter(kind, self.names.fresh(text, "axis", "_at"), axis.name, ancestor.name)
        name = self.indices[identity].name
        if not by_host:
            self.asked[name] = "i32" if kind == "owners" else "i64"
        return name

    def span(self, axis: Axis) -> str:
        """The places of an axis that are to be computed."""
        if axis.name not in self.spans:
            self.spans[axis.name] = Parameter("span", self.names.fresh(axis.name, "axis", "_span"), axis.name)
        return self.spans[axis.name].name

    def begin(self) -> None:
        """Another kernel is written."""
        self.asked, self.settling = {}, set()


def wrapped(opening: str, arguments: Sequence[str], width: int = 112) -> Iterator[str]:
    """A call, broken between its arguments."""
    line = opening
    for number, argument in enumerate(arguments):
        part = argument + (")" if number == len(arguments) - 1 else ",")
        if len(line) + len(part) + 1 > width and line.strip() and line != opening:
            yield line.rstrip()
            line = " " * len(opening)
        line += part if line.endswith(("(", " ")) else f" {part}"
    yield line


class LocalNames(Names):
    """Names of the variables of one kernel: none looks like that of an array, an integer parameter or a helper."""

    def fresh(self, text: str, otherwise: str = "value", suffix: str = "") -> str:
        """A new identifier; one that would end like an array's gets another end."""
        is_array = identifier(text, otherwise).endswith(("_at", "_kept", "_parts", "_out", "_span"))
        return super().fresh(f"{text}_value" if is_array else text, otherwise, suffix)
