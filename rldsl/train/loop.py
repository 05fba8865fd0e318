"""The training loop: takes the steps of the train block as the walker gives them, and does what they say.

State is committed at the end of each iteration and after each step outside of one. A checkpoint is of a committed state:
a run that goes on from it does the same again, to the bit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rldsl.data.rows import Rows as DataRows
from rldsl.graph.steps import Assign, Draw, Evaluate, Reset, Save, StageStep, Update, When
from rldsl.rollouts.signatures import ModelError
from rldsl.source import Span
from rldsl.train.drawing import Rows, Steps, steps_on_rows
from rldsl.train.engine import Engine, NotFinite
from rldsl.train.evaluation import run_eval
from rldsl.train.failures import Unhandled
from rldsl.train.host import call_measures
from rldsl.train.interrupt import Wish
from rldsl.train.iteration import Iteration
from rldsl.train.objectives import Objective
from rldsl.train.outcome import Ending, RunError, place_of
from rldsl.train.parts import Indices
from rldsl.train.records import Records
from rldsl.train.samples import samples_of
from rldsl.train.schedule import parameters_at
from rldsl.train.state import RunState
from rldsl.train.values import Scalars, Values
from rldsl.train.walk import Action, Ask, Do, Left, Walker, count_iterations
from rldsl.train.watch import watch_metrics
from rldsl.train.world import World


class StoppedByGuard(Exception):
    """A guard with `else stop` does not hold."""


def finished_message(state: RunState) -> str:
    """How a run that reached its end is described."""
    return f"finished after {counted(state.iteration)}"


def counted(iterations: int) -> str:
    """`1 iteration`, `3 iterations`."""
    return f"{iterations} iteration{'' if iterations == 1 else 's'}"


@dataclass(slots=True)
class Loop:
    """`steps` is the train block with every draw's data set named. `stop_after`: so many iterations from here."""

    world: World
    engine: Engine
    objectives: dict[str, Objective]
    steps: Steps
    state: RunState
    records: Records
    wish: Wish
    stop_after: int | None = None
    walker: Walker = field(init=False)
    iteration: Iteration | None = None
    committed: dict[str, Any] = field(default_factory=dict)
    clean: bool = True  # whether the weights are those of the committed state
    reached: int = 0

    def __post_init__(self) -> None:
        self.walker = Walker(self.steps, self.state.walk or None)

    # ------------------------------------------------------------------ the whole
    def run(self) -> tuple[Ending, str]:
        """Until the end, a guard, or a wish to stop; how it ended and why. Raises `RunError`."""
        self._commit()
        self._show_stage(self.state.iteration - self.state.stage_start)
        try:
            return self._go()
        except StoppedByGuard as fault:
            self._save_committed()
            return Ending.STOPPED, str(fault)
        except (Unhandled, NotFinite, RunError, ModelError) as fault:
            raise RunError(self._broken_off(str(fault))) from fault

    def _go(self) -> tuple[Ending, str]:
        while True:
            if self.iteration is None and (why := self._asked_to_stop()):
                self._save(keep=False)
                return Ending.INTERRUPTED, why
            before = self.walker.position
            match self.walker.advance():
                case None:
                    return self._finish()
                case Do(step=step):
                    self._do(step, before)
                case Ask(step=step):
                    if self._holds(step):
                        self.walker.enter()
                case Left(depth=depth):
                    if self.iteration is not None and depth <= self.iteration.depth:
                        self._end_iteration(self.walker.position)
            if self.iteration is None:
                self._commit()

    def _finish(self) -> tuple[Ending, str]:
        if self.iteration is not None:
            self._end_iteration(self.walker.position)
        self.state.finished = True
        self._commit()
        self._save(keep=True)
        return Ending.FINISHED, finished_message(self.state)

    def _asked_to_stop(self) -> str:
        if self.wish:
            return f"stopped by {self.wish.reason} after iteration {self.state.iteration}; `--resume` goes on from here"
        if self.stop_after is not None and self.reached >= self.stop_after:
            return f"stopped after {counted(self.reached)} as asked; `--resume` goes on from here"
        return ""

    def _broken_off(self, fault: str) -> str:
        """The message of an error, with where one may go on; a checkpoint is written if the weights are still those
        of the last committed state."""
        number = self.iteration.number + 1 if self.iteration is not None else self.state.iteration
        stage = f" of stage `{self.state.stage}`" if self.state.stage else ""
        self._save_committed()
        self.records.metrics.note(self.state.iteration, self.state.step, "error", fault, stage=self.state.stage)
        saved = self.records.saved_at
        last = "no checkpoint was written yet, so `--resume` begins again" if saved is None else \
            f"the checkpoint of iteration {saved} is whole: mend the data or the code that is called and go on with `--resume`; " \
            "a changed spec is another run, with another `--out`"
        return f"iteration {number}{stage}: {fault}\n  {last}"

    # ------------------------------------------------------------------ steps
    def _do(self, step: Action, before: Mapping[str, Any]) -> None:
        if isinstance(step, Draw) and self.iteration is not None and not self.iteration.standing.joins(step):
            self._end_iteration(before)
        self._note_stage()
        match step:
            case Draw():
                self._draw(step)
            case Update():
                self._update(step)
            case Evaluate():
                self._evaluate(step)
            case Reset():
                if self.iteration is not None:
                    self._prepare(self.iteration)  # what was drawn before it belongs to the weights before it
                self.engine.reset(step.model, step.to)
                if self.iteration is None:
                    self.engine.followers.after_reset()
                self._moved()
            case Save():
                if self.iteration is None:
                    self._commit()
                    self._save(keep=True)
                else:
                    self.iteration.saving = True
            case Assign():
                self._assign(step)

    def _draw(self, step: Draw) -> None:
        assert step.data is not None
        rows, numbers = self._next_rows(step.data, step.count)
        if self.iteration is None:
            values = Values(self.world, {step.data: rows}, {step.data: numbers}, self._scalars(), (self.state.iteration,))
            standing = Rows().after(step)
            self.iteration = Iteration(self.world, self.engine, self.objectives, values, self.walker.depth,
                                       self.state.iteration, standing, steps_on_rows(self.walker.remaining, standing))
        else:
            self.iteration.values.add_rows(step.data, rows, numbers)
            self.iteration.standing = self.iteration.standing.after(step)

    def _next_rows(self, data: str, count: int) -> tuple[DataRows, Indices]:
        numbers = self.world.order_of(data).draw(self.state.drawn[data], count)
        self.state.drawn[data] += count
        return self.world.data[data].select(numbers), numbers

    def _update(self, step: Update) -> None:
        iteration = self._open(step.span, "an update")
        self._prepare(iteration)
        if iteration.skipping:
            return
        try:
            self.state.step += iteration.update(step, self.walker.passes_done, self.world.seed)
        finally:
            self.clean &= not iteration.moved

    def _evaluate(self, step: Evaluate) -> None:
        if self.iteration is not None:
            self._prepare(self.iteration)  # its rollouts are drawn before anything else happens
        entry = next(entry for entry in self.world.spec.evals if entry.name == step.name)
        report = run_eval(self.world, entry, self._scalars())
        number = self.state.iteration + (self.iteration is not None)
        self.records.write_samples(number, report.samples, entry.name)
        self.state.last.update(report.metrics)
        if self.iteration is not None:
            self.iteration.metrics |= report.metrics
            self.iteration.timing["eval_time"] = report.seconds
        else:
            self.records.log(self.state, report.metrics, {"eval_time": report.seconds})
        shown = ", ".join(f"{name.removeprefix('eval/')} {value:.4g}" for name, value in report.metrics.items())
        self.records.progress.say(f"iteration {number}: {shown}")

    def _assign(self, step: Assign) -> None:
        values = self.iteration.values if self.iteration is not None else self._no_rows()
        if self.iteration is not None:
            self._prepare(self.iteration)
        self._check_known(values, step.key, f"`{step.state} <- …`", step.span)
        self._set_state(step.state, values.number(step.key))

    def _holds(self, step: When) -> bool:
        values = self.iteration.values if self.iteration is not None else self._no_rows()
        if self.iteration is not None:
            self._prepare(self.iteration)
        self._check_known(values, step.condition, "this condition", step.span)
        return values.number(step.condition) == 1.0

    # ------------------------------------------------------------------ iterations
    def _prepare(self, iteration: Iteration) -> None:
        iteration.standing = iteration.standing.after_use()
        for report in iteration.prepare(self.state.compared):
            message = f"iteration {iteration.number + 1}: {report.message(iteration.values)}"
            if report.guard.action == "stop":
                raise StoppedByGuard(message)
            self.records.note(self.state, "guard", message)
            iteration.skipping |= report.guard.action == "skip"

    def _end_iteration(self, position: Mapping[str, Any]) -> None:
        iteration = self.iteration
        assert iteration is not None
        self._prepare(iteration)
        for name, value in iteration.next_states().items():
            self._set_state(name, value)
        self.state.iteration += 1
        self.reached += 1
        self._log(iteration)
        self.iteration = None
        self.engine.followers.after_iteration()
        self._commit(position)
        if iteration.saving or self.records.is_due(self.state):
            self._save(keep=iteration.saving)

    def _log(self, iteration: Iteration) -> None:
        seconds = time.perf_counter() - iteration.began
        tokens = iteration.count_tokens()
        self.state.tokens += tokens
        decoding = [note for model in self.world.models.values() for note in model.decoding.take_notes()]
        for text in (*self.world.failures.take_fresh().values(), *decoding):
            self.records.note(self.state, "warning", text)
        numbers = {**iteration.summary(), **watch_metrics(iteration.values, iteration.rewards, self.state.watch),
                   "num_tokens": float(self.state.tokens),
                   **{f"failures/{name.replace('`', '')}": float(count) for name, count in self.world.failures.counts.items()},
                   **{f"state/{name}": value for name, value in self.state.states.items()}}
        timing = {"step_time": seconds, "tokens_per_second": tokens / max(seconds, 1e-9), **iteration.timing,
                  **call_measures(iteration.values)}
        self.records.write_samples(self.state.iteration, samples_of(iteration.values, iteration.rewards))
        self.records.log(self.state, numbers, timing)
        self.state.last.update(numbers)
        for difference in iteration.differences.values():
            self.state.logp_difference = max(difference, self.state.logp_difference)
        self.records.progress.update(self.state.iteration - self.state.stage_start, {**self.state.last, **timing})

    def _open(self, span: Span, what: str) -> Iteration:
        if self.iteration is None:
            raise RunError(f"{place_of(self.world.spec, span)}: {what} needs rows; write `draw` before it")
        return self.iteration

    def _check_known(self, values: Values, key: int, what: str, span: Span) -> None:
        needs = self.world.finder.of([key])
        if not needs.within(values.rows, values.tokens):
            missing = sorted((needs.data - values.rows.keys()) | (needs.responses - values.tokens.keys()))
            raise RunError(f"{place_of(self.world.spec, span)}: {what} needs {', '.join(f'`{name}`' for name in missing)}, "
                           "which is not drawn here; write it after an update that uses it, in the same block")

    # ------------------------------------------------------------------ state
    def _scalars(self) -> Scalars:
        return Scalars(parameters_at(self.world.spec, self.walker.passes_done), dict(self.state.states),
                       self.state.iteration)

    def _no_rows(self) -> Values:
        return Values(self.world, {}, {}, self._scalars(), (self.state.iteration,))

    def _set_state(self, name: str, value: float) -> None:
        spec = next(entry for entry in self.world.spec.states if entry.name == name)
        if not spec.type.interval.contains(value):
            raise Unhandled(f"state `{name}` would become {value:g}, and its type is {spec.type}; keep it in range, for "
                            "example with `clip(…, 0 .. 10)`")
        self.state.states[name] = value
        if self.iteration is not None:
            self.iteration.values.assign(name, value)

    def _moved(self) -> None:
        self.clean = False
        if self.iteration is not None:
            self.iteration.moved = True

    def _note_stage(self) -> None:
        """A stage that is entered anew starts with fresh optimizers."""
        if self.walker.stage_visit == self.state.stage_visit:
            return
        stage = self.walker.stage
        if self.state.stage_visit:
            self.engine.begin_stage()
        self.state.stage_visit, self.state.stage_start = self.walker.stage_visit, self.state.iteration
        self.state.stage = stage.name if stage is not None else ""
        self._show_stage(0)

    def _show_stage(self, done: int) -> None:
        stage: StageStep | None = self.walker.stage
        total = count_iterations(stage.body if stage is not None else self.steps)
        self.records.progress.stage(self.state.stage or "train", total, done)

    def _commit(self, position: Mapping[str, Any] | None = None) -> None:
        self.state.walk = dict(self.walker.position if position is None else position)
        self.state.failures = dict(self.world.failures.counts)
        self.committed = self.state.to_plain(metrics_bytes=self.records.size)
        self.clean = True

    def _save(self, *, keep: bool) -> None:
        self.records.save(self.engine, self.committed, int(self.committed["iteration"]), keep=keep)

    def _save_committed(self) -> None:
        if self.clean:
            self._save(keep=False)
