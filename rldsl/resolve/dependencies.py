"""In which order declarations can be elaborated, and which define each other in a circle. Iterative: any depth."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.diagnostics import Diagnostic, Label, error
from rldsl.resolve.modules import Scope
from rldsl.resolve.names import declared_name, names_in
from rldsl.syntax import tree

Key = tuple[str, str]


def dependency_order(root: Scope) -> tuple[list[tuple[Scope, tree.Item]], list[Diagnostic], set[Key]]:
    """Declarations that `root` needs, each after what it uses; circles as diagnostics; names that take part in one."""
    order: list[tuple[Scope, tree.Item]] = []
    state: dict[Key, int] = {}
    found: list[Diagnostic] = []
    circular: set[Key] = set()
    for item in root.tree.items:
        name = declared_name(item)
        if name is not None and root.bindings[name][1] is item:
            _visit((root, item), order, state, found, circular)
    return order, found, circular


def _visit(start: tuple[Scope, tree.Item], order: list[tuple[Scope, tree.Item]], state: dict[Key, int],
           found: list[Diagnostic], circular: set[Key]) -> None:
    if state.get(_key(start)):
        return
    path: list[tuple[tuple[Scope, tree.Item], Iterator[tuple[Scope, tree.Item]]]] = [(start, _uses(start))]
    state[_key(start)] = 1
    while path:
        current, pending = path[-1]
        following = next(pending, None)
        if following is None:
            state[_key(current)] = 2
            order.append(current)
            path.pop()
        elif state.get(_key(following)) == 1:
            _report_circle([entry for entry, _ in path], following, found, circular)
        elif state.get(_key(following)) is None:
            state[_key(following)] = 1
            path.append((following, _uses(following)))


def _report_circle(path: list[tuple[Scope, tree.Item]], back: tuple[Scope, tree.Item], found: list[Diagnostic],
                   circular: set[Key]) -> None:
    start = next(index for index, entry in enumerate(path) if _key(entry) == _key(back))
    members = path[start:]
    circular.update(_key(entry) for entry in members)
    words = [str(declared_name(item)) for _, item in members]
    shown = words if len(words) <= 6 else [*words[:3], "…", *words[-2:]]
    found.append(error(
        "RL016", "this definition needs itself", members[0][1].span, "the circle starts here",
        others=[Label(item.span, f"`{declared_name(item)}` is part of it") for _, item in members[1:4]],
        why=" -> ".join([*shown, words[0]]) + ".", fix="define one of them without the others"))


def _key(entry: tuple[Scope, tree.Item]) -> Key:
    return entry[0].name, str(declared_name(entry[1]))


def _uses(entry: tuple[Scope, tree.Item]) -> Iterator[tuple[Scope, tree.Item]]:
    scope, item = entry
    hidden = {parameter.name for parameter in item.parameters} if isinstance(item, tree.Function) else set()
    words = list(dict.fromkeys(names_in(item)))
    if isinstance(item, tree.Eval):
        words.append(item.data)
    elif isinstance(item, tree.Rubric):
        words.append(item.judge)
    elif isinstance(item, tree.Sampler):
        words.append(item.data)
    elif isinstance(item, tree.Objective):
        words.append(item.model)
    local = {let.name for let in _local_lets(item)}
    for word in words:
        bound = scope.bindings.get(word)
        if bound is not None and word not in hidden and word not in local:
            yield bound


def _local_lets(item: tree.Item) -> tuple[tree.Let, ...]:
    match item:
        case tree.Objective():
            return tuple(entry for entry in item.items if isinstance(entry, tree.Let))
        case tree.Function():
            return item.lets
        case _:
            return ()
