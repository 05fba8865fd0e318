"""Child processes that run jobs, item by item, each item under a deadline. Knows nothing of types or ranges.

A worker that crashes or stays silent beyond the deadline is killed with everything that it started; its item
has failed, the items behind it go to another worker. POSIX alone.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from rldsl.rewards.outcome import Failure, FailureKind

Item: TypeAlias = "Sequence[Any]"

_SCRIPT = str(Path(__file__).with_name("worker.py"))
_READ = 1 << 18
_TAIL = 600
OPENING_TIME = 60.0
MOST_IN_A_ROW = 20
_LARGEST_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """What an item gave: a value (None: absent) or why there is none, and what is said beside it (plain JSON)."""

    value: Any | Failure
    evidence: Any = None

    @staticmethod
    def of(answer: Sequence[Any]) -> Reply:
        """From `["value", v]` or `["failed", kind, message]` of `jobs.Job.answer`, each with evidence behind it or not."""
        if answer[0] == "value":
            return Reply(answer[1], answer[2] if len(answer) > 2 else None)
        return Reply(Failure(FailureKind(answer[1]), answer[2]), answer[3] if len(answer) > 3 else None)


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of `jobs.open_job` and its settings; `key` tells jobs apart. `timeout`: per item."""

    key: str
    kind: str
    settings: Mapping[str, Any]
    timeout: float


class Worker:
    """One child process: the ends of its pipes, and the items that it is busy with."""

    def __init__(self, folder: Path, isolate: str) -> None:
        requests, self.requests = os.pipe()
        self.replies, replies = os.pipe()
        lifeline, self.lifeline = os.pipe()
        self.output, output = os.pipe()
        theirs = (requests, replies, lifeline)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-u", _SCRIPT, *map(str, theirs), isolate], pass_fds=theirs, cwd=folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        finally:
            for end in (*theirs, output):
                os.close(end)
        for end in (self.requests, self.replies, self.output):
            os.set_blocking(end, False)
        self.opened: dict[str, str] = {}
        self.opening: Job | None = None
        self.items: deque[int] = deque()
        self.outgoing = memoryview(b"")
        self.incoming = b""
        self.printed = b""
        self.deadline = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a reply is awaited."""
        return bool(self.items) or self.opening is not None

    def send(self, request: Mapping[str, Any]) -> None:
        """Queue a request behind what is still to be written."""
        self.outgoing = memoryview(bytes(self.outgoing) + json.dumps(request).encode() + b"\n")

    def write(self) -> None:
        """Write as much of the queue as the pipe takes."""
        with suppress(BlockingIOError, BrokenPipeError):
            while self.outgoing:
                self.outgoing = self.outgoing[os.write(self.requests, self.outgoing[:65536]):]

    def read_replies(self) -> list[Any] | None:
        """The replies that came; None where the worker is gone."""
        with suppress(BlockingIOError):
            data = os.read(self.replies, _READ)
            if not data:
                return None
            *lines, self.incoming = (self.incoming + data).split(b"\n")
            return [json.loads(line) for line in lines]
        return []

    def read_output(self) -> bool:
        """Keep the end of what was printed; whether there may be more."""
        try:
            data = os.read(self.output, _READ)
        except BlockingIOError:
            return False
        self.printed = (self.printed + data)[-_TAIL:]
        return bool(data)

    def end(self, patience: float = 0.0) -> int:
        """Kill the worker and all it started, by letting its lifeline go; the exit status if it ends by
        itself within `patience` seconds."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        os.close(self.lifeline)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        while self.read_output():
            pass
        for descriptor in (self.requests, self.replies, self.output):
            os.close(descriptor)
        return status

    def last_words(self) -> str:
        """The last line that was printed, for a message."""
        lines = self.printed.decode("utf-8", "replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"; it last printed: {said[:200]}" if said else ""


class Pool:
    """At most `size` workers, started when there is work, kept until `close`. One batch at a time. `isolate`: where they run
    (`process`, `namespace`, `container: COMMAND`)."""

    def __init__(self, folder: Path, size: int, isolate: str = "process") -> None:
        self.folder = folder
        self.isolate = isolate
        self.size = size
        self.workers: list[Worker] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def open(self, job: Job) -> str | Failure:
        """Load the job in one worker: the calling convention, or why it cannot be loaded."""
        with self._lock:
            return _Batch(self, job, []).open()

    def run(self, job: Job, items: Sequence[Item]) -> list[Reply]:
        """One reply for each item, in their order."""
        with self._lock:
            return _Batch(self, job, items).run()

    def discard(self, worker: Worker, patience: float = 0.0) -> int:
        """End a worker; the exit status it had."""
        self.workers.remove(worker)
        return worker.end(patience)

    def forget_if_forked(self) -> None:
        """In a fork of the process that started them, workers are another's: start afresh."""
        if os.getpid() != self._owner:
            self.workers = []
            self._owner = os.getpid()

    def close(self) -> None:
        """End all workers."""
        self.forget_if_forked()
        while self.workers:
            self.workers.pop().end()


@dataclass(slots=True)
class _Batch:
    """One run over the items: which are still to be handed out, and the replies so far."""

    pool: Pool
    job: Job
    items: Sequence[Item]
    replies: list[Reply | None] = field(init=False)
    waiting: deque[list[int]] = field(init=False)
    selector: selectors.BaseSelector = field(init=False)
    convention: str | Failure | None = None
    lost_in_a_row: int = 0

    def __post_init__(self) -> None:
        count = len(self.items)
        size = max(1, min(_LARGEST_CHUNK, -(-count // (4 * self.pool.size))))
        self.replies = [None] * count
        self.waiting = deque(list(range(start, min(start + size, count))) for start in range(0, count, size))
        self.selector = selectors.DefaultSelector()

    def run(self) -> list[Reply]:
        """Hand out, wait, collect, until every item has its reply."""
        self._begin()
        try:
            while self.waiting or any(worker.is_busy for worker in self.pool.workers):
                self._employ()
                self._wait()
        except BaseException:
            self.pool.close()
            raise
        finally:
            self.selector.close()
        return [_unanswered() if reply is None else reply for reply in self.replies]

    def open(self) -> str | Failure:
        """Load the job and nothing else."""
        self._begin()
        try:
            worker = next(iter(self.pool.workers), None) or self._start()
            self._open_in(worker)
            while self.convention is None:
                self._wait()
        except BaseException:
            self.pool.close()
            raise
        finally:
            self.selector.close()
        return self.convention

    def _begin(self) -> None:
        self.pool.forget_if_forked()
        for worker in list(self.pool.workers):
            if worker.process.poll() is None:
                self._watch(worker)
            else:
                self.pool.discard(worker)

    def _employ(self) -> None:
        """Give each idle worker a chunk; start workers while chunks are waiting."""
        idle = [worker for worker in self.pool.workers if not worker.is_busy]
        while self.waiting:
            if idle:
                worker = idle.pop()
            elif len(self.pool.workers) < self.pool.size:
                worker = self._start()
            else:
                return
            if self.job.key not in worker.opened:
                self._open_in(worker)
            self._hand_out(worker, self.waiting.popleft())

    def _start(self) -> Worker:
        worker = Worker(self.pool.folder, self.pool.isolate)
        self.pool.workers.append(worker)
        self._watch(worker)
        return worker

    def _watch(self, worker: Worker) -> None:
        self.selector.register(worker.replies, selectors.EVENT_READ, (worker, "replies"))
        self.selector.register(worker.output, selectors.EVENT_READ, (worker, "output"))

    def _open_in(self, worker: Worker) -> None:
        worker.opening = self.job
        worker.send({"job": self.job.key, "kind": self.job.kind, "settings": dict(self.job.settings)})
        worker.deadline = time.monotonic() + OPENING_TIME

    def _hand_out(self, worker: Worker, chunk: list[int]) -> None:
        worker.items.extend(chunk)
        worker.send({"job": self.job.key, "items": [list(self.items[index]) for index in chunk]})
        if worker.opening is None:
            worker.deadline = time.monotonic() + self.job.timeout

    def _wait(self) -> None:
        """Move bytes until something is due; then look for workers that stayed silent."""
        self._register_writers()
        busy = [worker for worker in self.pool.workers if worker.is_busy]
        until = min((worker.deadline for worker in busy), default=0.0)
        for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
            worker, what = key.data
            if worker in self.pool.workers:
                self._move(worker, what)
        now = time.monotonic()
        for worker in busy:
            if worker in self.pool.workers and worker.is_busy and worker.deadline <= now:
                self._on_silence(worker)

    def _register_writers(self) -> None:
        for worker in self.pool.workers:
            registered = worker.requests in self.selector.get_map()
            if worker.outgoing and not registered:
                self.selector.register(worker.requests, selectors.EVENT_WRITE, (worker, "requests"))
            elif registered and not worker.outgoing:
                self.selector.unregister(worker.requests)

    def _move(self, worker: Worker, what: str) -> None:
        if what == "requests":
            worker.write()
        elif what == "output":
            if not worker.read_output():
                self.selector.unregister(worker.output)
        elif (replies := worker.read_replies()) is None:
            self._on_crash(worker)
        else:
            for reply in replies:
                self._on_reply(worker, reply)

    def _on_reply(self, worker: Worker, reply: Any) -> None:
        worker.deadline = time.monotonic() + (OPENING_TIME if worker.opening is not None else self.job.timeout)
        if reply == ["busy"]:
            return
        worker.deadline = time.monotonic() + self.job.timeout
        if worker.opening is not None:
            worker.opening = None
            if "fault" in reply:
                self._refuse(worker, Failure(FailureKind(reply["fault"][0]), reply["fault"][1]))
            else:
                self.convention = worker.opened[self.job.key] = reply["opened"]
            return
        index = worker.items.popleft()
        self.replies[index] = Reply.of(reply)
        self.lost_in_a_row = 0

    def _on_crash(self, worker: Worker) -> None:
        opening = worker.opening is not None
        status = self._drop(worker, patience=1.0)
        how = f"signal {status - 128}" if status > 128 else f"exit status {status}"
        message = f"the process of the function ended ({how}){worker.last_words()}"
        self._lose(worker, opening, Failure(FailureKind.CRASH, message))

    def _on_silence(self, worker: Worker) -> None:
        replies = worker.read_replies()
        if replies is None:
            self._on_crash(worker)
            return
        if replies:  # it was we who did not listen
            for reply in replies:
                self._on_reply(worker, reply)
            return
        opening = worker.opening is not None
        self._drop(worker)
        limit = OPENING_TIME if opening else self.job.timeout
        self._lose(worker, opening, Failure(FailureKind.TIMEOUT, f"no result within {limit:g} s"))

    def _drop(self, worker: Worker, patience: float = 0.0) -> int:
        for descriptor in (worker.requests, worker.replies, worker.output):
            with suppress(KeyError):
                self.selector.unregister(descriptor)
        return self.pool.discard(worker, patience)

    def _lose(self, worker: Worker, opening: bool, failure: Failure) -> None:
        """The item that ran is lost; those behind it wait again."""
        if opening:
            self._refuse(worker, Failure(FailureKind.SETUP, f"while it was loaded: {failure.message}"))
            return
        if worker.items:
            self.replies[worker.items.popleft()] = Reply(failure)
        if worker.items:
            self.waiting.appendleft(list(worker.items))
        self.lost_in_a_row += 1
        if self.lost_in_a_row >= MOST_IN_A_ROW:
            message = f"not tried, after {self.lost_in_a_row} in a row ended with {failure.kind.value}"
            self._refuse(None, Failure(FailureKind.GIVEN_UP, message))

    def _refuse(self, worker: Worker | None, failure: Failure) -> None:
        """Nothing that is not running yet will run."""
        self.convention = failure
        behind = list(worker.items) if worker else []
        if worker and worker in self.pool.workers:
            self._drop(worker)
        for index in [*behind, *(index for chunk in self.waiting for index in chunk)]:
            self.replies[index] = Reply(failure)
        self.waiting.clear()


def _unanswered() -> Reply:
    return Reply(Failure(FailureKind.CRASH, "the process of the function gave no reply"))
