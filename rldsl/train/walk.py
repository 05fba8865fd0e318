"""Walks the `train` block, step by step, from any saved position. Executes nothing.

A position is plain data: for each open block its place and its passes so far, and how often each `repeat` has begun a
pass since the run began (what schedules count), each `stage` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rldsl.graph.steps import Assign, Draw, Evaluate, Every, Repeat, Reset, Save, StageStep, Step, Update, When

Position: TypeAlias = Mapping[str, Any]
Action: TypeAlias = Draw | Update | Reset | Evaluate | Save | Assign


@dataclass(frozen=True, slots=True)
class Do:
    """A step to execute."""

    step: Action


@dataclass(frozen=True, slots=True)
class Ask:
    """A condition: `Walker.enter` goes into its body, otherwise it is passed over."""

    step: When


@dataclass(frozen=True, slots=True)
class Left:
    """The end of a block, or of one pass of a `repeat`; `depth` is the block's."""

    depth: int


Event: TypeAlias = Do | Ask | Left


@dataclass(slots=True)
class _Frame:
    block: Repeat | StageStep | Every | When | None
    body: tuple[Step, ...]
    path: str
    index: int = 0
    passes: int = 0


class Walker:
    """`advance` gives what comes next, None at the end; `position` is where to go on from."""

    def __init__(self, steps: tuple[Step, ...], position: Position | None = None) -> None:
        self._frames = [_Frame(None, steps, "")]
        self._begun: dict[str, int] = {}
        if position is not None:
            self._restore(position)

    @property
    def position(self) -> dict[str, Any]:
        """As plain data."""
        frames = [[frame.index, frame.passes] for frame in self._frames]
        return {"frames": frames, "begun": dict(self._begun)}

    @property
    def depth(self) -> int:
        """How many blocks are open; the `train` block itself is the first."""
        return len(self._frames)

    @property
    def stage(self) -> StageStep | None:
        """The innermost stage."""
        return next((frame.block for frame in reversed(self._frames) if isinstance(frame.block, StageStep)), None)

    @property
    def stage_visit(self) -> str:
        """Names one visit of the innermost stage: the same stage in a later pass of a `repeat` is another visit."""
        path = next((frame.path for frame in reversed(self._frames) if isinstance(frame.block, StageStep)), "")
        return f"{path}#{self._begun.get(path, 0)}"

    @property
    def passes_done(self) -> int:
        """Passes of the innermost `repeat` that were begun before the present one, since the run began."""
        frame = self._enclosing_repeat()
        return self._begun.get(frame.path, 1) - 1 if frame is not None else 0

    @property
    def remaining(self) -> tuple[Step, ...]:
        """What is left of the present block, without the step that `advance` gave last."""
        return self._frames[-1].body[self._frames[-1].index:]

    def advance(self) -> Event | None:
        """The next event."""
        while self._frames:
            frame = self._frames[-1]
            if frame.index >= len(frame.body):
                return self._leave() if len(self._frames) > 1 else None
            event = self._step(frame, frame.body[frame.index])
            if event is not None:
                return event
        return None

    def enter(self) -> None:
        """Go into the body of the condition that was asked last."""
        parent = self._frames[-1]
        parent.index -= 1
        block = parent.body[parent.index]
        assert isinstance(block, When)
        self._open(block, parent)

    # ------------------------------------------------------------------ inside
    def _step(self, frame: _Frame, step: Step) -> Event | None:
        match step:
            case Repeat() | StageStep():
                self._open(step, frame)
                self._begin_pass()
                return None
            case Every():
                self._every(step, frame)
                return None
            case When():
                frame.index += 1
                return Ask(step)
            case _:
                frame.index += 1
                return Do(step)

    def _every(self, step: Every, frame: _Frame) -> None:
        repeat = self._enclosing_repeat()
        number = repeat.passes + 1 if repeat is not None else 1
        if number % step.count == 0:
            self._open(step, frame)
        else:
            frame.index += 1

    def _open(self, block: Repeat | StageStep | Every | When, parent: _Frame) -> None:
        self._frames.append(_Frame(block, block.body, f"{parent.path}/{parent.index}"))

    def _begin_pass(self) -> None:
        path = self._frames[-1].path
        self._begun[path] = self._begun.get(path, 0) + 1

    def _leave(self) -> Left:
        frame, depth = self._frames[-1], len(self._frames)
        frame.passes += 1
        if isinstance(frame.block, Repeat) and frame.passes < frame.block.count:
            frame.index = 0
            self._begin_pass()
        else:
            self._frames.pop()
            self._frames[-1].index += 1
        return Left(depth)

    def _enclosing_repeat(self) -> _Frame | None:
        return next((frame for frame in reversed(self._frames) if isinstance(frame.block, Repeat)), None)

    def _restore(self, position: Position) -> None:
        places: Sequence[Sequence[int]] = position["frames"]
        self._begun = dict(position["begun"])
        for depth, (index, passes) in enumerate(places):
            frame = self._frames[-1]
            frame.index, frame.passes = index, passes
            if depth + 1 < len(places):
                block = frame.body[index]
                assert isinstance(block, Repeat | StageStep | Every | When)
                self._open(block, frame)


def count_iterations(steps: Sequence[Step], passes: int = 1) -> int:
    """How many iterations a block has in all, each beginning with a draw; conditions are taken to hold."""
    total, drawn = 0, set[str | None]()
    for step in steps:
        match step:
            case Draw(data=data) if not drawn or data in drawn:
                total, drawn = total + passes, {data}
            case Draw(data=data):
                drawn.add(data)
            case Repeat(count=count, body=body):
                total += passes * count_iterations(body, count)
            case Every(count=count, body=body):
                total += count_iterations(body, passes // count) if passes >= count else 0
            case StageStep(body=body) | When(body=body):
                total += count_iterations(body, passes)
                drawn = set() if isinstance(step, When) else drawn
            case Update() | Reset() | Evaluate() | Assign():
                drawn = set()
            case _:
                pass
    return total
