"""One piece of code against its tests: the examiner in one process, the code in a box, and this one between them.

Every byte between the two passes here, and the verdict is counted here. Code that crashes, hangs or is stopped at a limit is a
wrong answer; a box that cannot be had, and tests that are broken whatever the code is, have failed (`Failed`).
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from . import confine, examiner
from .box import Box, Gone, NoBox

_MEBI = 1 << 20
_MESSAGES = 64 << 20
_KEPT = 500
_USED_UP = re.compile(r"\bMemoryError\b|OSError: \[Errno (?:24|27|28|122)\]")
Result = tuple[float, dict[str, Any]]


class Failed(Exception):
    """There is no verdict. `kind` is a value of `FailureKind`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def limits_of(settings: Mapping[str, Any]) -> dict[str, int]:
    """The limits of a box from the settings of a verifier (memory, disk and prints in MiB)."""
    return {"memory": int(settings["memory"]) * _MEBI, "disk": int(settings["disk"]) * _MEBI,
            "output": int(settings["prints"]) * _MEBI, "messages": _MESSAGES, "files": int(settings["files"]),
            "processes": int(settings["processes"]), "cpu": math.ceil(float(settings["timeout"])) + 1}


def boxed(box: Box, run: Callable[[], Result]) -> Result:
    """Run something that needs the box. Where its keeper dies under the code, once more; then the code has done it."""
    try:
        try:
            return run()
        except Gone:
            box.end()
            return run()
    except NoBox as fault:
        raise Failed("setup", f"`isolate: {box.level}` cannot be had here: {fault}") from None
    except Gone as fault:
        box.end()
        return 0.0, {"kind": "crash", "said": f"the code ended what keeps it: {fault}"}


def ending(ended: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and sentence for how the process of the code ended."""
    status, why = int(ended["status"]), str(ended["why"])
    if ended.get("refused"):
        raise Failed("setup", str(ended["refused"]))
    if why in ("output", "disk"):
        said = "printed more than `prints:` allows" if why == "output" else "wrote more than `disk:` allows"
        return "limit", said
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        names = {signal.SIGXCPU: "the time of the processor is used up",
                 signal.SIGKILL: "killed, as when memory or time is used up"}
        return ("limit", names[signal.Signals(number)]) if number in names else ("crash", f"signal {number}")
    return "exception" if status else "crash", f"ended its process (exit status {status})"


def kind_of(said: str) -> str:
    """`limit` for the exceptions with which Python says that memory, files or space are used up, else `exception`."""
    return "limit" if _USED_UP.search(said) else "exception"


class Exam:
    """The tests of one item. `run` gives the share that passed, or whether all did, and the evidence."""

    def __init__(self, box: Box, settings: Mapping[str, Any], folder: str) -> None:
        self.box, self.settings, self.folder = box, settings, folder
        self.is_all = settings["score"] == "all"
        self.count = 0
        self.passed = 0
        self.failed: list[dict[str, Any]] = []
        self.begun = ""
        self.is_code_asked = False
        self.is_done = False
        self.printed = b""
        self.end_of_code: tuple[str, str] | None = None

    def run(self, source: str, tests: Any, entry: str | None) -> Result:
        """Start both processes, and stand between them until there is a verdict. Raises `Failed`, `NoBox`, `Gone`."""
        self.box.run({"role": "module", "source": source, "name": "solution", "limits": limits_of(self.settings)})
        until = time.monotonic() + float(self.settings["timeout"])
        child, ends = self._start(tests, entry)
        try:
            self._stand_between(ends, until)
        finally:
            _stop(child)
            for end in ends:
                os.close(end)
            if self.end_of_code is None:
                ended = self.box.kill()
                if ended is not None and ended.get("refused"):
                    raise Failed("setup", str(ended["refused"]))
        return self._verdict()

    def _start(self, tests: Any, entry: str | None) -> tuple[int, tuple[int, int, int]]:
        answers, into = os.pipe()
        questions, out = os.pipe()
        verdicts, say = os.pipe()
        child = os.fork()
        if child == 0:
            _examine(self.settings, self.folder, (tests, entry, self.is_all), (answers, out, say))
        for end in (answers, out, say):
            os.close(end)
        for end in (into, questions, verdicts):
            os.set_blocking(end, False)
        return child, (into, questions, verdicts)

    def _stand_between(self, ends: tuple[int, int, int], until: float) -> None:
        into, questions, verdicts = ends
        waiting, lines = bytearray(), bytearray()
        open_ends = {questions, verdicts}
        while not self.is_done:
            left = until - time.monotonic()
            if left <= 0:
                self._late()
                return
            sources = [*open_ends, *([self.box.source] if self.end_of_code is None else [])]
            box_sink = self.box.sink if self.end_of_code is None else None
            sinks = [*([into] if waiting else []), *([box_sink] if box_sink is not None else [])]
            ready, _, _ = select.select(sources, sinks, [], left)
            if verdicts in ready:
                data = os.read(verdicts, 1 << 16)
                lines += data
                self._read(lines)
                if not data:
                    self._lost()
                    return
            if questions in ready:
                data = os.read(questions, 1 << 16)
                if not data:
                    open_ends.discard(questions)
                self._ask(data)
            if self.end_of_code is None and self.box.source in ready:
                waiting += self._answers()
            if self.end_of_code is None:
                self.box.flush()
            _pour(waiting, into)

    def _ask(self, data: bytes) -> None:
        self.is_code_asked = self.is_code_asked or bool(data)
        if self.end_of_code is None and data:
            self.box.put("I", data)

    def _answers(self) -> bytes:
        """What came from the box for the examiner."""
        found = b""
        for kind, data in self.box.take():
            if kind == "C":
                found += data
            elif kind == "O":
                self.printed = (self.printed + data)[-_KEPT:]
            elif kind == "X":
                self.end_of_code = ending(json.loads(data))
                found += b"\n" + json.dumps({"gone": self.end_of_code[1]}).encode() + b"\n"
        return found

    def _read(self, lines: bytearray) -> None:
        """The verdicts that came."""
        *whole, rest = bytes(lines).split(b"\n")
        lines[:] = rest
        for line in whole:
            said = json.loads(line)
            if "broken" in said:
                raise Failed("reference", said["broken"])
            self.count = said.get("count", self.count)
            if "begin" in said:
                self.begun, self.is_code_asked = said["begin"], False
            if "test" in said:
                self._note(said)
            self.is_done = self.is_done or "done" in said

    def _note(self, said: dict[str, Any]) -> None:
        if said["test"]:
            self.passed += 1
            return
        kind, text = said["kind"], said["said"]
        if kind == "gone":
            kind, text = self.end_of_code or ("crash", "the code's process broke off")
        kind = kind_of(text) if kind == "exception" else kind
        self.failed.append({"test": said["name"], "kind": kind, "said": text})

    def _late(self) -> None:
        """The deadline: of the code if the test that runs has asked it for something, else of the tests."""
        limit = f"{float(self.settings['timeout']):g} s"
        if not self.is_code_asked:
            raise Failed("timeout", f"`{self.begun or 'the tests'}` asked the code for nothing within {limit}")
        self.failed.append({"test": self.begun, "kind": "timeout", "said": f"no result within {limit}"})

    def _lost(self) -> None:
        """The examiner is gone."""
        if not self.is_code_asked:
            raise Failed("crash", f"the process of the tests ended at `{self.begun}`, which had asked the code for nothing")
        self.failed.append({"test": self.begun, "kind": "limit", "said": "the tests could not hold what the code gave"})

    def _verdict(self) -> Result:
        evidence: dict[str, Any] = {"passed": self.passed, "tests": self.count}
        if self.failed:
            evidence["failed"] = self.failed[:10]
            evidence["kind"] = self.failed[0]["kind"]
        if self.failed and self.printed:
            evidence["printed"] = self.printed.decode("utf-8", "replace")
        is_right = self.passed == self.count and not self.failed
        return float(is_right) if self.is_all else self.passed / self.count, evidence


def _examine(settings: Mapping[str, Any], folder: str, asked: tuple[Any, str | None, bool], ends: tuple[int, int, int]) -> NoReturn:
    """The process of the tests. Never returns."""
    status = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        kept = sorted(ends)
        for low, high in zip([2, *kept], [*kept, 1024], strict=True):
            os.closerange(low + 1, high)
        _confine(settings, folder)
        examiner.examine(*asked, *ends)
        status = 0
    finally:
        os._exit(status)


def _confine(settings: Mapping[str, Any], folder: str) -> None:
    """Tests come with the data: they are held as code is at `process`, as far as the system can."""
    confine.limit({**limits_of(settings), "files": 256}, False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"})
    if settings["readable"]:
        try:
            confine.hold_process(settings["readable"], folder)
        except (confine.Refused, OSError):
            if settings["isolate"] == "process":
                raise


def _stop(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return
    os.waitpid(child, 0)


def _pour(waiting: bytearray, into: int) -> None:
    """Write as much as the pipe takes; what nobody reads any more is dropped."""
    try:
        while waiting:
            del waiting[:os.write(into, waiting[:1 << 16])]
    except BlockingIOError:
        return
    except OSError:
        waiting.clear()
