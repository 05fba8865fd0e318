"""What a difference means, in a line. Empty where nothing shorter than the equations can be said."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rldsl.difference.show import show_setting
from rldsl.difference.side import Ref, Side, View, show_number
from rldsl.graph.model import (
    Elementwise,
    Foreign,
    Function,
    Leaf,
    Node,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    Scan,
    Shift,
    SourceKind,
)
from rldsl.types import BATCH, Axis, Level, Version

WEIGHTS = {Version.CURRENT: "under the current weights", Version.ITERATION: "under the weights at the start of the iteration",
            Version.SAMPLER: "as the sampler recorded it", Version.FROZEN: "under frozen weights",
            Version.AVERAGE: "under an average of the weights so far", Version.STORED: "under weights of earlier iterations"}
_DEVIATIONS = {Reduction.STD: "the standard deviation (n - 1)", Reduction.STD_POPULATION: "the standard deviation (n)",
               Reduction.VAR: "the variance (n - 1)", Reduction.VAR_POPULATION: "the variance (n)", Reduction.MINIMUM: "the least",
               Reduction.MAXIMUM: "the largest"}
_ANSWERS = {Level.PROMPT: "prompt", Level.SAMPLE: "answer", Level.BATCH: "the batch"}


def arrow(before: str, after: str) -> str:
    """`before → after`."""
    return f"{before} → {after}"


# ------------------------------------------------------------------ levels
def level_word(axis: Axis) -> str:
    """What stands on an axis: `token`, `answer`, `prompt`."""
    return _ANSWERS.get(axis.level, axis.level.word)


def per(axis: Axis) -> str:
    """`per prompt`, `per step (at ';')`, `over the batch`."""
    made = f" ({axis.maker})" if axis.over is not None else ""
    return "over the batch" if axis == BATCH else f"per {level_word(axis)}{made}"


def reduction_word(reduction: Reduction) -> str:
    """`the mean`, `the standard deviation (n - 1)`."""
    return _DEVIATIONS.get(reduction, f"the {reduction.value}")


# ------------------------------------------------------------------ numbers
def of_added_number(side: Side, view: View) -> str:
    """What a number that is added to something is."""
    for part in view.parts:
        operation = side.node(side.bare(part.ref)).operation
        match operation:
            case Reduce(reduction=Reduction.STD | Reduction.STD_POPULATION):
                return "std guard"
            case Reduce(reduction=Reduction.VAR | Reduction.VAR_POPULATION):
                return "guard of the variance"
            case _:
                pass
    return "constant"


def _written(side: Side, ref: Ref) -> str:
    number = side.of(ref).number
    return side.equation(ref) if number is None else show_number(number)


# ------------------------------------------------------------------ one operation, other constants
def of_constants(before: Side, after: Side, first: Ref, second: Ref) -> str:
    """What differs in two operations of one kind, beside what they are of."""
    nodes = before.node(before.bare(first)), after.node(after.bare(second))
    return "; ".join(_constants(before, after, *nodes))


def _constants(before: Side, after: Side, first: Node, second: Node) -> Iterator[str]:
    match first.operation, second.operation:
        case (Elementwise(function=Function.CLIP), Elementwise(function=Function.CLIP)):
            yield from _bounds(before, after, first, second)
        case Read() as read, Read() as other:
            yield from _reads(before, after, read, other)
        case Reduce() as reduce, Reduce() as other:
            yield from _reductions(before, after, first, second, reduce, other)
        case Foreign() as call, Foreign() as other:
            yield from _calls(call, other)
        case (Scan(per=axis, from_end=from_end), Scan(per=other_axis, from_end=other_end)):
            yield from _levels(before, after, axis, other_axis, "runs")
            yield from _number("decay", before.of(Ref(first.inputs[1])).number, after.of(Ref(second.inputs[1])).number)
            if from_end != other_end:
                yield arrow(*(f"from the {'end' if end else 'start'}" for end in (from_end, other_end)))
        case (Shift(offset=offset), Shift(offset=other)) if offset != other:
            yield arrow(f"{offset:+d} places", f"{other:+d} places")
        case (Rank(per=axis, descending=down), Rank(per=other_axis, descending=other)):
            yield from _levels(before, after, axis, other_axis, "ranked")
            if down != other:
                yield arrow(*("the largest first" if descending else "the least first" for descending in (down, other)))
        case _:
            pass


def _bounds(before: Side, after: Side, first: Node, second: Node) -> Iterator[str]:
    texts = [" .. ".join(_written(side, Ref(key)) for key in node.inputs[1:]) for side, node in ((before, first), (after, second))]
    if any(before.of(Ref(key)) != after.of(Ref(other)) for key, other in zip(first.inputs[1:], second.inputs[1:], strict=True)):
        yield f"clip {arrow(*texts)}"


def _number(what: str, first: Fraction | None, second: Fraction | None) -> Iterator[str]:
    if first is not None and second is not None and first != second:
        yield f"{what} {arrow(show_number(first), show_number(second))}"


def _levels(before: Side, after: Side, axis: Axis, other: Axis, verb: str) -> Iterator[str]:
    if before.names.axis(axis) != after.names.axis(other):
        yield f"{verb} {arrow(per(axis), per(other))}"


def _reductions(before: Side, after: Side, first: Node, second: Node, reduce: Reduce, other: Reduce) -> Iterator[str]:
    if before.names.axis(reduce.to) != after.names.axis(other.to):
        yield f"{reduction_word(reduce.reduction)} {arrow(per(reduce.to), per(other.to))}"
    if reduce.masked != other.masked:
        masks = (f"those where {side.equation(Ref(node.inputs[1]))}" if operation.masked else "all"
                 for side, node, operation in ((before, first, reduce), (after, second, other)))
        yield f"{reduction_word(reduce.reduction)} of {arrow(*masks)}"


def _reads(before: Side, after: Side, read: Read, other: Read) -> Iterator[str]:
    models = [side.names.models.get(name, name) for side, name in ((before, read.model), (after, other.model))]
    if models[0] != models[1]:
        yield f"{read.kind.value} of {arrow(read.model, other.model)}"
    if read.version != other.version:
        yield arrow(WEIGHTS[read.version], WEIGHTS[other.version])
    if read.temperature != other.temperature:
        yield f"temperature {arrow(show_setting(read.temperature), show_setting(other.temperature))}"
    if read.within != other.within:
        yield arrow(*("within what was drawn from" if entry.within else "over the whole vocabulary" for entry in (read, other)))
    seconds = [side.names.models.get(name or "", name) for side, name in ((before, read.other), (after, other.other))]
    if seconds[0] != seconds[1]:
        yield f"against {arrow(str(read.other), str(other.other))}"
    responses = [side.names.owners.get(name, name) for side, name in ((before, read.response), (after, other.response))]
    if responses[0] != responses[1]:
        yield f"of the tokens of {arrow(read.response, other.response)}"


def _calls(call: Foreign, other: Foreign) -> Iterator[str]:
    settings = dict(call.settings), dict(other.settings)
    for word in sorted({*settings[0], *settings[1]}):
        values = [show_setting(entry[word]) if word in entry else "not set" for entry in settings]
        if values[0] != values[1]:
            yield f"{word} {arrow(*values)}"


# ------------------------------------------------------------------ another operation
def of_replacement(before: Side, after: Side, first: Ref, second: Ref) -> str:
    """What it means that one value stands in place of another."""
    numbers = before.of(first).number, after.of(second).number
    if numbers[0] is not None and numbers[1] is not None:
        return arrow(show_number(numbers[0]), show_number(numbers[1]))
    nodes = before.node(before.bare(first)), after.node(after.bare(second))
    sources = [_log_probability(node) for node in nodes]
    if all(sources):
        return f"log-probability {arrow(*sources)}"
    schedules = [_scheduled(side, node, side.of(ref).number) for side, node, ref in
                 ((before, nodes[0], first), (after, nodes[1], second))]
    if all(schedules):
        return arrow(*schedules)
    match nodes[0].operation, nodes[1].operation:
        case Reduce(reduction=reduction), Reduce(reduction=other):
            return arrow(reduction_word(reduction), reduction_word(other))
        case Foreign() as call, Foreign() as other:
            return arrow(*(_called(side, entry) for side, entry in ((before, call), (after, other))))
        case _:
            return ""


def _called(side: Side, call: Foreign) -> str:
    """A function of the host by its name; a foreign one by what it calls."""
    kind, _, own = call.name.partition(":")
    source = next((entry.source for entry in side.spec.externs if entry.name == own), None) if kind == "extern" else None
    return own or kind if source is None else f"{own} = {show_setting(source)}"


def _log_probability(node: Node) -> str:
    match node.operation:
        case Leaf(kind=SourceKind.RECORDED, field="logp", owner=owner):
            return f"of {owner} as the sampler recorded it"
        case Read(kind=ReadKind.LOGP, model=model, version=version):
            return f"of {model} {WEIGHTS[version]}"
        case _:
            return ""


def _scheduled(side: Side, node: Node, number: object) -> str:
    """A parameter with its schedule, or a number."""
    match node.operation:
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            return f"{owner} = {show_setting(next(param.value for param in side.spec.params if param.name == owner))}"
        case _:
            return "" if number is None else str(number)
