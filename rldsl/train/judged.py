"""How often judges are asked in a run at most, from its draws alone: nothing is drawn yet, so no text is known. Asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rldsl.emit.evaluate import evaluate
from rldsl.graph.model import Foreign, Node
from rldsl.graph.spec import Spec
from rldsl.graph.steps import Draw, Every, Repeat, StageStep, Step, When
from rldsl.kernels.layout import Layout
from rldsl.rewards.hosting import JUDGED, kinds_of
from rldsl.rewards.judging.limits import Most
from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.outcome import Cost
from rldsl.types import BATCH, Axis


@dataclass(frozen=True, slots=True)
class Bound:
    """The most questions that a judge is asked for what training draws; None where steps or criteria that no one knows yet are
    asked about one by one. `tokens_out` is the most that the replies have. Evaluations and tries come on top."""

    judge: str
    calls: int | None
    tokens_out: int | None
    shortfall: str | None

    @property
    def line(self) -> str:
        """For people."""
        if self.calls is None:
            return (f"judge `{self.judge}`: no bound: it is asked about each of steps or criteria whose number only the texts say")
        said = f"at most {self.calls:,} calls and {self.tokens_out:,} tokens out, evaluations and tries beside"
        return f"judge `{self.judge}`: {said}" + (f"; {self.shortfall} may not last" if self.shortfall is not None else "")


def bounds_of(spec: Spec, steps: Sequence[Step]) -> tuple[Bound, ...]:
    """Of each judge that some call asks. `steps` have their draws named."""
    drawn = rows_drawn(steps)
    calls: dict[str, int | None] = {}
    for node in spec.graph.nodes:
        operation = node.operation
        if isinstance(operation, Foreign) and not kinds_of([operation]).isdisjoint(JUDGED):
            judge, count = str(dict(operation.settings)["judge"]), _questions(spec, node, operation, drawn)
            before = calls.get(judge, 0)
            calls[judge] = None if before is None or count is None else before + count
    return tuple(_bound(spec, judge, count) for judge, count in calls.items())


def rows_drawn(steps: Sequence[Step], passes: int = 1) -> Counter[str]:
    """How many rows of each data set a block draws in all; conditions are taken to hold."""
    found: Counter[str] = Counter()
    for step in steps:
        match step:
            case Draw(data=str(data), count=count):
                found[data] += passes * count
            case Repeat(count=count, body=body):
                found.update({data: passes * rows for data, rows in rows_drawn(body, count).items()})
            case Every(count=count, body=body):
                found.update(rows_drawn(body, passes // count))
            case StageStep(body=body) | When(body=body):
                found.update(rows_drawn(body, passes))
            case _:
                pass
    return found


def _bound(spec: Spec, judge: str, calls: int | None) -> Bound:
    settings = JudgeSettings.of(next(entry for entry in spec.models if entry.name == judge))
    if calls is None:
        return Bound(judge, None, None, None)
    tokens = calls * settings.max_tokens
    money = tokens * settings.price_out / 1e6
    return Bound(judge, calls, tokens, Most.of(settings).exceeded(Cost(calls, 0, tokens, money)))


def _questions(spec: Spec, node: Node, operation: Foreign, drawn: Counter[str]) -> int | None:
    """The questions of one call: one for each place, of criteria asked together and of steps one for all of a text."""
    settings, kind = dict(operation.settings), operation.name.partition(":")[0]
    axis, times = node.type.axis, 1
    if kind in ("prm", "steps") or (kind == "rubric" and settings["ask"] == "together"):
        assert axis.parent is not None
        axis = axis.parent
    if kind != "steps":
        votes = settings["votes"]
        assert isinstance(votes, int)
        times = votes * (2 if kind == "prefer" and settings["orders"] == "both" else 1)
    places = _matched(spec, node, operation, drawn) if "match" in operation.names else _places(spec, axis, drawn)
    return None if places is None else places * times


def _matched(spec: Spec, node: Node, operation: Foreign, drawn: Counter[str]) -> int | None:
    """How many pairs meet, where that is chosen: it follows from the number of answers alone."""
    answers = node.type.axis.parent
    prompts = None if answers is None else answers.parent
    if answers is None or prompts is None or prompts.parent != BATCH:
        return None
    samples = _samples(spec, answers)
    if samples is None:
        return None
    key = node.inputs[operation.names.index("match")]
    layout = Layout.of({prompts.name: BATCH.name, answers.name: prompts.name}, {prompts.name: [1], answers.name: [samples]})
    found = np.asarray(evaluate(spec.graph, [key], layout, {})[key], dtype=np.float64)
    return drawn[prompts.name] * int(np.isfinite(found).sum())


def _samples(spec: Spec, axis: Axis) -> int | None:
    """How many answers of a rollout each prompt has; None where the axis is of none."""
    return next((int(str(dict(entry.settings).get("samples", 1))) for entry in spec.responses
                 if axis.owner == entry.name and entry.is_sampled), None)


def _places(spec: Spec, axis: Axis, drawn: Counter[str]) -> int | None:
    """How many places of an axis a run has at most; None where only texts say."""
    if axis.parent is None:
        return None
    if axis.parent == BATCH:
        return drawn[axis.name]
    above = _places(spec, axis.parent, drawn)
    samples, size = _samples(spec, axis), axis.size
    if axis.among is not None:
        size = None if samples is None else samples - 1
    elif any(entry.sample_axis == axis for entry in spec.responses):
        size = samples
    return None if above is None or size is None else above * size
