"""Expressions that are the same mathematics have one hash, and expressions that are not have two."""

from __future__ import annotations

import pytest

from rldsl.canonical.definitions import definition_of
from rldsl.loading import library_only
from rldsl.resolve.modules import ModuleTable
from rldsl.source import Source
from rldsl.syntax import tree

# a and b stand @ token, c @ sample, m is true or false @ token; per: the prompt, where not said
SAME = [
    ("a + b", "b + a"), ("a - b", "-(b - a)"), ("a * b * c", "c * (b * a)"), ("(a + b) * 2", "2 * b + a * 2"),
    ("(a + b) ^ 2", "a ^ 2 + 2 * a * b + b ^ 2"), ("a / b / 4", "0.25 * a / b"), ("a / (2 * b)", "0.5 * a / b"),
    ("0.1 + 0.2 + a", "a + 0.3"), ("1 / 3 * a", "a / 3"), ("a - a + b", "b"), ("a / (b * c)", "a / c / b"),
    ("exp(a) * exp(b)", "exp(a + b)"), ("exp(a) / exp(b)", "exp(a - b)"), ("exp(2 * log(c)) * a", "c * c * a"),
    ("log(sigmoid(a))", "-softplus(-a)"), ("log_sigmoid(a)", "-log1p(exp(-a))"), ("exp(a) - 1", "expm1(a)"),
    ("log(exp(a) / exp(b))", "a - b"), ("log(2 - 2 * c)", "log1p(-c) + log(2)"), ("sqrt(4 * c)", "2 * c ^ 0.5"),
    ("tanh(-a)", "-tanh(a)"), ("abs(a - b)", "abs(b - a)"), ("sign(3 * a)", "sign(a)"), ("relu(a)", "max(0, a)"),
    ("max(a, b)", "-min(-a, -b)"), ("min(a, min(b, c))", "min(min(c, a), b)"), ("min(2 * a, 2 * b)", "2 * min(b, a)"),
    ("clip(a, 0.8 .. 1.2)", "min(max(a, 0.8), 1.2)"),
    ("min(a * c, clip(a, 0.8 .. 1.2) * c)", "-max(-clip(a, 0.8 .. 1.2) * c, -a * c)"),
    ("where(a > b, a, b)", "where(b < a, a, b)"), ("where(a > b, a, b)", "where(a <= b, b, a)"),
    ("where(not m, a, b)", "where(m, b, a)"), ("where(m, -a, -b)", "-where(m, a, b)"),
    ("where(a >= 2 * b, a, b)", "where(0.5 * a >= b, a, b)"), ("where(m and a > 0, a, b)", "where(a > 0 and m, a, b)"),
    ("where(a != b, a, b)", "where(b == a, b, a)"), ("mean(2 * a)", "2 * mean(a)"), ("mean(a + b)", "mean(b) + mean(a)"),
    ("mean(a)", "sum(a) / count(a)"), ("mean(a - 1)", "mean(a) - 1"), ("sum(sum(a, per: sample))", "sum(a)"),
    ("mean(a * c, per: sample)", "c * mean(a, per: sample)"),
    ("sum(c * mean(a, per: sample), per: prompt)", "sum(mean(c * a, per: sample), per: prompt)"),
    ("mean(mean(a, per: sample) + mean(b, per: sample))", "mean(mean(a + b, per: sample))"),
    ("mean(spread(c, to: a))", "sum(c * count(a, per: sample)) / count(a)"),
    ("sum(where(m, a, 0))", "sum(where(not m, 0, a))"), ("count(m)", "sum(where(m, 1, 0))"),
    ("std(-3 * c, per: prompt)", "3 * std(c, per: prompt)"), ("var(2 * c, per: prompt)", "4 * var(c, per: prompt)"),
    ("max(-c, per: prompt)", "-min(c, per: prompt)"),
    ("scan(2 * a, decay: 0.5, from: end)", "2 * scan(a, decay: 0.5, from: end)"), ("next(-a, fill: 0)", "-next(a)"),
    ("frozen(a * b)", "frozen(b) * frozen(a)"), ("frozen(exp(a)) * b", "b * exp(frozen(a))"),
    ("where(frozen(a) > 0, a, b)", "where(a > 0, a, b)"), ("rank(2 * c, per: prompt)", "rank(c, per: prompt)"),
    ("others_mean(c, per: prompt) * 2", "others_mean(2 * c, per: prompt)"),
    ("normalize(c, per: prompt, guard: 0)", "(c - mean(c, per: prompt)) / std(c, per: prompt)"),
    ("(c else 0) + a", "a + c"), ("where(m, a * absent, b)", "where(m, absent, b)"),
]
# Absent values are left out, and 0 is not absent: a mean per answer is absent where an answer holds nothing.
DIFFERENT = [
    ("a - b", "b - a"), ("a * b", "a / b"), ("a + 0.1", "a + 0.10000001"), ("min(a, b)", "max(a, b)"),
    ("exp(a)", "expm1(a)"), ("a", "frozen(a)"), ("a * frozen(b)", "frozen(a) * b"), ("abs(a)", "a"), ("sign(a)", "sign(-a)"),
    ("sigmoid(a)", "sigmoid(-a)"), ("where(a < b, a, b)", "where(a <= b, a, b)"), ("where(m, a, b)", "where(m, b, a)"),
    ("clip(a, 0.8 .. 1.2)", "clip(a, 0.8 .. 1.28)"), ("mean(mean(a, per: sample))", "mean(a)"),
    ("mean(a, per: sample)", "mean(a, per: prompt)"), ("sum(a)", "mean(a)"), ("mean(a, where: m)", "mean(where(m, a, 0))"),
    ("mean(a, where: m)", "mean(a)"), ("sum(a, where: m)", "sum(a, where: not m)"),
    ("std(c, per: prompt)", "std_population(c, per: prompt)"), ("std(c, per: prompt)", "std(c)"),
    ("max(c, per: prompt)", "min(c, per: prompt)"), ("quantile(c, 0.5, per: prompt)", "quantile(c, 0.6, per: prompt)"),
    ("first(a, per: sample)", "last(a, per: sample)"),
    ("scan(a, decay: 0.5, from: end)", "scan(a, decay: 0.5, from: start)"),
    ("scan(a, decay: 0.5, from: end)", "scan(a, decay: 0.6, from: end)"), ("next(a)", "prev(a)"),
    ("next(a, fill: 0)", "next(a, fill: 1)"), ("rank(c, per: prompt)", "rank(c, per: prompt, descending: true)"),
    ("rank(c, per: prompt)", "rank(-c, per: prompt)"), ("any(m, per: sample)", "all(m, per: sample)"),
    ("exp(a + b)", "exp(a) + exp(b)"), ("mean(mean(a, per: sample) else 0)", "mean(mean(a, per: sample))"),
    ("mean(c) + mean(mean(a, per: sample))", "mean(c + mean(a, per: sample))"),
    ("is_missing(mean(a, per: sample))", "is_missing(sum(a, per: sample))"),
    ("std(c, per: prompt) else 0", "std(c, per: prompt)"),
    ("mean(std(c, per: prompt) + mean(a, per: prompt))", "mean(std(c, per: prompt)) + mean(mean(a, per: prompt))"),
]


def hash_of(expression: str) -> str | None:
    """The hash of a function with this body."""
    text = f"fn f(a: Real @ token, b: Real @ token, c: Real @ sample, m: Bool @ token) = {expression}\n"
    modules = ModuleTable(library_only)
    scope = modules.open(Source("<test>", text))
    assert scope is not None and not modules.found, [entry.title for entry in modules.found]
    [function] = scope.tree.items
    assert isinstance(function, tree.Function)
    return definition_of(modules, scope, function).digest


@pytest.mark.wide(20)
@pytest.mark.parametrize(("first", "second"), SAME)
def test_one_value_written_in_two_ways_has_one_hash(first: str, second: str) -> None:
    assert hash_of(first) is not None
    assert hash_of(first) == hash_of(second)


@pytest.mark.wide(12)
@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_two_values_have_two_hashes(first: str, second: str) -> None:
    assert hash_of(first) is not None and hash_of(second) is not None
    assert hash_of(first) != hash_of(second)
