"""Constructs that are read now and run later: samplers, buffers, retries and plans. They are compared as they are written,
formatting and comments aside, since they have no graph yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, TypeVar

from rldsl.difference.model import SettingDifference
from rldsl.graph.spec import Spec
from rldsl.syntax import tree
from rldsl.syntax.parse import parse

Written: TypeAlias = tree.Sampler | tree.Buffer | tree.Plan | tree.Rollout
_KINDS = (tree.Sampler, tree.Buffer, tree.Plan, tree.Rollout)
_Item = TypeVar("_Item", tree.Sampler, tree.Buffer, tree.Plan, tree.Rollout)


def written_items(spec: Spec) -> tuple[Written, ...]:
    """The declarations of a spec that have no graph, and its rollouts, where it has any that cannot run yet."""
    if not spec.deferred and not any(response.deferred for response in spec.responses):
        return ()
    modules = (parse(source)[0] for name, source in sorted(spec.sources.items()) if not name.startswith("std."))
    return tuple(item for module in modules if module is not None for item in module.items if isinstance(item, _KINDS))


def _by_name(items: tuple[Written, ...], kind: type[_Item]) -> dict[str, _Item]:
    return {getattr(item, "name", "plan"): item for item in items if isinstance(item, kind)}


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
