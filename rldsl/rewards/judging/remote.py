"""A judge over HTTP: many questions at the same time from one thread, retried, paced, within a budget.

Decides when a call is sent and whether it is sent again; what a response means is `protocol`'s to say. Keeps nothing.
"""

from __future__ import annotations

import asyncio
import queue
import random
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from rldsl.rewards.judging.connections import BrokenOff, Connections, NotConnected
from rldsl.rewards.judging.limits import Budget
from rldsl.rewards.judging.pace import Pace
from rldsl.rewards.judging.protocol import (
    Again,
    Dialect,
    Reply,
    Result,
    Trouble,
    body_of,
    bound_of,
    first_dialect,
    read_response,
)
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.judging.replies import LONGEST
from rldsl.rewards.judging.retries import Backoff
from rldsl.rewards.judging.settings import Endpoint, JudgeSettings
from rldsl.rewards.judging.threads import LoopThread
from rldsl.rewards.outcome import Cost, Failure, FailureKind

PATIENCE: Final = 8           # questions in a row without any answer, after which the rest are given up
_ALIVE: Final = 4             # questions under way or waiting to be, for each connection
_MOST_BYTES: Final = 4 * LONGEST
_Item: TypeAlias = "tuple[int, Answered | Failure] | BaseException | None"


@dataclass(slots=True)
class _Asked:
    """A question under way: what it took so far, when it is given up, and how often it was tried."""

    question: Question
    bound: Cost
    cost: Cost = field(default_factory=Cost)
    started: float = 0.0
    tries: int = 0    # that count against `retries`
    attempt: int = 0  # calls in all
    said: str = ""    # by the server, the last time that it said something


class Remote:
    """Asks one endpoint. Safe to be used by several threads: they share its connections, its pace and its budget."""

    def __init__(self, endpoint: Endpoint, settings: JudgeSettings, budget: Budget, *, backoff: Backoff | None = None,
                 share: random.Random | None = None) -> None:
        """`backoff` and `share`, the source of its jitter, are for tests."""
        self.endpoint, self.settings, self.budget = endpoint, settings, budget
        self._backoff, self._share = backoff or Backoff(), share or random.Random()
        self._dialect = first_dialect(settings)
        self._pace = Pace(settings, budget)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered = 0        # questions in a row without an answer
        self._silent: list[float] = []  # when calls in a row ended without one
        self._given_up: Failure | None = None
        self._loop = LoopThread(f"judge-{endpoint.judge}")
        self._connections = Connections(settings.connections, _headers(endpoint))
        weakref.finalize(self, self._loop.close, self._connections.close)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What answers depend on, beside the question."""
        return {"server": self.endpoint.shown, "model": self.endpoint.model, **self.settings.asking}

    def bound(self, question: Question) -> Cost:
        """The most that one call for it can cost."""
        return bound_of(self.settings, question)

    def answer(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answered | Failure]]:
        """Places and results, as they come. Closing the iterator early ends the calls that are under way."""
        results: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        batch = self._loop.submit(self._batch(questions, results))
        try:
            while (item := results.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            batch.cancel()

    def close(self) -> None:
        """End the connections and the thread; it cannot be asked again."""
        self._loop.close(self._connections.close)

    # ------------------------------------------------------------ on the loop's thread from here on
    async def _batch(self, questions: Sequence[Question], results: queue.SimpleQueue[_Item]) -> None:
        if not self._tasks:
            self._unanswered, self._given_up = 0, None
            self._silent.clear()
        room = asyncio.Semaphore(_ALIVE * self.settings.connections)
        mine: set[asyncio.Task[None]] = set()
        try:
            for place, question in enumerate(questions):
                await room.acquire()
                task = asyncio.create_task(self._one(place, question, results))
                for group in (mine, self._tasks):
                    group.add(task)
                    task.add_done_callback(group.discard)
                task.add_done_callback(lambda _: room.release())
            await asyncio.gather(*mine)
        finally:
            for task in mine:
                task.cancel()
            results.put(None)

    async def _one(self, place: int, question: Question, results: queue.SimpleQueue[_Item]) -> None:
        asked = _Asked(question, self.bound(question))
        try:
            result = self._given_up or await self._ask(asked)
        except asyncio.CancelledError:
            if self._given_up is None:
                raise
            result = self._given_up
        except Exception as fault:  # a fault of ours: the caller's thread raises it
            results.put(fault)
            return
        results.put((place, replace(result, cost=asked.cost)))
        self._note(result)

    def _note(self, result: Answered | Failure) -> None:
        """Counts questions without an answer; after `PATIENCE` in a row the endpoint is taken to be gone."""
        kind = result.kind if isinstance(result, Failure) else None
        if kind is FailureKind.UNREACHABLE:
            self._unanswered += 1
        elif kind not in (FailureKind.GIVEN_UP, FailureKind.BUDGET, FailureKind.WRONG_TYPE):
            self._unanswered = 0
        if self._unanswered >= PATIENCE and isinstance(result, Failure):
            self._give_up(f"{PATIENCE} questions in a row got no answer", result)

    def _note_call(self, result: Result) -> None:
        """Counts calls without an answer: as many in a row, over a whole deadline, say the same where few go out at a time."""
        if not isinstance(result, Trouble) or result.again is not Again.UNREACHABLE:
            self._silent.clear()
            return
        self._silent.append(time.monotonic())
        if len(self._silent) >= PATIENCE and self._silent[-1] - self._silent[0] >= self.settings.deadline:
            self._give_up(f"{len(self._silent)} calls in a row got no answer", result.failure)

    def _give_up(self, why: str, last: Failure) -> None:
        if self._given_up is None:
            self._given_up = Failure(FailureKind.GIVEN_UP, f"not asked to the end: {why}; the last: {last.message}")
            for task in self._tasks:
                task.cancel()

    async def _ask(self, asked: _Asked) -> Answered | Failure:
        """Calls until there is an answer, or a reason to stop."""
        half = _half_character(asked.question)
        if half is not None:
            return half
        while True:
            result = await self._try(asked)
            if isinstance(result, Failure):
                return result
            if isinstance(result, Reply):
                return Answered(result.value, result.text, seconds=time.monotonic() - asked.started)
            stopped = await self._after(asked, result)
            if stopped is not None:
                return stopped

    async def _try(self, asked: _Asked) -> Result | Failure:
        """One call, once it may be sent; a `Failure` where the budget has no room for it."""
        refused = await self._pace.enter(asked.bound)
        if refused is not None:
            return refused
        if not asked.attempt:
            asked.started = time.monotonic()
        cost = asked.bound  # of a call that is cancelled: it may be billed
        used = self._dialect
        try:
            result = await self._call(asked, used)
            cost = result.cost
        finally:
            self._pace.leave(asked.bound, cost)
            asked.cost += cost
        asked.attempt += 1
        self._note_call(result)
        if isinstance(result, Trouble) and result.dialect is not None and self._dialect == used:
            self._dialect = result.dialect
        return result

    async def _after(self, asked: _Asked, trouble: Trouble) -> Failure | None:
        """Waits before the next call, or says why there is none."""
        passed = time.monotonic() - asked.started
        left = self.settings.deadline - passed
        match trouble.again:
            case None:
                return trouble.failure
            case Again.DIALECT:
                return None
            case Again.BUSY:
                pass  # no failed try: it goes on until the deadline
            case Again.MALFORMED | Again.UNREACHABLE:
                asked.tries += 1
                if asked.tries > self.settings.retries:
                    return _tried(trouble, asked, passed)
        if trouble.again is Again.MALFORMED and left > 0:
            return None
        wait = self._backoff.wait(asked.attempt - 1, self._share.random())
        if trouble.wait is not None:
            wait = max(wait, trouble.wait)
        if wait >= left:
            asks = f"; `Retry-After` asks for {trouble.wait:.0f} s" if trouble.wait is not None else ""
            return _tried(trouble, asked, passed, f"{asks}, and the deadline is {self.settings.deadline:g} s")
        if trouble.again is Again.BUSY or trouble.wait is not None:
            self._pace.pause(wait, is_busy=trouble.again is Again.BUSY)
        await asyncio.sleep(wait)
        return None

    async def _call(self, asked: _Asked, dialect: Dialect) -> Result:
        seconds = max(0.001, min(self.settings.timeout, asked.started + self.settings.deadline - time.monotonic()))
        body = body_of(asked.question, self.endpoint, self.settings, dialect, asked.tries)
        try:
            async with asyncio.timeout(seconds):
                found = await self._connections.post(self.endpoint.url, body, _MOST_BYTES)
        except TimeoutError:
            before = f"{asked.said}; then " if asked.said else ""
            return _unreachable(f"{before}no answer within {seconds:.3g} s", asked.bound)
        except NotConnected as fault:
            return _unreachable(f"no connection to {self.endpoint.shown}: {fault}", Cost())
        except BrokenOff as fault:
            return _unreachable(f"the server broke off: {self.endpoint.hide(str(fault))[:300]}", asked.bound)
        if not found.is_whole:
            return Trouble(Failure(FailureKind.MALFORMED, f"the response has more than {_MOST_BYTES >> 20} MB"), asked.bound)
        result = read_response(found.status, found.content, found.wait, asked.question, self.endpoint, self.settings, dialect)
        asked.said = result.failure.message if isinstance(result, Trouble) else ""
        return result


def _headers(endpoint: Endpoint) -> dict[str, str]:
    authorization = {"authorization": f"Bearer {endpoint.key}"} if endpoint.key is not None else {}
    return {"content-type": "application/json", **authorization}


def _half_character(question: Question) -> Failure | None:
    for text in (question.system, question.user):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as fault:
            return Failure(FailureKind.WRONG_TYPE, f"a text has half a character (U+{ord(text[fault.start]):04X}, its character "
                                                   f"{fault.start + 1}), which no server can be sent")
    return None


def _unreachable(message: str, cost: Cost) -> Trouble:
    return Trouble(Failure(FailureKind.UNREACHABLE, message), cost, Again.UNREACHABLE)


def _tried(trouble: Trouble, asked: _Asked, passed: float, why: str = "") -> Failure:
    calls = f"{asked.attempt} calls" if asked.attempt > 1 else "1 call"
    return Failure(trouble.failure.kind, f"{trouble.failure.message} ({calls} in {passed:.1f} s{why})")
