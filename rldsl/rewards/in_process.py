"""Jobs in this process, on a thread (`isolate: none`): faster to start, and at the mercy of what is called.

A call that is late is reported and left behind, as no thread can be ended; what it gives later is lost.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rldsl.data.project import project_on_path
from rldsl.rewards import jobs
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.pool import MOST_IN_A_ROW, OPENING_TIME, Item, Job, Reply

_Answer: TypeAlias = "list[Any] | Failure"
_PATH = threading.RLock()  # there is one `sys.path`


class Threads:
    """Runs the items of a job one after the other on a thread of its own. The same methods as a `Pool`."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._opened: dict[str, jobs.Job] = {}
        self._thread: _Thread | None = None

    def open(self, job: Job) -> str | Failure:
        """Load the job: the calling convention, or why it cannot be loaded."""
        if job.key not in self._opened:
            with _PATH, project_on_path(self.project):
                answer = self._ask(lambda: [jobs.open_job(job.kind, job.settings)], OPENING_TIME)
            if isinstance(answer, Failure):
                return answer
            self._opened[job.key] = answer[0]
        return self._opened[job.key].convention

    def run(self, job: Job, items: Sequence[Item]) -> list[Reply]:
        """One reply for each item, in their order."""
        convention = self.open(job)
        if isinstance(convention, Failure):
            return [Reply(convention)] * len(items)
        opened, replies, late = self._opened[job.key], list[Reply](), 0
        with _PATH, project_on_path(self.project):
            for item in items:
                if late >= MOST_IN_A_ROW:
                    said = f"not tried, after {late} timeouts in a row"
                    replies.append(Reply(Failure(FailureKind.GIVEN_UP, said)))
                    continue
                answer = self._ask(lambda item=item: opened.answer(item), job.timeout)
                late = late + 1 if isinstance(answer, Failure) else 0
                replies.append(Reply(answer) if isinstance(answer, Failure) else Reply.of(answer))
        return replies

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread.questions.put(None)
            self._thread = None

    def _ask(self, question: Any, timeout: float) -> _Answer:
        if self._thread is None:
            self._thread = _Thread()
        self._thread.questions.put(question)
        try:
            answer: _Answer = self._thread.answers.get(timeout=timeout)
        except queue.Empty:
            self.close()
            said = f"no result within {timeout:g} s; it goes on in this process and cannot be ended there"
            return Failure(FailureKind.TIMEOUT, f"{said} (`isolate: process` can end it)")
        return answer


class _Thread:
    """Answers questions until it is asked None; abandoned when it is late."""

    def __init__(self) -> None:
        self.questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name="rldsl-reward").start()

    def _work(self) -> None:
        while (question := self.questions.get()) is not None:
            try:
                self.answers.put(question())
            except jobs.JobFault as fault:
                self.answers.put(Failure(FailureKind(fault.kind), str(fault)))
