"""Reads a `train` block before it runs: which data set each draw means, and that each update has the rows it needs.

Rows stand from their draw to the next one, or to the end of the block in which the draw stands. Draws of different data
sets that follow each other stand together, with nothing between them that uses rows or changes weights: an update, a reset,
an evaluation, an assignment, a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rldsl.graph.spec import Spec
from rldsl.graph.steps import Assign, Draw, Evaluate, Every, Repeat, Reset, StageStep, Step, Update, When
from rldsl.train.needs import Needs
from rldsl.train.outcome import RunError, place_of

Steps = tuple[Step, ...]


@dataclass(slots=True)
class Rows:
    """The data sets whose rows stand, and whether a step has used them: what belongs to them is computed by then."""

    drawn: frozenset[str] = frozenset()
    used: bool = False

    def joins(self, draw: Draw) -> bool:
        """Whether the rows of a draw stand beside these; otherwise an iteration begins."""
        return bool(self.drawn) and not self.used and draw.data is not None and draw.data not in self.drawn

    def after(self, draw: Draw) -> Rows:
        """The rows that stand after a draw."""
        assert draw.data is not None
        return Rows(self.drawn | {draw.data} if self.joins(draw) else frozenset({draw.data}))

    def after_use(self) -> Rows:
        """The same rows, to which no draw is added any more."""
        return Rows(self.drawn, used=True)


def prepare_train(spec: Spec, objectives: Mapping[str, Needs]) -> Steps:
    """The steps with each draw's data set filled in. Raises `RunError` for an update without its rows."""
    named = _name_draws(spec, spec.train, (), objectives)
    _check(spec, named, Rows(), objectives)
    return named


def steps_on_rows(steps: Iterable[Step], rows: Rows) -> list[Update | When | Assign]:
    """The steps after a draw that may look at its rows: updates, conditions, assignments."""
    return _collect(steps, rows)[0]


# ------------------------------------------------------------------ naming
def _name_draws(spec: Spec, steps: Steps, after: Steps, objectives: Mapping[str, Needs]) -> Steps:
    named: list[Step] = []
    for index, step in enumerate(steps):
        match step:
            case Draw(data=None):
                named.append(replace(step, data=_inferred(spec, step, (*steps[index + 1:], *after), objectives)))
            case Repeat(body=body) | StageStep(body=body) | Every(body=body) | When(body=body):
                named.append(replace(step, body=_name_draws(spec, body, (), objectives)))
            case _:
                named.append(step)
    return tuple(named)


def _inferred(spec: Spec, draw: Draw, following: Steps, objectives: Mapping[str, Needs]) -> str:
    updates, _ = _until_draw(following)
    needed = sorted({name for update in updates for name in objectives[update.objective].data})
    if not needed and len(spec.data) == 1:
        return spec.data[0].name
    if len(needed) == 1:
        return needed[0]
    why = f"the updates after it need {_listed(needed)}" if needed else "no update follows it"
    example = needed[0] if needed else (spec.data[0].name if spec.data else "problems")
    raise RunError(f"{place_of(spec, draw.span)}: this draw does not say from which data set, and {why}; "
                   f"write `draw {draw.count} rows from {example}`")


def _until_draw(steps: Iterable[Step]) -> tuple[list[Update], bool]:
    """The updates up to the next draw, and whether none was met."""
    found: list[Update] = []
    for step in steps:
        match step:
            case Draw():
                return found, False
            case Update():
                found.append(step)
            case Repeat(body=body) | StageStep(body=body) | Every(body=body) | When(body=body):
                inner, open_ended = _until_draw(body)
                found += inner
                if not open_ended:
                    return found, False
            case _:
                pass
    return found, True


# ------------------------------------------------------------------ checking
def _check(spec: Spec, steps: Steps, rows: Rows, objectives: Mapping[str, Needs]) -> Rows:
    for step in steps:
        match step:
            case Draw():
                rows = rows.after(step)
            case Update():
                _check_update(spec, step, rows, objectives[step.objective])
                rows = rows.after_use()
            case Reset() | Evaluate() | Assign():
                rows = rows.after_use()
            case Repeat(body=body) | StageStep(body=body) | Every(body=body) | When(body=body):
                rows = rows.after_use() if isinstance(step, When) else rows
                after = _check(spec, body, rows, objectives)
                rows = after if not _has_draw(body) else Rows()
            case _:
                pass
    return rows


def _check_update(spec: Spec, update: Update, rows: Rows, needs: Needs) -> None:
    missing = sorted(needs.data - rows.drawn)
    if missing or not needs.data:
        what = f"needs rows of {_listed(missing)}, and none are drawn here" if missing else "reads no rows of any data set"
        fix = f"write `draw 32 rows from {missing[0]}` before it, in the same block" if missing else \
            "an objective needs a rollout or a response to learn from"
        raise RunError(f"{place_of(spec, update.span)}: `{update.objective}` {what}; {fix}")


def _has_draw(steps: Iterable[Step]) -> bool:
    return any(isinstance(step, Draw) or (isinstance(step, Repeat | StageStep | Every | When) and _has_draw(step.body))
               for step in steps)


def _collect(steps: Iterable[Step], rows: Rows) -> tuple[list[Update | When | Assign], Rows | None]:
    """The steps on the rows, and the rows that stand afterwards (None where others were drawn)."""
    found: list[Update | When | Assign] = []
    for step in steps:
        match step:
            case Draw():
                if not rows.joins(step):
                    return found, None
                rows = rows.after(step)
            case Update() | Assign():
                found.append(step)
                rows = rows.after_use()
            case Reset() | Evaluate():
                rows = rows.after_use()
            case Repeat(body=body) | StageStep(body=body) | Every(body=body) | When(body=body):
                found += [step] if isinstance(step, When) else []
                rows = rows.after_use() if isinstance(step, When) else rows
                inner, after = _collect(body, rows)
                found += inner
                if after is None:
                    return found, None
                rows = after
            case _:
                pass
    return found, rows


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
