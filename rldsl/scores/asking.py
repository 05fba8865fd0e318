"""Answers to `--what-if` and `--against`: two sets of rewards of the same completions, compared. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rldsl.graph.model import Foreign, Node
from rldsl.graph.spec import NamedValue, Spec
from rldsl.reporting import counted
from rldsl.resolve.names import listed
from rldsl.rewards.engine.asked import Mask
from rldsl.scores.comparing import COMPLETION, PROMPT, Comparison, compare_values
from rldsl.scores.faults import ScoreError
from rldsl.scores.kept import Kept, NotKept, Recomputed
from rldsl.scores.names import name_nodes
from rldsl.scores.plan import Plan, below, is_number, plan_scores
from rldsl.scores.report import ScoreReport, per_completion
from rldsl.scores.statistics import Indices, Numbers
from rldsl.scores.what_if import apply_what_if, can_change, parse_what_if

Places: TypeAlias = "Mask | None"


def what_if(report: ScoreReport, text: str, project: Path, overrides: Mapping[str, str]) -> tuple[Comparison, ...]:
    """What one `--what-if` changes: a comparison for each reward that changes; where no value does, for the last one that is
    made of what was changed. Raises `ScoreError`, also where the changed
    spec needs an answer that nobody was asked for."""
    changed = apply_what_if(report.plan.spec, parse_what_if(text), project, overrides)
    plan = plan_scores(changed.spec, report.plan.response.name)
    before = Recomputed(report.plan, report.names, report.kept)
    after = Recomputed(plan, name_nodes(plan), report.kept)
    old, new = completion_rewards(report.plan), completion_rewards(plan)
    try:
        shared = [name for name in old if name in new]
        mine, theirs = _columns(before, [old[name] for name in shared]), _columns(after, [new[name] for name in shared])
        pairs = list(zip(shared, mine, theirs, strict=True))
    except NotKept as fault:
        raise _not_kept(fault.node, text, report.plan.spec) from None
    groups = groups_of(report)
    found = [compare_values(f"what if {text}", name, one, other, groups) for name, one, other in pairs
             if not np.array_equal(one, other, equal_nan=True)]
    if not found:
        touched = [pair for pair in pairs if before.names.digests[old[pair[0]].key] != after.names.digests[new[pair[0]].key]]
        name, one, other = (touched or pairs)[-1]
        found = [compare_values(f"what if {text}", name, one, other, groups)]
    lost = {name: _unknown(before.open_places(old[name].key), after.open_places(new[name].key)) for name in shared}
    noted = (replace(entry, notes=(*changed.notes, *lost[entry.name])) for entry in found)
    return tuple(with_texts(entry, report.kept) for entry in noted)


def _unknown(before: Places, after: Places) -> tuple[str, ...]:
    """What is said where a changed reward needs answers that nobody was asked for, and that it did not need before."""
    if after is None:
        return ()
    count = int((after if before is None else after & ~before).sum())
    said = f"{counted(count, 'completion')} without the value then: what it needs was not asked there (`--ask-all` asks everywhere)"
    return (said,) if count else ()


def _not_kept(node: Node, text: str, spec: Spec) -> ScoreError:
    called = node.operation.name if isinstance(node.operation, Foreign) else "a model"
    return ScoreError(f"`{text[:60]}` asks `{called}` for what it was not asked before",
                      f"a what-if recomputes from kept values. {can_change(spec)}",
                      "write the change into a spec and compare with `--against`: answers of judges are kept")


def against(here: ScoreReport, there: ScoreReport) -> tuple[Comparison, ...]:
    """Rewards of two specs on the same completions: those of one name, and the last words of both."""
    first = Recomputed(here.plan, here.names, here.kept)
    second = Recomputed(there.plan, there.names, there.kept)
    order = _aligned(here.kept, there.kept)
    title = f"{here.spec} against {there.spec}"
    found = []
    pairs = _pairs(here.plan, there.plan)
    mine, theirs = _columns(first, [one for one, _ in pairs]), _columns(second, [other for _, other in pairs])
    for (one, other), before, after in zip(pairs, mine, theirs, strict=True):
        name = one.name if one.name == other.name else f"{one.name} against {other.name}"
        found.append(compare_values(title, name, before, after[order], groups_of(here)))
    return tuple(with_texts(entry, here.kept) for entry in found)


def _pairs(here: Plan, there: Plan) -> list[tuple[NamedValue, NamedValue]]:
    mine, theirs = completion_rewards(here), completion_rewards(there)
    found = [(mine[name], theirs[name]) for name in mine if name in theirs]
    last = [last_reward(here), last_reward(there)]
    if last[0] is not None and last[1] is not None and last[0].name != last[1].name:
        found.append((last[0], last[1]))
    if not found:
        raise ScoreError("the two specs have no reward in common",
                         f"one has {listed(mine)}, the other {listed(theirs)}, and none of a name or the only last word.",
                         "give what is to be compared one name in both")
    return found


def last_reward(plan: Plan) -> NamedValue | None:
    """The one reward that no other is made of and that is not held out; None where there are several, or none."""
    found = last_rewards(plan)
    return found[0] if len(found) == 1 else None


def last_rewards(plan: Plan) -> list[NamedValue]:
    """The rewards that no other is made of and that are not held out."""
    rewards = completion_rewards(plan)
    keys = {entry.key: below(plan.spec, plan.spec.graph[entry.key].inputs) for entry in rewards.values()}
    return [entry for entry in rewards.values() if not entry.held_out and not any(entry.key in inner for inner in keys.values())]


def _aligned(here: Kept, there: Kept) -> Indices:
    """The place there of each completion here: of the same row, in the same order within it."""
    mine, theirs = (kept.column("row").to_numpy() for kept in (here, there))
    if len(mine) != len(theirs):
        raise ScoreError(f"one spec scores {len(mine)} completions and the other {len(theirs)}", "they read other rollouts.", "")
    order: Indices = np.empty(len(mine), np.int64)
    order[np.argsort(mine, kind="stable")] = np.argsort(theirs, kind="stable")
    return order


def groups_of(report: ScoreReport) -> Indices:
    """The group of each completion."""
    response = report.plan.response
    return report.kept.layout.owners(response.sample_axis.name, response.prompt_axis.name)


def with_texts(found: Comparison, kept: Kept) -> Comparison:
    """The completions that move most, as a person reads them."""
    places = [entry.place for entry in found.largest]
    rows, prompts, texts = (kept.take(name, places) for name in ("row", "prompt", "completion"))
    return replace(found, largest=tuple(
        replace(entry, row=row, prompt=prompt[:PROMPT], completion=text[:COMPLETION])
        for entry, row, prompt, text in zip(found.largest, rows, prompts, texts, strict=True)))


def completion_rewards(plan: Plan) -> dict[str, NamedValue]:
    """Numbers of completions, or of their prompts."""
    sample = plan.response.sample_axis
    return {entry.name: entry for entry in plan.values if entry.name in plan.rewards
            and is_number(plan.spec.graph[entry.key].type.element) and sample.is_within(plan.spec.graph[entry.key].type.axis)
            and plan.spec.graph[entry.key].type.axis.parent is not None}


def _columns(found: Recomputed, entries: Sequence[NamedValue]) -> list[Numbers]:
    values = found.values([entry.key for entry in entries])
    columns = (per_completion(found, entry.key, values[entry.key]) for entry in entries)
    return [column for column in columns if column is not None]
