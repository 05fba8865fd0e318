"""From the grammar's expression, type and setting rules to tree nodes: one function a rule, of the rule's name.

Each takes the span of the rule's text and the rule's parts. No meaning, no messages.
"""

from __future__ import annotations

import re

from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.syntax.tokens import Token
from rldsl.syntax.tree import Expr

ACTION_WORDS = frozenset({"stop", "skip", "warn"})
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


def span_of(token: Token, file: str) -> Span:
    """Where a token stands."""
    return Span(file, token.start, token.end)


def text_of(token: Token) -> str:
    """The text that a string token stands for."""
    body = token.text[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], body) if "\\" in body else body


# ------------------------------------------------------------------ atoms
def number(span: Span, token: Token) -> Expr:
    return tree.Number(float(token.text), token.text, span=span)


def duration(span: Span, token: Token) -> Expr:
    digits = token.text.rstrip("msh")
    return tree.Duration(float(digits) * _SECONDS[token.text[len(digits) :]], token.text, span=span)


def string(span: Span, token: Token) -> Expr:
    return tree.String(text_of(token), span=span)


def yes(span: Span) -> Expr:
    return tree.Bool(True, span=span)


def no(span: Span) -> Expr:
    return tree.Bool(False, span=span)


def name(span: Span, token: Token) -> Expr:
    return tree.Name(token.text, span=span)


def items(span: Span, *values: Expr) -> tuple[Expr, ...]:
    return values


def list_of(span: Span, values: tuple[Expr, ...] | None, level: str | None) -> Expr:
    return tree.ListOf(values or (), level, span=span)


# ------------------------------------------------------------------ postfix
def field_of(span: Span, base: Expr, field: Token) -> Expr:
    return tree.Field(base, field.text, span_of(field, span.file), span=span)


def positional(span: Span, value: Expr) -> tree.Argument:
    return tree.Argument(value, span=span)


def named(span: Span, key: Token, value: Expr) -> tree.Argument:
    return tree.Argument(value, key.text, span=span)


def arguments(span: Span, *values: tree.Argument) -> tuple[tree.Argument, ...]:
    return values


def call(span: Span, callee: Expr, opening: Token, values: tuple[tree.Argument, ...] | None) -> Expr:
    return tree.Call(callee, values or (), span=span)


# ------------------------------------------------------------------ operators
def disjunction(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("or", left, right, span=span)


def conjunction(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("and", left, right, span=span)


def negation(span: Span, operand: Expr) -> Expr:
    return tree.Unary("not", operand, span=span)


def compare(span: Span, operator: Token) -> str:
    return operator.text


def comparison(span: Span, left: Expr, operator: str, right: Expr) -> Expr:
    return tree.Binary(operator, left, right, span=span)


def given(span: Span, response: Expr, context: Expr) -> Expr:
    return tree.Given(response, context, span=span)


def addition(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("+", left, right, span=span)


def subtraction(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("-", left, right, span=span)


def multiplication(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("*", left, right, span=span)


def division(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("/", left, right, span=span)


def minus(span: Span, operand: Expr) -> Expr:
    return tree.Unary("-", operand, span=span)


def power(span: Span, left: Expr, right: Expr) -> Expr:
    return tree.Binary("^", left, right, span=span)


def otherwise(span: Span, value: Expr, alternative: Expr) -> Expr:
    match alternative:
        case tree.Name(text=word) if word in ACTION_WORDS:
            return tree.Else(value, tree.Action(word, span=alternative.span), span=span)
    return tree.Else(value, alternative, span=span)


# ------------------------------------------------------------------ settings
def bounds(span: Span, low: Expr, high: Expr) -> Expr:
    return tree.Bounds(low, high, span=span)


def arrow(span: Span, start: Expr, end: Expr) -> Expr:
    return tree.Arrow(start, end, span=span)


def unit(span: Span, word: Token) -> str:
    return word.text


def quantity(span: Span, amount: Expr, word: str) -> Expr:
    return tree.Quantity(amount, word, span=span)


def setting(span: Span, key: Token, value: Expr) -> tree.Setting:
    return tree.Setting(key.text, value, span=span)


def settings(span: Span, *values: tree.Setting) -> tuple[tree.Setting, ...]:
    return values


# ------------------------------------------------------------------ types
def dotted(span: Span, *words: Token) -> str:
    return ".".join(word.text for word in words)


def extra(span: Span, *words: Token) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def closed(span: Span, low: Expr, high: Expr) -> tree.IntervalOf:
    return tree.IntervalOf("[", (low, high), "]", span=span)


def closed_open(span: Span, low: Expr, high: Expr) -> tree.IntervalOf:
    return tree.IntervalOf("[", (low, high), ")", span=span)


def open_closed(span: Span, low: Expr, high: Expr) -> tree.IntervalOf:
    return tree.IntervalOf("(", (low, high), "]", span=span)


def open_interval(span: Span, low: Expr, high: Expr) -> tree.IntervalOf:
    return tree.IntervalOf("(", (low, high), ")", span=span)


def finite(span: Span, *values: Expr) -> tree.IntervalOf:
    return tree.IntervalOf("{", values, "}", span=span)


def absent(span: Span) -> bool:
    return True


def type_of(span: Span, element: Token, axes: tuple[str, ...] | None, interval: tree.IntervalOf | None,
            optional: bool | None, level: str | None) -> tree.TypeExpr:
    return tree.TypeExpr(element.text, axes or (), interval, level, bool(optional), span=span)
