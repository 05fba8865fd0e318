"""The dataflow graph as a drawing: Graphviz' language, or an SVG of our own in layers. No layout library is needed."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Graph,
    Leaf,
    Node,
    Read,
    Reduce,
    Spread,
)
from rldsl.graph.spec import Spec

BOX, ROW, HIGH, MARGIN = 176, 74, 40, 24


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn node."""

    key: int
    title: str
    detail: str
    live: bool
    inputs: tuple[int, ...]


def boxes(spec: Spec) -> list[Box]:
    """The nodes worth drawing: spreads and constants are drawn through."""
    graph = spec.graph
    ends = {term.key: term.label for objective in spec.objectives for term in objective.terms}
    needed = _needed(graph, [*ends, *(entry.key for entry in spec.rewards)])
    kept = {key for key in needed if not isinstance(graph[key].operation, (Spread, Constant)) or key in ends}
    return [Box(key, ends.get(key) or title_of(graph[key]), str(graph[key].type), graph[key].type.is_live,
                tuple(dict.fromkeys(entry for entry in _through(graph, graph[key].inputs) if entry in kept)))
            for key in sorted(kept)]


def _needed(graph: Graph, roots: list[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(graph[key].inputs)
    return found


def _through(graph: Graph, inputs: tuple[int, ...]) -> list[int]:
    found = []
    for entry in inputs:
        key = entry
        while isinstance(graph[key].operation, Spread):
            key = graph[key].inputs[0]
        found.append(key)
    return found


def title_of(node: Node) -> str:
    """The user's name, or what the node does."""
    if node.name is not None:
        return node.name
    match node.operation:
        case Elementwise(function=function):
            return function.value
        case Reduce(reduction=reduction, to=to):
            return f"{reduction.value} per {to}"
        case Leaf(owner=owner, field=field):
            return f"{owner}.{field}" if field else owner
        case Read(kind=kind, model=model, response=response):
            return f"{kind.value}({model}, {response})"
        case Foreign(name=name):
            return name
        case Constant(value=value):
            return str(value)
        case _:
            return type(node.operation).__name__.lower()


def to_dot(spec: Spec) -> str:
    """Graphviz."""
    lines = ["digraph spec {", "  rankdir=TB; node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=11];"]
    for box in boxes(spec):
        colour = ", color=\"#c2410c\"" if box.live else ""
        lines.append(f"  n{box.key} [label=\"{_quoted(box.title)}\\n{_quoted(box.detail)}\"{colour}];")
        lines += [f"  n{entry} -> n{box.key};" for entry in box.inputs]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def to_svg(spec: Spec) -> str:
    """An SVG drawing: each node below what it needs, live ones in colour."""
    drawn = boxes(spec)
    place = _places(drawn)
    width = MARGIN * 2 + (1 + max((column for column, _ in place.values()), default=0)) * (BOX + 20)
    height = MARGIN * 2 + (1 + max((row for _, row in place.values()), default=0)) * ROW
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="Helvetica, Arial, sans-serif" font-size="11">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    parts += [_line(place[entry], place[box.key]) for box in drawn for entry in box.inputs]
    parts += [_drawn(box, place[box.key]) for box in drawn]
    return "\n".join([*parts, "</svg>"])


def _places(drawn: list[Box]) -> dict[int, tuple[int, int]]:
    row: dict[int, int] = {}
    used: dict[int, int] = {}
    place: dict[int, tuple[int, int]] = {}
    for box in drawn:
        row[box.key] = 1 + max((row[entry] for entry in box.inputs), default=-1)
        column = used.get(row[box.key], 0)
        used[row[box.key]] = column + 1
        place[box.key] = (column, row[box.key])
    return place


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return MARGIN + place[0] * (BOX + 20), MARGIN + place[1] * ROW


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    return (f'<path d="M{x1 + BOX // 2},{y1 + HIGH} C{x1 + BOX // 2},{y1 + ROW - 6} {x2 + BOX // 2},{y2 - 28} '
            f'{x2 + BOX // 2},{y2}" fill="none" stroke="#94a3b8"/>')


def _drawn(box: Box, place: tuple[int, int]) -> str:
    x, y = _corner(place)
    stroke, fill = ("#c2410c", "#fff7ed") if box.live else ("#334155", "#f8fafc")
    title, detail = (escape(entry if len(entry) <= 28 else entry[:27] + "…") for entry in (box.title, box.detail))
    return (f'<g><title>{escape(box.title)} : {escape(box.detail)}</title>'
            f'<rect x="{x}" y="{y}" width="{BOX}" height="{HIGH}" rx="6" fill="{fill}" stroke="{stroke}"/>'
            f'<text x="{x + BOX // 2}" y="{y + 16}" text-anchor="middle" font-weight="bold">{title}</text>'
            f'<text x="{x + BOX // 2}" y="{y + 31}" text-anchor="middle" fill="#475569">{detail}</text></g>')
