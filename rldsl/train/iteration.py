"""One iteration: rows are drawn, everything that belongs before the first update is computed, updates follow.

Knows neither files nor the order of the train block.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rldsl.graph.spec import Amount, GuardSpec, NamedValue
from rldsl.graph.steps import Assign, Update, When
from rldsl.rollouts.signatures import Sampling
from rldsl.train import compare
from rldsl.train.drawing import Rows
from rldsl.train.engine import Engine
from rldsl.train.evaluation import rewards_within
from rldsl.train.guards import GuardReport, check_guards
from rldsl.train.measures import (
    check_inputs,
    check_rewards,
    means_of,
    response_metrics,
    reward_metrics,
)
from rldsl.train.needs import Needs
from rldsl.train.objectives import Objective
from rldsl.train.parts import shuffled_batches
from rldsl.train.update import UpdateReport, update_once
from rldsl.train.values import Values
from rldsl.train.world import World


@dataclass(slots=True)
class Iteration:
    """`depth` is that of the block of its draw, `ahead` the steps that will look at its rows. `moved`: weights are no
    longer those that the values were drawn with. `compared` says when each rollout was compared last."""

    world: World
    engine: Engine
    objectives: dict[str, Objective]
    values: Values
    depth: int
    number: int
    standing: Rows
    ahead: Sequence[Update | When | Assign]
    began: float = field(default_factory=time.perf_counter)
    prepared: bool = False
    moved: bool = False
    skipping: bool = False
    comparing: frozenset[str] = frozenset()
    saving: bool = False
    updates: int = 0
    guards: list[GuardReport] = field(default_factory=list)
    reports: list[UpdateReport] = field(default_factory=list)
    rewards: dict[str, NamedValue] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    # ------------------------------------------------------------------ before the first update
    def prepare(self, compared: dict[str, int]) -> list[GuardReport]:
        """Compute all that belongs before weights move; the guards that do not hold. Later calls do nothing."""
        if self.prepared:
            return []
        self.prepared = True
        began = time.perf_counter()
        for name in self._responses():
            self.values.response(name)
        self.timing["sample_time"] = time.perf_counter() - began
        began = time.perf_counter()
        self.rewards = rewards_within(self.values, self.world.spec.rewards)
        guards = [guard for guard in self.world.spec.guards if self.has(guard.key)]
        self.values.compute_with(self._wanted(guards), list(self.rewards.values()))
        self.timing["score_time"] = time.perf_counter() - began
        check_rewards(self.values, self.rewards.values())
        check_inputs(self.values, self._sources())
        self._compare(compared)
        self.guards = check_guards(self.values, guards)
        return [report for report in self.guards if not report.holds]

    def has(self, key: int) -> bool:
        """Whether a value can be computed from the rows and responses of this iteration."""
        return self.world.finder.of([key]).within(self.values.rows, self.values.tokens)

    def _responses(self) -> list[str]:
        """What the updates need; where there are none, every response to the drawn rows."""
        needs = [self.objectives[step.objective].needs for step in self.ahead if isinstance(step, Update)]
        wanted = {name for entry in needs for name in entry.responses}
        if not needs:
            wanted = {name for name in self.world.responses if self._of_response(name).data <= self.standing.drawn}
        return [entry.name for entry in self.world.spec.responses if entry.name in wanted]

    def _of_response(self, name: str) -> Needs:
        return self.world.finder.of((), [name])

    def _wanted(self, guards: Iterable[GuardSpec]) -> Iterable[int]:
        """Nodes that guards, states and the steps ahead ask for."""
        yield from (key for guard in guards for key in (guard.key, guard.measure) if key is not None)
        yield from (state.next for state in self.world.spec.states if state.next is not None and self.has(state.next))
        yield from self._sources()
        asked = [step.condition if isinstance(step, When) else step.key for step in self.ahead if not isinstance(step, Update)]
        yield from (key for key in asked if self.has(key))

    def _sources(self) -> list[int]:
        """The nodes that the objectives ahead take."""
        return [key for step in self.ahead if isinstance(step, Update) for _, _, key in self.objectives[step.objective].sources]

    def _compare(self, compared: dict[str, int]) -> None:
        """Which rollouts are to be compared with the trainer now. Where the first update does not read their
        log-probabilities by the way, a few samples are scored again."""
        first = next((self.objectives[step.objective] for step in self.ahead if isinstance(step, Update)), None)
        for name, tokens in self.values.tokens.items():
            spec = self.world.responses[name]
            if not spec.is_sampled or self.number < compared.get(name, -compare.EVERY) + compare.EVERY:
                continue
            compared[name] = self.number
            if first is not None and compare.reads(self.world, first, name):
                self.comparing |= {name}
                continue
            found = compare.compared_by_scoring(self.world.models[spec.model], tokens, Sampling.of(spec.settings))
            if found is not None:
                self.differences[name] = found

    # ------------------------------------------------------------------ updates
    def update(self, step: Update, passes: int, seed: int) -> int:
        """Train on the rows of this iteration, as often as the step says; how many optimizer steps that took."""
        began = time.perf_counter()
        settings = dict(step.settings)
        objective = self.objectives[step.objective]
        sizes = {name: len(self.values.rows[name]) for name in sorted(objective.needs.data)}
        minibatch, epochs = settings.get("minibatch"), settings.get("epochs", 1)
        size = int(minibatch.number) if isinstance(minibatch, Amount) else None
        assert isinstance(epochs, int)
        steps = 0
        for epoch in range(epochs):
            for rows in shuffled_batches(sizes, size, seed, self.number, self.updates, epoch):
                report = update_once(self.world, self.engine, self.values, objective, step, rows, passes=passes,
                                     compare=frozenset() if self.moved else self.comparing)
                self.differences |= report.logp_difference
                self.reports.append(report)
                self.moved, steps = True, steps + 1
        self.updates += 1
        self.timing["update_time"] = self.timing.get("update_time", 0.0) + time.perf_counter() - began
        return steps

    # ------------------------------------------------------------------ afterwards
    def next_states(self) -> dict[str, float]:
        """What the states' own `<-` give, all from the values before."""
        return {state.name: self.values.number(state.next) for state in self.world.spec.states
                if state.next is not None and self.has(state.next)}

    def count_tokens(self) -> int:
        """Tokens of all responses of this iteration."""
        return sum(int(tokens.offsets[-1]) for tokens in self.values.tokens.values())

    def summary(self) -> dict[str, float]:
        """Everything that is logged of it but the clock."""
        found = {**reward_metrics(self.values, list(self.rewards.values())),
                 **response_metrics({name: tokens for name, tokens in self.values.tokens.items()
                                     if self.world.responses[name].is_sampled}),
                 **update_metrics(self.reports)}
        found |= dict(report.metric for report in self.guards if report.metric is not None)
        if self.differences:
            found["sampler_trainer_logp_difference"] = max(self.differences.values())
        return {**found, **self.metrics}


def update_metrics(reports: Sequence[UpdateReport]) -> dict[str, float]:
    """Means over the updates of an iteration. Where several objectives took turns, what has one name for all is that of
    the first, and each has its own beside (`loss/values`)."""
    groups: dict[str, list[UpdateReport]] = {}
    for report in reports:
        groups.setdefault(report.objective, []).append(report)
    found: dict[str, float] = {}
    for name, members in groups.items():
        own = {**means_of([report.metrics for report in members]),
               "grad_norm": sum(report.step.gradient_norm for report in members) / len(members),
               "lr": members[-1].step.rate,
               "still_updates": float(sum(not report.step.moved for report in members))}
        found = {**own, **found}
        if len(groups) > 1:
            found |= {f"{kind}/{name}": own[kind] for kind in ("loss", "grad_norm", "lr")}
    return found
