"""Settings that differ: of data, models, rollouts, externs, parameters, evals and guards. Training has a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from rldsl.difference.correspondence import Correspondence
from rldsl.difference.least import differs_by_itself
from rldsl.difference.model import SettingDifference
from rldsl.difference.schedule import schedule_differences
from rldsl.difference.show import setting_changes, show_setting
from rldsl.difference.side import Ref, Side
from rldsl.graph.spec import (
    Average,
    DataSpec,
    EvalSpec,
    ExternSpec,
    Invocation,
    ModelSpec,
    ParamSpec,
    ResponseSpec,
    Settings,
    StateSpec,
    Stored,
)
from rldsl.types import format_number

_Entry = TypeVar("_Entry", DataSpec, ModelSpec, ResponseSpec, ExternSpec)


def setting_differences(before: Side, after: Side, correspondence: Correspondence) -> tuple[SettingDifference, ...]:
    """Everything that differs and is no change of what is optimised."""
    return (*_rollouts(before, after, correspondence), *_data(before, after, correspondence),
            *_models(before, after, correspondence), *_externs(before, after, correspondence),
            *_declared(before, after, correspondence),
            *_evals(before, after, correspondence), *_guards(before, after), *schedule_differences(before, after, correspondence))


def _pairs(first: Iterable[_Entry], second: Iterable[_Entry], partners: Mapping[str, str], kind: str = ""
           ) -> tuple[list[tuple[_Entry, _Entry]], list[SettingDifference]]:
    """Partners, and those that one spec alone has."""
    left = {entry.name: entry for entry in first}
    pairs: list[tuple[_Entry, _Entry]] = []
    alone: list[SettingDifference] = []
    for entry in second:
        partner = left.pop(partners.get(entry.name, ""), None)
        if partner is not None:
            pairs.append((partner, entry))
        else:
            alone.append(SettingDifference(f"{_word(entry, kind)} {entry.name}", "added", None, ""))
    alone[:0] = [SettingDifference(f"{_word(entry, kind)} {entry.name}", "removed", "", None) for entry in left.values()]
    return pairs, alone


def _word(entry: _Entry, kind: str) -> str:
    """What a declaration is; models say their roles."""
    return entry.role.value if isinstance(entry, ModelSpec) else kind


# ------------------------------------------------------------------ what is drawn
def _rollouts(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    first_ones, second_ones = ([entry for entry in side.spec.responses if entry.is_sampled] for side in (before, after))
    pairs, alone = _pairs(first_ones, second_ones, correspondence.responses, "rollout")
    for first, second in pairs:
        where = f"rollout {second.name}"
        if correspondence.models.get(second.model, second.model) != first.model:
            yield SettingDifference(where, "policy", first.model, second.model)
        if before.of(Ref(first.prompt)) != after.of(Ref(second.prompt)):
            yield SettingDifference(where, "prompt", before.equation(Ref(first.prompt)), after.equation(Ref(second.prompt)))
        yield from setting_changes(where, first.settings, _paired(second.settings, correspondence))
        if first.deferred != second.deferred:
            yield SettingDifference(where, "constructs", ", ".join(first.deferred) or "none", ", ".join(second.deferred) or "none")
    yield from alone


def _paired(settings: Settings, correspondence: Correspondence) -> Settings:
    """With the model of a `within` under the name that it has in the first spec."""
    return tuple((name, replace(value, positional=(correspondence.models.get(str(value.positional[0]), value.positional[0]),
                                                   *value.positional[1:])))
                 if name == "within" and isinstance(value, Invocation) else (name, value) for name, value in settings)


def _data(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    pairs, alone = _pairs(before.spec.data, after.spec.data, correspondence.data, "data")
    for first, second in pairs:
        where = f"data {second.name}"
        yield from setting_changes(where, (("source", first.source),), (("source", second.source),))
        columns = [{field.name: f"{field.element.value}{' @ sample' if field.each else ''}{' target' if field.target else ''}"
                    for field in entry.fields}
                   for entry in (first, second)]
        for name in dict.fromkeys([*columns[0], *columns[1]]):
            if columns[0].get(name) != columns[1].get(name):
                yield SettingDifference(where, f"field {name}", columns[0].get(name), columns[1].get(name))
    yield from alone


def _models(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    pairs, alone = _pairs(before.spec.models, after.spec.models, correspondence.models)
    for first, second in pairs:
        where = f"{second.role.value} {second.name}"
        if first.role is not second.role:
            yield SettingDifference(where, "role", first.role.value, second.role.value)
        bases = first.base, correspondence.models.get(second.base or "", second.base)
        kinds = [(entry.frozen, entry.shares_weights, entry.follows) for entry in (first, second)]
        if bases[0] != bases[1] or kinds[0] != kinds[1]:
            yield SettingDifference(where, "weights", _weights(first), _weights(second))
        elif first.origin is not None and second.origin is not None:
            yield from setting_changes(where, (("origin", first.origin),), (("origin", second.origin),))
        yield from setting_changes(where, first.settings, second.settings)
    yield from alone


def _weights(model: ModelSpec) -> str:
    if model.origin is not None:
        return show_setting(model.origin)
    match model.follows:
        case Average(rate=rate):
            return f"ema({model.base}, rate: {format_number(rate)})"
        case Stored(lag=lag):
            return f"stored({model.base}, lag: {lag})"
        case None:
            return f"frozen({model.base})" if model.frozen else str(model.base)


def _externs(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    """Limits of foreign functions; what they call is part of what a reward means."""
    pairs, _ = _pairs(before.spec.externs, after.spec.externs, correspondence.externs, "extern")
    for first, second in pairs:
        yield from setting_changes(f"extern {second.name}", first.settings, second.settings)


def _declared(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    """Types of parameters and states, whose values are part of whatever they are used in; which rewards are held out."""
    params = {param.name: param for param in before.spec.params}
    states = {state.name: state for state in before.spec.states}
    rewards = {reward.name: reward for reward in before.spec.rewards}
    for param in after.spec.params:
        yield from _type(f"param {param.name}", params.get(param.name), param)
    for state in after.spec.states:
        yield from _type(f"state {state.name}", states.get(correspondence.states.get(state.name, "")), state)
    for reward in after.spec.rewards:
        other = rewards.get(reward.name)
        if other is not None and other.held_out != reward.held_out:
            texts = (show_setting(entry.held_out) for entry in (other, reward))
            yield SettingDifference(f"reward {reward.name}", "held out", *texts)


def _type(where: str, first: ParamSpec | StateSpec | None, second: ParamSpec | StateSpec) -> Iterator[SettingDifference]:
    if first is not None and str(first.type) != str(second.type):
        yield SettingDifference(where, "type", str(first.type), str(second.type))


# ------------------------------------------------------------------ what is measured
def _evals(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    left = {entry.name: entry for entry in before.spec.evals}
    for entry in after.spec.evals:
        other = left.pop(entry.name, None)
        if other is None:
            yield SettingDifference(f"eval {entry.name}", "added", None, "")
        else:
            yield from _eval(before, after, other, entry, correspondence)
    yield from (SettingDifference(f"eval {name}", "removed", "", None) for name in left)


def _eval(before: Side, after: Side, first: EvalSpec, second: EvalSpec, correspondence: Correspondence
          ) -> Iterator[SettingDifference]:
    where = f"eval {second.name}"
    if correspondence.data.get(second.data, second.data) != first.data:
        yield SettingDifference(where, "data", first.data, second.data)
    yield from setting_changes(where, first.settings, second.settings)
    reports = dict(first.reports), dict(second.reports)
    for label in dict.fromkeys([*reports[0], *reports[1]]):
        keys = [entry.get(label) for entry in reports]
        refs = [None if key is None else Ref(key) for key in keys]
        if refs[0] is None or refs[1] is None or differs_by_itself(before, after, refs[0], refs[1]):
            texts = [None if ref is None else side.equation(ref) for side, ref in zip((before, after), refs, strict=True)]
            yield SettingDifference(where, f"report {label}", *texts)


def _guards(before: Side, after: Side) -> Iterator[SettingDifference]:
    left, right = list(before.spec.guards), list(after.spec.guards)
    for guard in before.spec.guards:
        same = next((other for other in right if other.action == guard.action
                     and not differs_by_itself(before, after, Ref(guard.key), Ref(other.key))), None)
        if same is not None:
            left.remove(guard)
            right.remove(same)
    yield from (SettingDifference("guard", "removed", f"{guard.text} else {guard.action}", None) for guard in left)
    yield from (SettingDifference("guard", "added", None, f"{guard.text} else {guard.action}") for guard in right)
