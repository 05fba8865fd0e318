"""In which order declarations can be elaborated, and which define each other in a circle. Iterative: any depth."""

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
    """Declarations, each after what it uses; circles as diagnostics; names that take part in one, or call one that does."""

    items: list[Use] = field(default_factory=list)
    circles: list[Diagnostic] = field(default_factory=list)
    circular: set[Key] = field(default_factory=set)
    entered: dict[Key, bool] = field(default_factory=dict)  # False while its uses are looked at


def dependency_order(root: Scope) -> Order:
    """Everything that the declarations of `root` need, and `root`'s own."""
    order = Order()
    for item in root.tree.items:
        name = declared_name(item)
        if name is None:
            for use in uses_of(root, item):
                _visit(use, order)
        elif root.bindings[name][1] is item:
            _visit((root, item), order)
    return order


def _visit(start: Use, order: Order) -> None:
    if _key(start) in order.entered:
        return
    path: list[tuple[Use, Iterator[Use]]] = [(start, uses_of(*start))]
    order.entered[_key(start)] = False
    while path:
        current, pending = path[-1]
        following = next(pending, None)
        if following is None:
            order.entered[_key(current)] = True
            order.items.append(current)
            path.pop()
        elif _key(following) not in order.entered:
            order.entered[_key(following)] = False
            path.append((following, uses_of(*following)))
        elif not order.entered[_key(following)]:
            _note_circle([entry for entry, _ in path], following, order)


def _note_circle(path: list[Use], back: Use, order: Order) -> None:
    """One finding for each group of definitions that need each other, not one for each way around."""
    start = next(index for index in range(len(path) - 1, -1, -1) if _key(path[index]) == _key(back))
    members = path[start:]
    is_new = order.circular.isdisjoint(_key(entry) for entry in members)
    order.circular.update(_key(entry) for entry in members)
    if is_new:
        order.circles.append(_circle(members))


def _circle(members: list[Use]) -> Diagnostic:
    item = members[0][1]
    words = [str(declared_name(item)) for _, item in members]
    shown = words if len(words) <= 6 else [*words[:3], "…", *words[-2:]]
    is_function = isinstance(item, tree.Function)
    return error(
        "RL016", "this function calls itself" if is_function else "this definition needs itself", item.span,
        f"this {word_for(item)}" if len(members) == 1 else "the circle starts here",
        others=[Label(item.span, f"`{declared_name(item)}`"[:25] + " is part of it") for _, item in members[1:4]],
        why=" -> ".join([*shown, words[0]]) + "." + (" Calls are expanded in place, so they have to end." if is_function else ""),
        fix="write it without recursion: `scan` and reductions go along values" if is_function
        else "define one of them without the others")


def _key(entry: Use) -> Key:
    return entry[0].name, str(declared_name(entry[1]))
