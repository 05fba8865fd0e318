"""Constructs that are read now and run later: rubrics, samplers, buffers, retries and plans. They are compared as they are written,
formatting and comments aside, since they have no graph yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

from rldsl.difference.model import Change, PartDifference, SettingDifference, Status
from rldsl.graph.spec import Spec
from rldsl.syntax import tree
from rldsl.syntax.parse import parse

Written: TypeAlias = tree.Rubric | tree.Sampler | tree.Buffer | tree.Plan | tree.Rollout
_KINDS = (tree.Rubric, tree.Sampler, tree.Buffer, tree.Plan, tree.Rollout)
_Item = TypeVar("_Item", tree.Rubric, tree.Sampler, tree.Buffer, tree.Plan, tree.Rollout)


def written_items(spec: Spec) -> tuple[Written, ...]:
    """The declarations of a spec that have no graph, and its rollouts, where it has any that cannot run yet."""
    if not spec.deferred and not any(response.deferred for response in spec.responses):
        return ()
    modules = (parse(source)[0] for name, source in sorted(spec.sources.items()) if not name.startswith("std."))
    return tuple(item for module in modules if module is not None for item in module.items if isinstance(item, _KINDS))


def rubric_partners(before: tuple[Written, ...], after: tuple[Written, ...]) -> dict[str, str]:
    """Rubrics of the second spec by the names that the first one has for them."""
    left, right = _by_name(before, tree.Rubric), _by_name(after, tree.Rubric)
    found = {name: name for name in right if name in left}
    for name, rubric in right.items():
        same = [other for other, entry in left.items() if other not in found.values() and replace(entry, name=name) == rubric]
        if name not in found and same:
            found[name] = same[0]
    return found


def _by_name(items: tuple[Written, ...], kind: type[_Item]) -> dict[str, _Item]:
    return {getattr(item, "name", "plan"): item for item in items if isinstance(item, kind)}


def rubric_differences(before: tuple[Written, ...], after: tuple[Written, ...]) -> Iterator[PartDifference]:
    """Rubrics that judge by something else. One that a spec alone has shows in the rewards that use it."""
    left, right = _by_name(before, tree.Rubric), _by_name(after, tree.Rubric)
    for name, partner in rubric_partners(before, after).items():
        changes = tuple(_rubric(left[partner], right[name]))
        if changes:
            yield PartDifference("rubric", name, Status.CHANGED, changes)


def _rubric(first: tree.Rubric, second: tree.Rubric) -> Iterator[Change]:
    left, right = ({entry.text: entry for entry in rubric.criteria} for rubric in (first, second))
    for text in dict.fromkeys([*left, *right]):
        if left.get(text) != right.get(text):
            yield Change("a criterion", *(None if text not in side else _criterion(side[text]) for side in (left, right)))
    if first.judge != second.judge:
        yield Change(f"judged by {first.judge} → {second.judge}")
    if {entry.name: entry for entry in first.settings} != {entry.name: entry for entry in second.settings}:
        yield Change("its settings differ")


def _criterion(criterion: tree.Criterion) -> str:
    amount = criterion.amount
    shown = "" if amount is None else f" {amount.value:g}" if isinstance(amount, tree.Number) else " …"
    return f'"{criterion.text}" {criterion.mark}{shown}'


def written_differences(before: tuple[Written, ...], after: tuple[Written, ...], partners: Mapping[str, str]
                        ) -> Iterator[SettingDifference]:
    """Samplers, buffers and plans by their names, and what rollouts retry."""
    yield from _differing("sampler", _by_name(before, tree.Sampler), _by_name(after, tree.Sampler))
    yield from _differing("buffer", _by_name(before, tree.Buffer), _by_name(after, tree.Buffer))
    yield from _differing("the", _by_name(before, tree.Plan), _by_name(after, tree.Plan))
    retries = {name: item.retry for name, item in _by_name(before, tree.Rollout).items()}
    for name, item in _by_name(after, tree.Rollout).items():
        other = retries.get(partners.get(name, name))
        if other != item.retry:
            texts = ("none" if entry is None else "as written" for entry in (other, item.retry))
            yield SettingDifference(f"rollout {name}", "retry", *texts)


def _differing(word: str, left: Mapping[str, Written], right: Mapping[str, Written]) -> Iterator[SettingDifference]:
    for name in dict.fromkeys([*left, *right]):
        where = f"{word} {name}"
        if name not in right:
            yield SettingDifference(where, "removed", "", None)
        elif name not in left:
            yield SettingDifference(where, "added", None, "")
        elif left[name] != right[name]:
            yield SettingDifference(where, "written otherwise", "", "")
