"""The meaning of the elementwise operations, in plain torch: obvious rather than fast.

An absent value is NaN. Every function is differentiable where that makes sense, and zero dominates: where the incoming
gradient is exactly 0, the outgoing one is exactly 0, whatever the local derivative. No second derivatives.

Knows nothing of graphs and levels. Functions of this file are copied into emitted torch modules by name, so each needs
torch and its neighbours alone; that is why one file exports them all.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import torch
from torch import Tensor

Value: TypeAlias = "Tensor | float"


# ------------------------------------------------------------------ derivatives in which zero dominates
class Linked(torch.autograd.Function):
    """A value with the local derivatives by its inputs given."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *rest: Any) -> Tensor:
        """`rest` are `count` inputs, then as many local derivatives."""
        ctx.slopes = rest[count:]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Gradient times slope; 0 where the gradient is 0."""
        gradient, = gradients
        zero = torch.zeros_like(gradient)
        flows = [torch.where(gradient == 0, zero, gradient * slope) for slope in ctx.slopes]
        return None, None, *flows, *(None for _ in flows)


def linked(value: Tensor, *pairs: tuple[Value, Value]) -> Tensor:
    """`value`, computed without gradients, with the derivative by each input of the pairs `(input, derivative)`."""
    live = [(x, slope) for x, slope in pairs if isinstance(x, Tensor) and x.requires_grad]
    if not live or not torch.is_grad_enabled():
        return value
    apply: Any = Linked.apply
    result: Tensor = apply(value, len(live), *(x for x, _ in live), *(slope for _, slope in live))
    return result


def plain(x: Value) -> Value:
    """The value without its gradient."""
    return x.detach() if isinstance(x, Tensor) else x


def tensors(*values: Value) -> tuple[Tensor, ...]:
    """All as tensors without gradients, numbers in the dtype of the first tensor."""
    like = next(value for value in values if isinstance(value, Tensor))
    return tuple(value.detach() if isinstance(value, Tensor) else like.new_tensor(value) for value in values)


# ------------------------------------------------------------------ arithmetic
def add(a: Value, b: Value) -> Value:
    """a + b."""
    return a + b


def subtract(a: Value, b: Value) -> Value:
    """a - b."""
    return a - b


def negate(x: Value) -> Value:
    """-x."""
    return -x


def multiply(a: Value, b: Value) -> Tensor:
    """a * b."""
    x, y = tensors(a, b)
    return linked(x * y, (a, y), (b, x))


def gated_multiply(a: Value, b: Value) -> Tensor:
    """a * b, and 0 wherever a is exactly 0, whatever b is."""
    x, y = tensors(a, b)
    zero = torch.zeros_like(x * y)
    return linked(torch.where(x == 0, zero, x * y), (a, y), (b, x))


def divide(a: Value, b: Value) -> Tensor:
    """a / b, by the rules of IEEE 754."""
    x, y = tensors(a, b)
    return linked(x / y, (a, 1 / y), (b, -x / (y * y)))


def power(a: Value, b: Value) -> Tensor:
    """a to the power b; absent where either is, though IEEE 754 would say 1 for some."""
    x, y = tensors(a, b)
    value = unless_missing(torch.pow(x, y), x, y)
    by_base = torch.where(y == 0, torch.zeros_like(value), y * torch.pow(x, y - 1))
    by_exponent = torch.where((x == 0) & (y >= 0), torch.zeros_like(value), value * torch.log(x))
    return linked(value, (a, by_base), (b, by_exponent))


def minimum(a: Value, b: Value) -> Tensor:
    """The smaller; of ties the first, value and gradient. Absent where either is."""
    x, y = tensors(a, b)
    second = (y < x) | torch.isnan(y)
    return torch.where(second, b, a)


def maximum(a: Value, b: Value) -> Tensor:
    """The larger; of ties the first, value and gradient. Absent where either is."""
    x, y = tensors(a, b)
    second = (y > x) | torch.isnan(y)
    return torch.where(second, b, a)


def clip(x: Value, low: Value, high: Value) -> Tensor:
    """x within `low .. high`. The gradient is 1 inside and on the bounds; outside it flows to the bound."""
    inside, lowest, highest = tensors(x, low, high)
    below = inside < lowest
    above = torch.where(below, lowest, inside) > highest
    return torch.where(above, high, torch.where(below, low, x))


def absolute(x: Tensor) -> Tensor:
    """|x|, of slope 0 at 0."""
    value = x.detach()
    return linked(torch.abs(value), (x, sign(value)))


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1; absent where x is."""
    value = x.detach()
    return torch.where(torch.isnan(value), value, torch.sign(value))


def floor(x: Tensor) -> Tensor:
    """The largest whole number that is not above x."""
    return torch.floor(x.detach())


def relu(x: Tensor) -> Tensor:
    """max(x, 0), of slope 0 at 0."""
    value = x.detach()
    return linked(torch.where(value <= 0, torch.zeros_like(value), value), (x, (value > 0).to(value.dtype)))


# ------------------------------------------------------------------ transcendental functions
def exp(x: Tensor) -> Tensor:
    """e to the power x."""
    value = torch.exp(x.detach())
    return linked(value, (x, value))


def expm1(x: Tensor) -> Tensor:
    """e to the power x, less 1."""
    value = x.detach()
    return linked(torch.expm1(value), (x, torch.exp(value)))


def log(x: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, NaN below."""
    value = x.detach()
    return linked(torch.log(value), (x, 1 / value))


def log1p(x: Tensor) -> Tensor:
    """The natural logarithm of 1 + x."""
    value = x.detach()
    return linked(torch.log1p(value), (x, 1 / (1 + value)))


def sqrt(x: Tensor) -> Tensor:
    """The square root."""
    value = torch.sqrt(x.detach())
    return linked(value, (x, 0.5 / value))


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    value = x.detach()
    return linked(torch.sigmoid(value), (x, torch.sigmoid(value) * torch.sigmoid(-value)))


def log_sigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow."""
    value = x.detach()
    low = torch.where(value > 0, torch.zeros_like(value), value)
    return linked(low - torch.log1p(torch.exp(-torch.abs(value))), (x, torch.sigmoid(-value)))


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), without overflow."""
    value = x.detach()
    high = torch.where(value < 0, torch.zeros_like(value), value)
    return linked(high + torch.log1p(torch.exp(-torch.abs(value))), (x, torch.sigmoid(value)))


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    value = torch.tanh(x.detach())
    return linked(value, (x, (1 - value) * (1 + value)))


def cos(x: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    value = x.detach()
    return linked(torch.cos(value), (x, -torch.sin(value)))


# ------------------------------------------------------------------ truth: 1 or 0; NaN compares as in IEEE 754
def truth(fact: Tensor, like: Tensor) -> Tensor:
    """1 where `fact` holds, 0 elsewhere."""
    return fact.to(like.dtype)


def less(a: Value, b: Value) -> Tensor:
    """a < b."""
    x, y = tensors(a, b)
    return truth(x < y, x)


def less_equal(a: Value, b: Value) -> Tensor:
    """a <= b."""
    x, y = tensors(a, b)
    return truth(x <= y, x)


def greater(a: Value, b: Value) -> Tensor:
    """a > b."""
    return less(b, a)


def greater_equal(a: Value, b: Value) -> Tensor:
    """a >= b."""
    return less_equal(b, a)


def equal(a: Value, b: Value) -> Tensor:
    """a == b."""
    x, y = tensors(a, b)
    return truth(x == y, x)


def not_equal(a: Value, b: Value) -> Tensor:
    """a != b."""
    x, y = tensors(a, b)
    return truth(x != y, x)


def logical_and(a: Value, b: Value) -> Tensor:
    """Both."""
    x, y = tensors(a, b)
    return truth((x > 0) & (y > 0), x)


def logical_or(a: Value, b: Value) -> Tensor:
    """At least one."""
    x, y = tensors(a, b)
    return truth((x > 0) | (y > 0), x)


def logical_not(x: Tensor) -> Tensor:
    """The opposite."""
    value = x.detach()
    return truth(~(value > 0), value)


def select(condition: Value, yes: Value, no: Value) -> Tensor:
    """`yes` where the condition holds, else `no`: the other one is not looked at."""
    fact, a, b = tensors(condition, yes, no)
    return torch.where(fact > 0, yes if isinstance(yes, Tensor) else a, no if isinstance(no, Tensor) else b)


def otherwise(x: Value, alternative: Value) -> Tensor:
    """x, or the alternative where x is absent."""
    value, _ = tensors(x, alternative)
    return torch.where(torch.isnan(value), alternative, x)


def is_missing(x: Tensor) -> Tensor:
    """Whether x is absent."""
    return torch.isnan(x.detach()).to(x.dtype)


def unless_missing(value: Tensor, *inputs: Value) -> Tensor:
    """The value; absent where an input is."""
    for x in tensors(value, *inputs)[1:]:
        value = torch.where(torch.isnan(x), math.nan, value)
    return value
