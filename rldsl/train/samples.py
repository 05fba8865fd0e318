"""An iteration's rollouts as rows of the rollout log. Writes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rldsl.graph.spec import NamedValue, ResponseSpec, Spec
from rldsl.rewards.engine.states import State, states_of
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.rollout_log import Kind, Sample
from rldsl.train.values import Values
from rldsl.types import BATCH, Axis, Element, Level

KINDS: Mapping[Element, Kind] = {Element.TEXT: "text", Element.JSON: "text", Element.BOOL: "truth", Element.INT: "real",
                                 Element.REAL: "real"}
COLUMNS: Mapping[Element, Kind] = {**KINDS, Element.INT: "integer"}


def reward_columns(spec: Spec) -> dict[str, Kind]:
    """The columns of every reward; one of tokens is a list of numbers."""
    return {reward.name: _kind(spec, reward) for reward in spec.rewards}


def data_columns(spec: Spec) -> dict[str, Kind]:
    """The fields that only rewards may read: what the answers are held against. Not those of completions, which were not drawn."""
    found: dict[str, Kind] = {}
    for field in (field for data in spec.data for field in data.fields if field.target and not field.each):
        found.setdefault(field.name, COLUMNS[field.element])
    return found


def _kind(spec: Spec, reward: NamedValue) -> Kind:
    found = spec.graph[reward.key].type
    return "reals" if found.axis.level > Level.SAMPLE else KINDS.get(found.element, "real")


def samples_of(values: Values, rewards: Mapping[str, NamedValue]) -> list[Sample]:
    """One row for each sample of each rollout."""
    found: list[Sample] = []
    for name, tokens in values.tokens.items():
        spec = values.world.responses[name]
        if spec.is_sampled:
            found += _rows(values, spec, tokens, rewards)
    return found


def _rows(values: Values, spec: ResponseSpec, tokens: ResponseTokens, rewards: Mapping[str, NamedValue]) -> Iterator[Sample]:
    own = {name: _per_sample(values, spec, reward) for name, reward in rewards.items() if _is_above(values, spec, reward)}
    failed, unasked = ({name: _samples_in(values, spec, rewards[name], state) for name in own}
                       for state in (State.FAILED, State.NOT_ASKED))
    data = dict(_data(values, spec))
    prompts, numbers = values.column(spec.prompt), _prompt_numbers(values, spec)
    prompt_of = tokens.prompt_of_sample
    firsts = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens.counts)])
    lengths = tokens.lengths
    for sample in range(tokens.samples):
        place = int(prompt_of[sample])
        wrong, spared = (tuple(name for name, places in marked.items() if sample in places) for marked in (failed, unasked))
        yield Sample(
            prompt_index=int(numbers[place]), sample_index=sample - int(firsts[place]), prompt=str(prompts[place]),
            response=tokens.texts[sample], tokens=int(lengths[sample]), finished=bool(tokens.finished[sample]),
            rewards={name: column[sample] for name, column in own.items()}, failed=wrong,
            not_asked=spared, data={name: column[place] for name, column in data.items()}, rollout=spec.name)


def _is_above(values: Values, spec: ResponseSpec, reward: NamedValue) -> bool:
    """Whether a sample has one value of the reward, or a list of its own tokens'. What is drawn from it has its own rows."""
    axis = values.world.spec.graph[reward.key].type.axis
    return spec.sample_axis.is_within(axis) or (axis.owner == spec.name and axis.is_within(spec.sample_axis))


def _per_sample(values: Values, spec: ResponseSpec, reward: NamedValue) -> list[Any]:
    node = values.world.spec.graph[reward.key]
    column = [_plain(value, node.type.element) for value in values.seen(reward.key)]
    if node.type.axis.is_within(spec.sample_axis) and node.type.axis != spec.sample_axis:
        bounds = values.layout.bounds(node.type.axis.name, spec.sample_axis.name)
        return [column[start:stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    return [column[place] for place in _owners(values, spec.sample_axis, node.type.axis)]


def _plain(value: Any, element: Element) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    match element:
        case Element.BOOL:
            return bool(value)
        case Element.JSON:
            return json.dumps(value)
        case Element.TEXT:
            return str(value)
        case _:
            return float(value)


def _samples_in(values: Values, spec: ResponseSpec, reward: NamedValue, state: State) -> set[int]:
    """Samples whose value of a reward is in some state."""
    axis = values.world.spec.graph[reward.key].type.axis
    if not spec.sample_axis.is_within(axis):
        return set()
    marks = np.array([found is state for found in states_of(values.calls, reward.key)], np.bool_)
    return set(np.flatnonzero(marks[_owners(values, spec.sample_axis, axis)]).tolist())


def _data(values: Values, spec: ResponseSpec) -> Iterator[tuple[str, list[Any]]]:
    """The target fields of the rows that the prompts belong to."""
    axis = next(found for found in spec.prompt_axis.chain() if found.parent in (None, BATCH))
    data = next((entry for entry in values.world.spec.data if entry.name == axis.owner), None)
    kinds = data_columns(values.world.spec)
    for field in data.fields if data is not None else ():
        if field.target and not field.each and kinds[field.name] == COLUMNS[field.element]:
            column = values.rows[axis.owner][field.name]
            owners = _owners(values, spec.prompt_axis, axis)
            yield field.name, [_column_value(column[place], field.element) for place in owners]


def _column_value(value: Any, element: Element) -> Any:
    plain = _plain(value, element)
    return int(plain) if element is Element.INT and plain is not None else plain


def _prompt_numbers(values: Values, spec: ResponseSpec) -> Any:
    """Rows are named by their place in the data set; samples that are prompts of others by their place here."""
    return values.row_numbers.get(spec.prompt_axis.name, np.arange(values.layout.size(spec.prompt_axis.name)))


def _owners(values: Values, fine: Axis, coarse: Axis) -> Any:
    return values.layout.owners(fine.name, coarse.name)
