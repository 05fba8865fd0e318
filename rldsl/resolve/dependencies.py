"""In which order declarations can be elaborated, and which define each other in a circle. Iterative: any depth.

Tarjan's algorithm: a group of declarations that all need each other is left as a whole, after everything that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rldsl.diagnostics import Diagnostic, Label, error
from rldsl.resolve.modules import Scope
from rldsl.resolve.names import declared_name, word_for
from rldsl.resolve.uses import Use, uses_of
from rldsl.syntax import tree

Key = tuple[str, str]


@dataclass(slots=True)
class Order:
    """Declarations, each after what it uses; circles as diagnostics; names that take part in one."""

    items: list[Use] = field(default_factory=list)
    circles: list[Diagnostic] = field(default_factory=list)
    circular: set[Key] = field(default_factory=set)


@dataclass(slots=True)
class _Walk:
    """`entered` counts the declarations in the order of their discovery; `lowest` is the first of those entered and not
    left that each can reach; `waiting` are those whose group is not known yet."""

    order: Order = field(default_factory=Order)
    entered: dict[Key, int] = field(default_factory=dict)
    lowest: dict[Key, int] = field(default_factory=dict)
    waiting: dict[Key, Use] = field(default_factory=dict)


def dependency_order(root: Scope) -> Order:
    """Everything that the declarations of `root` need, and `root`'s own."""
    walk = _Walk()
    for item in root.tree.items:
        name = declared_name(item)
        if name is None:
            for use in uses_of(root, item):
                _visit(walk, use)
        elif root.bindings[name][1] is item:
            _visit(walk, (root, item))
    return walk.order


def _visit(walk: _Walk, start: Use) -> None:
    if _key(start) in walk.entered:
        return
    path = [(start, _enter(walk, start))]
    while path:
        current, pending = path[-1]
        following = next(pending, None)
        if following is None:
            path.pop()
            _leave(walk, current, path[-1][0] if path else None)
        elif _key(following) not in walk.entered:
            path.append((following, _enter(walk, following)))
        elif _key(following) in walk.waiting:
            own = _key(current)
            walk.lowest[own] = min(walk.lowest[own], walk.entered[_key(following)])


def _enter(walk: _Walk, use: Use) -> Iterator[Use]:
    key = _key(use)
    walk.entered[key] = walk.lowest[key] = len(walk.entered)
    walk.waiting[key] = use
    return uses_of(*use)


def _leave(walk: _Walk, use: Use, user: Use | None) -> None:
    key = _key(use)
    walk.order.items.append(use)
    if user is not None:
        walk.lowest[_key(user)] = min(walk.lowest[_key(user)], walk.lowest[key])
    if walk.lowest[key] < walk.entered[key]:
        return
    group: dict[Key, Use] = {}
    while key not in group:
        other, found = walk.waiting.popitem()
        group[other] = found
    if len(group) > 1 or any(_key(entry) == key for entry in uses_of(*use)):
        walk.order.circular.update(group)
        walk.order.circles.append(_circle(_shortest_circle(use, group)))


def _shortest_circle(start: Use, group: dict[Key, Use]) -> list[Use]:
    """From `start` through its group back to it."""
    came_from: dict[Key, Use] = {}
    reached = [start]
    for current in reached:
        for following in uses_of(*current):
            key = _key(following)
            if key == _key(start):
                return _back_from(current, start, came_from)
            if key in group and key not in came_from:
                came_from[key] = current
                reached.append(following)
    return [start]


def _back_from(last: Use, start: Use, came_from: dict[Key, Use]) -> list[Use]:
    members = [last]
    while _key(members[-1]) != _key(start):
        members.append(came_from[_key(members[-1])])
    return members[::-1]


def _circle(members: list[Use]) -> Diagnostic:
    item = members[0][1]
    words = [str(declared_name(item)) for _, item in members]
    shown = words if len(words) <= 6 else [*words[:3], "…", *words[-2:]]
    is_function = isinstance(item, tree.Function)
    return error(
        "RL016", "this function calls itself" if is_function else "this definition needs itself", item.span,
        f"this {word_for(item)}" if len(members) == 1 else "the circle starts here",
        others=[Label(item.span, f"`{declared_name(item)}`"[:25] + " is part of it") for _, item in members[1:4]],
        why=" -> ".join([*shown, words[0]]) + "." + (" A call is expanded in place, so it has to end." if is_function else ""),
        fix="write it without recursion: `scan` and reductions run along values" if is_function
        else "define one of them without the others")


def _key(entry: Use) -> Key:
    return entry[0].name, str(declared_name(entry[1]))
