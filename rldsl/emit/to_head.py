"""Emits the numba rows of a vocabulary head: one text for each set of reads, shared by the objectives that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rldsl.diagnostics import InternalError
from rldsl.emit.templates import render
from rldsl.graph.divergences import DIVERGENCES, row_divergence
from rldsl.graph.staged import HeadGroup, LiveRead

WITH_PARAMETER = ("js", "alpha", "reverse_alpha")
WITH_MEAN = ("js", "tv", "alpha", "reverse_alpha")  # whose gradient needs one more number of the row than the read itself


@dataclass(frozen=True, slots=True)
class RowRead:
    """One statistic of a row. `kind`: logp, entropy, logz, and those of `row_divergence`. `other` is the place of the second
    policy among the row's others. `gradient`: whether one flows back through it. `parameter` is handed over when it runs;
    `twin` counts the reads before it of one kind and other, which differ in it."""

    kind: str
    other: int | None = None
    gradient: bool = False
    parameter: float | None = None
    twin: int = 0

    @property
    def name(self) -> str:
        """As it is called in the emitted text."""
        name = self.kind if self.other is None else f"{self.kind}{self.other}"
        return f"{name}_{self.twin}" if self.twin else name


@dataclass(frozen=True, slots=True)
class RowShape:
    """What is read of each row, in the order of the group, beside how many other policies."""

    reads: tuple[RowRead, ...]
    others: int = 0

    @property
    def has_gradient(self) -> bool:
        """Whether rows are written at all."""
        return any(read.gradient for read in self.reads)

    @property
    def keeps_exponentials(self) -> bool:
        """Whether the first pass may leave e^x in the row: the gradient needs p, but not log p."""
        bent = any(read.gradient and read.kind not in ("logp", "logz") for read in self.reads)
        return self.has_gradient and not bent and not self.others

    @property
    def means(self) -> tuple[str, ...]:
        """The reads of whose row one number more is kept between reading and writing it."""
        return tuple(read.name for read in self.reads if read.gradient and read.kind in WITH_MEAN)

    @property
    def width(self) -> int:
        """How many statistics of a row are kept between reading and writing it."""
        return 2 + 2 * self.others + len(self.means)

    @property
    def parameters(self) -> tuple[float, ...]:
        """What the compiled functions take for the reads that have a parameter."""
        return tuple(read.parameter for read in self.reads if read.parameter is not None)


def row_shape(group: HeadGroup) -> RowShape:
    """The shape of the rows of one group."""
    reads: list[RowRead] = []
    for live in group.reads:
        read = _row_read(group, live)
        twin = sum((before.kind, before.other) == (read.kind, read.other) for before in reads)
        reads.append(replace(read, twin=twin))
    return RowShape(tuple(reads), len(group.others))


def _row_read(group: HeadGroup, live: LiveRead) -> RowRead:
    read, gradient = live.read, live.coefficient is not None
    if read.kind not in DIVERGENCES:
        return RowRead(read.kind.value, None, gradient)
    backwards = read.model != group.model
    kind, parameter = row_divergence(read.kind, read.parameter, of_second=backwards)
    second = read.model if backwards else read.other
    if second not in group.others:
        raise InternalError(f"{read.kind} of {read.model} and {read.other} has no second row")
    return RowRead(kind, group.others.index(second), gradient, parameter)


def emit_rows(shape: RowShape) -> str:
    """The text of the module with `read` and `write` for rows of this shape."""
    alone: dict[str, RowRead | None] = {"logp": None, "entropy": None, "logz": None}
    alone.update({read.kind: read for read in shape.reads if read.other is None})
    places = {name: 2 + 2 * shape.others + number for number, name in enumerate(shape.means)}
    return render("numba/head.py.jinja", reads=shape.reads, others=shape.others, keep=shape.keeps_exponentials,
                  parameterised=[read for read in shape.reads if read.kind in WITH_PARAMETER], places=places, **alone)


def emit_sweep(name: str, combine: str, modules: Sequence[str], shapes: Sequence[RowShape]) -> str:
    """The text of the module with `sweep`: `combine` is the module of the objective's `coefficients`, `modules` are those
    of the rows of its groups."""
    rows = [{"module": module, "writes": shape.has_gradient} for module, shape in zip(modules, shapes, strict=True)]
    return render("numba/sweep.py.jinja", name=name, combine=combine, rows=rows)
