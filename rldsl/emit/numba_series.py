"""Numba text of what runs over all places below one place: quantiles, scans, shifts, ranks, mirrors, picks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rldsl.diagnostics import InternalError
from rldsl.emit.cells import Across, Cell, Quantile, Series
from rldsl.emit.expressions import checked
from rldsl.graph.model import Mirror, Pick, Rank, Reduction, Scan, Shift

if TYPE_CHECKING:
    from rldsl.emit.to_numba import Writer


def series_lines(writer: Writer, cell: Cell, indent: str) -> Iterator[str]:
    """The statements that compute a cell whose inputs are arrays, literals or scalars in scope."""
    match cell.work:
        case Quantile():
            lines = _quantile(writer, cell)
        case Across(reduction=reduction):
            lines = _across(writer, cell, reduction)
        case Series(operation=Scan() as scan):
            lines = _scan(writer, cell, scan)
        case Series(operation=Shift() as shift):
            lines = _shift(writer, cell, shift)
        case Series(operation=Rank() as rank):
            lines = _rank(writer, cell, rank)
        case Series(operation=Mirror()):
            lines = _mirror(writer, cell)
        case Series(operation=Pick(reduction=Reduction.QUANTILE)):
            lines = _pick_quantile(writer, cell)
        case Series(operation=Pick() as pick):
            lines = _pick_best(writer, cell, pick)
        case other:
            raise InternalError(f"{other} is no series")
    for line in lines:
        yield indent + line


def _locals(writer: Writer, cell: Cell, *words: str) -> Iterator[str]:
    """Further variables of the cell, in the order asked."""
    return (writer.local(cell.key, word) for word in words)


def _gathered(writer: Writer, cell: Cell, with_places: bool) -> Iterator[str]:
    """Copies the values that the reduction keeps to `values`, and where they stand to `places`."""
    i, count, values, places = _locals(writer, cell, "i", "count", "values", "places")
    first, last = writer.ends(cell.over, cell.home)
    kept = writer.condition(cell, i)
    pad = "    " if kept is None else "        "
    yield f"{values} = np.empty({last} - {first})"
    if with_places:
        yield f"{places} = np.empty({last} - {first}, np.int64)"
    yield f"{count} = 0"
    yield f"for {i} in range({first}, {last}):"
    if kept is not None:
        yield f"    if {kept}:"
    yield f"{pad}{values}[{count}] = {writer.input(cell, 0, i).real}"
    if with_places:
        yield f"{pad}{places}[{count}] = {i}"
    yield f"{pad}{count} += 1"


def _across(writer: Writer, cell: Cell, reduction: Reduction) -> Iterator[str]:
    i, found = _locals(writer, cell, "i", "found")
    name, (first, last), kept = writer.variable(cell.key), writer.ends(cell.over, cell.home), writer.condition(cell, i)
    helper, start = {Reduction.SUM: ("accumulate", "0.0"), Reduction.MINIMUM: ("smaller", "math.inf"),
                     Reduction.MAXIMUM: ("larger", "(-math.inf)")}[reduction]
    value = writer.input(cell, 0, i).real
    yield f"{name}, {found} = {start}, False"
    yield f"for {i} in range({first}, {last}):"
    yield f"    {name} = {checked(f'{helper}({name}, {value})')}" if kept is None else f"    if {kept}:"
    if kept is not None:
        yield f"        {name} = {checked(f'{helper}({name}, {value})')}"
    yield f"    {found} = {'True' if kept is None else f'{found} | ({kept})'}"
    if reduction is not Reduction.SUM:
        yield f"{name} = {name} if {found} else math.nan"


def _quantile(writer: Writer, cell: Cell) -> Iterator[str]:
    count, values = _locals(writer, cell, "count", "values")
    yield from _gathered(writer, cell, with_places=False)
    yield f"{writer.variable(cell.key)} = quantile({values}[:{count}], {writer.argument(cell.inputs[-1]).real})"


def _pick_quantile(writer: Writer, cell: Cell) -> Iterator[str]:
    i, count, values, places = _locals(writer, cell, "i", "count", "values", "places")
    lower, upper, part = _locals(writer, cell, "lower", "upper", "part")
    first, last = writer.ends(cell.axis, cell.home)
    level = writer.argument(cell.inputs[-1]).real
    yield from _gathered(writer, cell, with_places=True)
    yield f"for {i} in range({first}, {last}):"
    yield f"    {writer.kept_element(cell.key, i)} = 0.0"
    yield f"{lower}, {upper}, {part} = pick_quantile({values}[:{count}], {places}[:{count}], {level})"
    yield f"if {lower} >= 0:"
    yield f"    {writer.kept_element(cell.key, lower)} += 1.0 - {part}"
    yield f"    {writer.kept_element(cell.key, upper)} += {part}"


def _pick_best(writer: Writer, cell: Cell, pick: Pick) -> Iterator[str]:
    """The first of the best; a NaN that is kept wins, so that a fault is not hidden."""
    i, x, best, bound = _locals(writer, cell, "i", "x", "best", "bound")
    first, last = writer.ends(cell.axis, cell.home)
    sign = "<" if pick.reduction is Reduction.MINIMUM else ">"
    better = f"{best} < 0 or {x} {sign} {bound} or ({x} != {x} and {bound} == {bound})"
    kept = writer.condition(cell, i)
    yield f"{best}, {bound} = -1, 0.0"
    yield f"for {i} in range({first}, {last}):"
    yield f"    {writer.kept_element(cell.key, i)} = 0.0"
    yield f"    {x} = {writer.input(cell, 0, i).real}"
    yield f"    if {better}:" if kept is None else f"    if ({kept}) and ({better}):"
    yield f"        {best}, {bound} = {i}, {x}"
    yield f"if {best} >= 0:"
    yield f"    {writer.kept_element(cell.key, best)} = 1.0"


def _scan(writer: Writer, cell: Cell, scan: Scan) -> Iterator[str]:
    i, carried = _locals(writer, cell, "i", "carried")
    first, last = writer.ends(cell.axis, cell.home)
    span = f"{last} - 1, {first} - 1, -1" if scan.from_end else f"{first}, {last}"
    yield f"{carried} = 0.0"
    yield f"for {i} in range({span}):"
    yield f"    {carried} = {writer.input(cell, 0, i).real} + {writer.input(cell, 1, i).real} * {carried}"
    yield f"    {writer.kept_element(cell.key, i)} = {carried}"


def _shift(writer: Writer, cell: Cell, shift: Shift) -> Iterator[str]:
    i, j, low, high = _locals(writer, cell, "i", "j", "low", "high")
    first, last = writer.ends(cell.axis, cell.home)
    yield f"{low}, {high} = {first}, {last}"
    yield f"for {i} in range({low}, {high}):"
    yield f"    {j} = {i} + {shift.offset}"
    yield f"    if ({low} <= {j}) & ({j} < {high}):"
    yield f"        {writer.kept_element(cell.key, i)} = {writer.input(cell, 0, j).real}"
    yield "    else:"
    yield f"        {writer.kept_element(cell.key, i)} = {writer.input(cell, 1, i).real}"


def _rank(writer: Writer, cell: Cell, rank: Rank) -> Iterator[str]:
    i, low, values, order = _locals(writer, cell, "i", "low", "values", "order")
    first, last = writer.ends(cell.axis, cell.home)
    sign = "-" if rank.descending else ""
    yield f"{low} = {first}"
    yield f"{values} = np.empty({last} - {low})"
    yield f"for {i} in range({first}, {last}):"
    yield f"    {values}[{i} - {low}] = {sign}{writer.input(cell, 0, i).real}"
    yield f'{order} = np.argsort({values}, kind="mergesort")'
    yield f"for {i} in range({order}.size):"
    yield f"    {writer.kept_element(cell.key, f'{low} + {order}[{i}]')} = {i}"


def _mirror(writer: Writer, cell: Cell) -> Iterator[str]:
    """Members stand in their order; the pairs of each follow that order, without itself."""
    me, other, i, j, low = _locals(writer, cell, "me", "other", "i", "j", "low")
    members = cell.axis.members
    first, last = writer.ends(members, cell.home)
    pairs = writer.bounds(cell.axis, members)
    yield f"{low} = {first}"
    yield f"for {me} in range({low}, {last}):"
    yield f"    for {i} in range({pairs}[{me}], {pairs}[{me} + 1]):"
    yield f"        {other} = {low} + {i} - {pairs}[{me}]"
    yield f"        {other} = {other} + 1 if {other} >= {me} else {other}"
    yield f"        {j} = {pairs}[{other}] + {me} - {low} - (1 if {me} > {other} else 0)"
    yield f"        {writer.kept_element(cell.key, i)} = {writer.input(cell, 0, j).real}"
