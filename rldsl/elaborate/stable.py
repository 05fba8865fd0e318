"""Forms that neither overflow nor cancel, in place of those that were written: the user writes what is meant.

`log(1 + x)`, `exp(x) - 1`, `log(sigmoid(x))`, `log(1 + exp(x))`, `log(sum(exp(x), per: …))` and their kind are equal to what stands
here wherever both are exact; where the written form loses digits or overflows, this one does not. Recognised by operation,
whoever wrote the parts, a library function as well. Changes no meaning, liveness or level.
"""

from __future__ import annotations

from rldsl.graph.model import Constant, Elementwise, Function, Node, Reduce, Reduction, Spread
from rldsl.infer import Builder
from rldsl.source import Span

LARGEST = 1e300  # within which the shift of a sum of exponentials stays, so that infinities pass as they would


def stable(builder: Builder, function: Function, keys: tuple[int, ...], span: Span | None) -> int | None:
    """The key of the better form; None where what was written is good."""
    form = _Form(builder, span)
    match function:
        case Function.LOG:
            return form.log(keys[0])
        case Function.SUBTRACT:
            return form.subtract(*keys)
        case Function.ADD:
            return form.add(*keys)
        case Function.DIVIDE:
            return form.divide(*keys)
        case _:
            return None


class _Form:
    def __init__(self, builder: Builder, span: Span | None) -> None:
        self.builder, self.span = builder, span

    # ------------------------------------------------------------ small words
    def make(self, function: Function, *keys: int) -> int:
        return self.builder.elementwise(function, *keys, span=self.span)

    def node(self, key: int) -> Node:
        """What a value is a copy of."""
        node = self.builder[key]
        while isinstance(node.operation, Spread):
            node = self.builder[node.inputs[0]]
        return node

    def is_number(self, key: int, value: float) -> bool:
        """Whether it is this constant."""
        operation = self.node(key).operation
        return isinstance(operation, Constant) and not isinstance(operation.value, str | bool) and operation.value == value

    def inside(self, key: int, function: Function) -> int | None:
        """The argument, if the value is this function of one."""
        node = self.node(key)
        return node.inputs[0] if node.operation == Elementwise(function) else None

    # ------------------------------------------------------------ forms
    def log(self, key: int) -> int | None:
        """`log` of a product, sum or difference that is better not formed."""
        if (x := self.inside(key, Function.SIGMOID)) is not None:
            return self.make(Function.LOG_SIGMOID, x)
        node = self.node(key)
        match node.operation:
            case Elementwise(function=Function.ADD):
                return self._log_of_one_more(*node.inputs)
            case Elementwise(function=Function.SUBTRACT) if self.is_number(node.inputs[0], 1):
                if (x := self.inside(node.inputs[1], Function.SIGMOID)) is not None:
                    return self.make(Function.LOG_SIGMOID, self.make(Function.NEGATE, x))
                return self.make(Function.LOG1P, self.make(Function.NEGATE, node.inputs[1]))
            case Reduce(reduction=Reduction.SUM | Reduction.MEAN):
                return self._log_of_sum(node, node.operation)
            case _:
                return None

    def _log_of_one_more(self, first: int, second: int) -> int | None:
        """`log(1 + x)`."""
        one, x = (first, second) if self.is_number(first, 1) else (second, first)
        if not self.is_number(one, 1):
            return None
        power = self.inside(x, Function.EXP)
        return self.make(Function.LOG1P, x) if power is None else self.make(Function.SOFTPLUS, power)

    def _log_of_sum(self, node: Node, reduce: Reduce) -> int | None:
        """`log(sum(w exp(x)))`, as `top + log(sum(w exp(x - top)))` with the largest x."""
        terms = node.inputs[0]
        weight: int | None = None
        power = self.inside(terms, Function.EXP)
        product = self.node(terms)
        if power is None and product.operation == Elementwise(Function.MULTIPLY):
            found = [(self.inside(product.inputs[place], Function.EXP), product.inputs[1 - place]) for place in (0, 1)]
            power, weight = next(((inner, other) for inner, other in found if inner is not None), (None, None))
        if power is None:
            return None
        axis, build = self.builder[terms].type.axis, self.builder
        x = build.spread(power, axis, self.span)
        mask = node.inputs[1] if reduce.masked else None
        top = build.freeze(build.reduce(Reduction.MAXIMUM, x, reduce.to, mask, span=self.span), self.span)
        zero, bound = build.constant(0.0), build.constant(LARGEST)
        top = self.make(Function.CLIP, self.make(Function.OTHERWISE, top, zero), self.make(Function.NEGATE, bound), bound)
        small = self.make(Function.EXP, self.make(Function.SUBTRACT, x, build.spread(top, axis, self.span)))
        summed = build.reduce(reduce.reduction, small if weight is None else self.make(Function.MULTIPLY, weight, small),
                              reduce.to, mask, span=self.span)
        return self.make(Function.ADD, self.make(Function.LOG, summed), top)

    def add(self, first: int, second: int) -> int | None:
        """`exp(x) + -1`."""
        power, one = (first, second) if self.is_number(second, -1) else (second, first)
        x = self.inside(power, Function.EXP)
        return None if x is None or not self.is_number(one, -1) else self.make(Function.EXPM1, x)

    def subtract(self, first: int, second: int) -> int | None:
        """`exp(x) - 1`, `1 - exp(x)`, `1 - sigmoid(x)`."""
        if self.is_number(second, 1) and (x := self.inside(first, Function.EXP)) is not None:
            return self.make(Function.EXPM1, x)
        if not self.is_number(first, 1):
            return None
        if (x := self.inside(second, Function.EXP)) is not None:
            return self.make(Function.NEGATE, self.make(Function.EXPM1, x))
        if (x := self.inside(second, Function.SIGMOID)) is not None:
            return self.make(Function.SIGMOID, self.make(Function.NEGATE, x))
        return None

    def divide(self, first: int, second: int) -> int | None:
        """`exp(a) / exp(b)`, `1 / (1 + exp(x))`."""
        if (below := self.inside(second, Function.EXP)) is not None and (above := self.inside(first, Function.EXP)) is not None:
            return self.make(Function.EXP, self.make(Function.SUBTRACT, above, below))
        node = self.node(second)
        if not self.is_number(first, 1) or node.operation != Elementwise(Function.ADD):
            return None
        one, other = node.inputs if self.is_number(node.inputs[0], 1) else node.inputs[::-1]
        x = self.inside(other, Function.EXP)
        return None if x is None or not self.is_number(one, 1) else self.make(Function.SIGMOID, self.make(Function.NEGATE, x))
