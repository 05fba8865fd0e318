"""Graph values as equations, in plain text and in LaTeX: what will run, not what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from rldsl.graph.members import side_by_side
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Mirror,
    Node,
    Pick,
    Position,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Scan,
    Shift,
    Size,
    SourceKind,
    Spread,
)
from rldsl.types import BATCH, Axis, Version, format_number

PLACES = ("place", "match")  # inputs of calls that say what belongs together, and which pairs are asked about


class Style(Enum):
    """How an equation is written."""

    TEXT = "text"
    LATEX = "latex"


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`, and the definitions of the names that occur in it, in the order of their needs."""

    left: str
    right: str
    definitions: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Writer:
    """Writes the nodes of one graph; named nodes are written by name and defined once."""

    graph: Graph
    style: Style
    defined: dict[int, str] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)

    def expression(self, key: int, binding: int = 0, *, by_name: bool = True) -> str:
        """The text of a node, in brackets where the operators around it bind tighter than `binding`."""
        node = self.graph[key]
        if by_name and node.name is not None and not isinstance(node.operation, (Leaf, Constant)):
            self._define(node)
            return self.word(node.name)
        if isinstance(node.operation, Spread):
            return self.expression(node.inputs[0], binding)
        text, own = self._written(node)
        return self.brackets(text) if own < binding else text

    def _define(self, node: Node) -> None:
        if node.key not in self.defined:
            self.defined[node.key] = ""
            text = self.expression(node.key, by_name=False)
            del self.defined[node.key]
            self.defined[node.key] = text

    def _written(self, node: Node) -> tuple[str, int]:
        match node.operation:
            case Constant(value=value):
                return self._constant(value), 9
            case Leaf():
                return self._leaf(node.operation), 9
            case Elementwise(function=Function.SELECT) if (parts := side_by_side(self.graph, node.key)) is not None:
                return self.call("each", [self.expression(part) for part in parts]), 9
            case Elementwise(function=function):
                return self._elementwise(function, node.inputs)
            case Reduce() as reduce:
                return self._reduce(reduce, node), 9
            case Pick(reduction=reduction, to=to):
                return self.call(f"pick_{reduction.value}", [self.expression(node.inputs[0])], str(to)), 9
            case Spread():
                return self.expression(node.inputs[0], 9), 9
            case Scan(per=per, from_end=from_end):
                name = "scan_from_end" if from_end else "scan"
                return self.call(name, [self.expression(entry) for entry in node.inputs], str(per)), 9
            case Shift(offset=offset):
                return self.call("next" if offset > 0 else "prev", [self.expression(node.inputs[0])]), 9
            case Rank(per=per):
                return self.call("rank", [self.expression(node.inputs[0])], str(per)), 9
            case Mirror(per=per):
                return self.call("others", [self.expression(node.inputs[0])], str(per)), 9
            case Position(axis=axis):
                return self.call("position", [], str(axis)), 9
            case Size(axis=axis, to=to):
                return self.size(axis, to), 9
            case Read():
                return self.read(node.operation), 9
            case Freeze():
                return self.call("sg" if self.style is Style.LATEX else "frozen", [self.expression(node.inputs[0])]), 9
            case Foreign(name=name):
                return self.call(name, [self.expression(entry) for entry in self._told(node, node.operation)]), 9
            case _:
                assert_never(node.operation)

    def _told(self, node: Node, call: Foreign) -> Sequence[int]:
        """The inputs of a call but those that only say which question an item belongs to."""
        if len(call.names) != len(node.inputs):
            return node.inputs
        return [key for word, key in zip(call.names, node.inputs, strict=True)
                if word not in PLACES and not isinstance(self._copied(key).operation, Position)]

    def _copied(self, key: int) -> Node:
        node = self.graph[key]
        return self._copied(node.inputs[0]) if isinstance(node.operation, Spread) else node

    # ------------------------------------------------------------ leaves
    def _constant(self, value: float | bool | str) -> str:
        if isinstance(value, bool):
            return "1" if value else "0"
        if isinstance(value, str):
            shown = value if len(value) <= 24 else value[:23] + "…"
            return f"\\text{{{_escape(shown)}}}" if self.style is Style.LATEX else repr(shown)
        if value != value:
            return self.word("absent")
        return format_number(value).replace("inf", "\\infty" if self.style is Style.LATEX else "inf")

    def _leaf(self, leaf: Leaf) -> str:
        match leaf.kind:
            case SourceKind.RECORDED if leaf.field == "logp":
                return f"\\log \\mu({_escape(leaf.owner)})" if self.style is Style.LATEX else f"log mu({leaf.owner})"
            case SourceKind.PARAM | SourceKind.STATE | SourceKind.PROGRESS:
                return self.word(leaf.owner)
            case SourceKind.GIVEN:
                return self.word(leaf.field or leaf.owner)
            case _:
                return self.word(f"{leaf.owner}.{leaf.field}")

    def word(self, text: str) -> str:
        """A name."""
        if self.style is Style.TEXT:
            return text
        return _escape(text) if len(text) == 1 else f"\\mathrm{{{_escape(text)}}}"

    def read(self, read: Read) -> str:
        """A model read: `log pi_actor(y)`."""
        name = read.model + (",old" if read.version is Version.ITERATION else "")
        latex = self.style is Style.LATEX
        heat = "" if read.temperature == 1 else f"; T={format_number(read.temperature)}"
        heat += ("; \\mathrm{within}" if latex else "; within") if read.within else ""
        who = f"\\pi_{{\\mathrm{{{_escape(name)}}}}}" if latex else f"pi_{name}"
        of = self.word(read.response)
        match read.kind:
            case ReadKind.LOGP:
                return (f"\\log {who}({of}{heat})" if latex else f"log {who}({of}{heat})")
            case ReadKind.PROBE:
                return self.word(read.probe or "probe")
            case ReadKind.SCORE if read.tokens is None:
                return self.call("score", [of, "\\text{each token}" if latex else "each token"], name)
            case ReadKind.VALUE | ReadKind.SCORE:
                return self.call(read.kind.value, [of], name)
            case ReadKind.PRODUCT | ReadKind.HIDDEN:
                return self.call("product" if read.kind is ReadKind.PRODUCT else "hidden", [read.model, of])
            case _ if read.other is not None:
                other = f"\\pi_{{\\mathrm{{{_escape(read.other)}}}}}" if latex else f"pi_{read.other}"
                both = f"{who} || {other}".replace("||", "\\|" if latex else "||")
                return self.call(*_divergence(read, [both, of + heat]))
            case _:
                return self.call(read.kind.value, [who, of + heat])

    # ------------------------------------------------------------ forms
    def brackets(self, text: str) -> str:
        """`(text)`."""
        return f"\\left({text}\\right)" if self.style is Style.LATEX else f"({text})"

    def call(self, name: str, arguments: Sequence[str], below: str = "") -> str:
        """`name_{below}(arguments)`."""
        inner = ", ".join(arguments)
        if self.style is Style.LATEX:
            index = f"_{{\\text{{{_escape(below)}}}}}" if below else ""
            return f"\\operatorname{{{_escape(name)}}}{index}\\left({inner}\\right)"
        return f"{name}{'_{' + below + '}' if below else ''}({inner})"

    def size(self, axis: Axis, to: Axis) -> str:
        """The number of places of an axis."""
        inner = f"{axis}" if to == BATCH else f"{axis} per {to}"
        return f"\\left|\\text{{{_escape(inner)}}}\\right|" if self.style is Style.LATEX else f"|{inner}|"

    def _reduce(self, reduce: Reduce, node: Node) -> str:
        source = self.graph[node.inputs[0]].type.axis
        arguments = [self.expression(node.inputs[0])]
        if reduce.masked:
            arguments.append("where " + self.expression(node.inputs[1]) if self.style is Style.TEXT
                             else "\\text{where }" + self.expression(node.inputs[1]))
        if len(node.inputs) > 1 + reduce.masked:
            arguments.append(self.expression(node.inputs[-1]))
        below = f"{source}" if reduce.to == BATCH else f"{source} in {reduce.to}"
        return self.call(reduce.reduction.value, arguments, below)

    def _elementwise(self, function: Function, inputs: tuple[int, ...]) -> tuple[str, int]:
        if function in _INFIX:
            text, latex, own, right = _INFIX[function]
            if function is Function.DIVIDE and self.style is Style.LATEX:
                return f"\\frac{{{self.expression(inputs[0])}}}{{{self.expression(inputs[1])}}}", 9
            sign = latex if self.style is Style.LATEX else text
            return f"{self.expression(inputs[0], own)} {sign} {self.expression(inputs[1], right)}", own
        return self._special(function, inputs)

    def _special(self, function: Function, inputs: tuple[int, ...]) -> tuple[str, int]:
        parts = [self.expression(entry) for entry in inputs]
        latex = self.style is Style.LATEX
        match function:
            case Function.NEGATE:
                return f"-{self.expression(inputs[0], 4)}", 3
            case Function.NOT:
                return ("\\lnot " if latex else "not ") + self.expression(inputs[0], 3), 2
            case Function.POWER:
                base, top = self.expression(inputs[0], 6), self.expression(inputs[1])
                return (f"{base}^{{{top}}}" if latex else f"{base}^{self.expression(inputs[1], 6)}"), 6
            case Function.SQRT if latex:
                return f"\\sqrt{{{parts[0]}}}", 9
            case Function.ABSOLUTE:
                return (f"\\left|{parts[0]}\\right|" if latex else f"|{parts[0]}|"), 9
            case Function.SELECT:
                return self.call("where", parts), 9
            case Function.OTHERWISE:
                return parts[0] + (" \\text{ else } " if latex else " else ") + parts[1], 0
            case _:
                return self.call(_NAMES.get(function, function.value), parts), 9


_INFIX = {
    Function.ADD: ("+", "+", 3, 3), Function.SUBTRACT: ("-", "-", 3, 4), Function.MULTIPLY: ("*", "\\cdot", 4, 4),
    Function.GATED_MULTIPLY: ("*", "\\cdot", 4, 4), Function.DIVIDE: ("/", "/", 4, 5),
    Function.LESS: ("<", "<", 2, 3), Function.LESS_EQUAL: ("<=", "\\le", 2, 3), Function.GREATER: (">", ">", 2, 3),
    Function.GREATER_EQUAL: (">=", "\\ge", 2, 3), Function.EQUAL: ("==", "=", 2, 3),
    Function.NOT_EQUAL: ("!=", "\\ne", 2, 3), Function.AND: ("and", "\\land", 1, 2), Function.OR: ("or", "\\lor", 0, 1),
}
_NAMES = {Function.MINIMUM: "min", Function.MAXIMUM: "max"}
_SPECIAL = str.maketrans({"_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$", "{": "\\{", "}": "\\}",
                          "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}", "\n": " "})


def _divergence(read: Read, arguments: list[str]) -> tuple[str, list[str], str]:
    """Name, arguments and what stands below the name: `JS_{0.3}`, `D_{alpha 0.5}`."""
    match read.kind, read.parameter:
        case ReadKind.ALPHA, float(alpha):
            return "D", arguments, f"alpha {format_number(alpha)}"
        case ReadKind.JS, float(weight) if weight != 0.5:
            return "JS", arguments, format_number(weight)
        case _:
            return read.kind.value.upper(), arguments, ""


def _escape(text: str) -> str:
    return text.translate(_SPECIAL)


def equation_of(graph: Graph, left: str, key: int, style: Style) -> Equation:
    """The equation of one value with the definitions of every named value that it uses."""
    writer = Writer(graph, style)
    right = writer.expression(key)
    definitions = tuple((writer.word(graph[entry].name or ""), text) for entry, text in writer.defined.items())
    return Equation(left, right, definitions)
