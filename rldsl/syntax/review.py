"""Faults of form that the grammar lets pass: a second name for the same weights, a written level, a clip by an epsilon.

Runs on a module that was read. Does not resolve names: each fault is seen from the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from rldsl.diagnostics.model import Diagnostic, error
from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.syntax.codes import FORM

EPSILONS = frozenset({"eps", "epsilon", "clip_range", "clip_eps", "clip_epsilon", "clip_ratio", "cliprange"})
_GAP = r"(?:\s|#[^\n]*+)*+"
_WORTH_A_WALK = re.compile(rf"\]{_GAP}@|\b(?:{'|'.join(sorted(EPSILONS))}){_GAP}:")


def review(module: tree.Module, source: Source) -> Iterator[Diagnostic]:
    """The faults, item by item."""
    walks = _WORTH_A_WALK.search(source.text) is not None
    for item in module.items:
        match item:
            case tree.Model(derived=True, overrides=(), origin=tree.Name(text=origin)):
                yield _second_name(item, origin)
        if walks:
            for node in _nodes(item):
                yield from _review_node(node, isinstance(item, tree.Test))


def _second_name(item: tree.Model, origin: str) -> Diagnostic:
    return error(FORM, f"`{item.name}` is only another name for `{origin}`"[:60], item.origin.span, "the same weights",
                 why=f"what trains `{origin}` would train `{item.name}` too, so their difference stays zero.",
                 fix=f"`{item.role} {item.name} = frozen({origin})` for a copy that stays as it is, or\n"
                     f"`{item.role} {item.name} = {origin} with {{ system: \"…\" }}` for another role of the same weights.")


def _review_node(node: Any, is_test: bool) -> Iterator[Diagnostic]:
    match node:
        case tree.ListOf(level=str(level)) if not is_test:
            yield error(FORM, "a level is written in tests alone", node.span, f"a list at `{level}`",
                        why="values get their level from data and rollouts; a literal has none.",
                        fix="leave out `@ …`, or move the example into a `test`.")
        case tree.Call(callee=callee, arguments=arguments) if "clip" in _last_word(callee):
            for argument in arguments:
                if argument.name in EPSILONS:
                    yield error(FORM, "a clip takes the bounds of the ratio", _key_span(argument), "not an epsilon",
                                why="an epsilon is read as both `1 ± e` and `1 - e .. 1 + other`; bounds say which.",
                                fix="`clipped(ratio, advantage, 0.8 .. 1.2)` for an epsilon of 0.2.")


def _last_word(callee: tree.Expr) -> str:
    match callee:
        case tree.Name(text=word) | tree.Field(name=word):
            return word
        case _:
            return ""


def _key_span(argument: tree.Argument) -> Span:
    return Span(argument.span.file, argument.span.start, argument.span.start + len(argument.name or ""))


def _nodes(root: tree.Node) -> Iterator[tree.Node]:
    """Every node of a tree, without recursion, in the order of the text."""
    todo: list[Any] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo.extend(reversed(node))
        elif isinstance(node, tree.Node):
            yield node
            todo.extend(getattr(node, part.name) for part in reversed(fields(node)))
