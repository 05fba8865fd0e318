"""Which declarations a declaration needs: its free names, by the rules of scope. Pure walks over the tree; no meaning.

A word in a setting is an option (`dtype: bf16`), a constructor (`jsonl(…)`) or a parameter, never another declaration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from rldsl.resolve.modules import Scope
from rldsl.syntax import tree

Use = tuple[Scope, tree.Item]


def uses_of(scope: Scope, item: tree.Item) -> Iterator[Use]:
    """The declarations that `item` of `scope` needs, in the order of the text, each once."""
    found: dict[tuple[str, str], Use] = {}
    for path in _values(item):
        use = bound_to(scope, path)
        if use is not None:
            found.setdefault((use[0].name, path[-1]), use)
    for path in _settings(item):
        use = bound_to(scope, path)
        if use is not None and isinstance(use[1], tree.Param):
            found.setdefault((use[0].name, path[-1]), use)
    return iter(found.values())


def bound_to(scope: Scope, path: tuple[str, ...]) -> Use | None:
    """What `name` or `module.name` stands for in a scope; None where it is no declaration."""
    bound = scope.bindings.get(path[0])
    if bound is None and len(path) > 1 and path[0] in scope.modules:
        return scope.modules[path[0]].bindings.get(path[1])
    return bound


def _values(item: tree.Item) -> Iterator[tuple[str, ...]]:
    """Free names where values stand."""
    match item:
        case tree.Function(parameters=parameters, lets=lets, body=body):
            for parameter in parameters:
                yield from paths_in(parameter.default)
            yield from _in_sequence((*lets, body), {parameter.name for parameter in parameters})
        case tree.Objective(model=model, items=items):
            yield (model,)
            yield from _in_sequence(items, set())
        case tree.Eval(data=data, reports=reports):
            yield (data,)
            yield from paths_in(reports)
        case tree.Model(derived=True, origin=origin):
            yield from paths_in(origin)
        case tree.Model(origin=tree.Name(text=base)):
            yield (base,)
        case tree.Rollout(policy=policy, arguments=arguments, settings=settings):
            yield from paths_in((policy, arguments, tuple(entry.value for entry in settings if entry.name == "within")))
        case tree.Response(text=text, prompt=prompt, model=model):
            yield from paths_in((text, prompt))
            yield from () if model is None else ((model,),)
        case tree.Rubric(judge=judge, criteria=criteria):
            yield (judge,)
            yield from paths_in(tuple(criterion.amount for criterion in criteria if criterion.amount is not None))
        case tree.Sampler(data=data):
            yield (data,)
        case tree.Let(value=value) | tree.Reward(value=value) | tree.State(value=value):
            yield from paths_in(value)
        case tree.Buffer(data=data, condition=condition):
            yield from paths_in((data, condition))
        case tree.Guard() | tree.Assign() | tree.Train() | tree.Test():
            yield from paths_in(item)
        case _:
            pass


def _settings(item: tree.Item) -> Iterator[tuple[str, ...]]:
    """Words in settings and sources."""
    match item:
        case tree.Param(value=value):
            yield from paths_in(value)
        case tree.Data(source=source):
            yield from paths_in(source)
        case tree.Extern(source=source, settings=settings):
            yield from paths_in((source, settings))
        case tree.Sampler(settings=settings):
            yield from paths_in(settings)
        case tree.Rubric(settings=settings, criteria=criteria):
            yield from paths_in((settings, *(criterion.settings for criterion in criteria)))
        case tree.Model(origin=origin, overrides=overrides, settings=settings):
            yield from paths_in((origin, overrides, settings))
        case tree.Rollout(settings=settings) | tree.Eval(settings=settings):
            yield from paths_in(settings)
        case _:
            pass


def _in_sequence(items: Iterable[object], hidden: set[str]) -> Iterator[tuple[str, ...]]:
    """Free names of lets and what follows them; a let hides its name from then on."""
    for item in items:
        yield from (path for path in paths_in(item) if path[0] not in hidden)
        if isinstance(item, tree.Let):
            hidden.add(item.name)


def paths_in(node: object) -> Iterator[tuple[str, ...]]:
    """Every `name`, and `name.field` as a pair, that occurs below `node`, in order, with repeats."""
    for found in _below(node):
        match found:
            case tree.Name(text=text):
                yield (text,)
            case tree.Field(base=tree.Name(text=text), name=name):
                yield text, name


def names_below(node: object) -> Iterator[tree.Name]:
    """Every bare name below `node`, in the order of the text."""
    for found in _below(node):
        match found:
            case tree.Name():
                yield found
            case tree.Field(base=tree.Name() as name):
                yield name


def _below(node: object) -> Iterator[tree.Node]:
    """Names, and fields of names. Iterative: any depth."""
    waiting: list[object] = [node]
    while waiting:
        current = waiting.pop()
        match current:
            case tree.Name() | tree.Field(base=tree.Name()):
                yield current
            case tree.Node():
                waiting.extend(getattr(current, part) for part in reversed(_parts(type(current))))
            case tuple():
                waiting.extend(reversed(current))
            case _:
                pass


_PARTS: dict[type, tuple[str, ...]] = {}


def _parts(kind: type[tree.Node]) -> tuple[str, ...]:
    """The fields of a node that may hold nodes."""
    if kind not in _PARTS:
        _PARTS[kind] = tuple(part.name for part in fields(kind) if part.name not in ("span", "name_span", "doc"))
    return _PARTS[kind]
