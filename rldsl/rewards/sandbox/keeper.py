"""The process that keeps a box: it has imported what is common, forks once for each piece of code, and sees that nothing of it
is left. It talks frames with whoever started it; the code's bytes pass through it unread.

To it: `R` (run: JSON), `I` (bytes for the code), `E` (no more of them), `K` (kill it). From it: `H` (what holds here), `B` (the box
cannot be had), `C` (bytes of the code), `O` (what it prints beside them), `X` (it has ended: JSON).
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Optional

from . import confine, module_role, processes, program_role, system
from .frames import Frame, Port

_TICK = 0.02
_LARGEST_QUEUE = 1 << 20
_COMMON = ("abc", "ast", "asyncio", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
           "fractions", "functools", "heapq", "io", "itertools", "json", "math", "operator", "random", "re", "sqlite3",
           "statistics", "string", "textwrap", "threading", "time", "typing", "types")


def main(settings: dict[str, Any]) -> None:
    """Keep a box until the starter lets go. Frames go over the descriptors 0 and 1."""
    port = Port(os.dup(0), os.dup(1))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    _import_common(settings["path"])
    try:
        said = _settle(settings)
    except (confine.Refused, OSError) as fault:
        port.put("B", str(fault).encode())
        return
    port.put("H", json.dumps(said).encode())
    while not port.is_closed:
        select.select([port.source], [port.sink] if port.waiting else [], [])
        port.flush()
        frames = port.take()
        while frames:
            kind, data = frames.pop(0)
            if kind == "R":
                run = _Run(port, settings, json.loads(data))
                run.deliver(frames)
                frames = []
                run.run()


def _import_common(path: list[str]) -> None:
    sys.path[:] = [folder for folder in sys.path if folder] + [folder for folder in path if folder not in sys.path]
    for name in _COMMON:
        try:
            __import__(name)
        except ImportError:
            continue


def _settle(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Make the box ready; what is refused in it although the level can do without."""
    if system.IS_LINUX:
        system.prctl(system.PR_SET_CHILD_SUBREAPER, 1)
    if settings["level"] == "container":
        return {"level": "container", "python": sys.version.split()[0]}
    if not system.IS_LINUX:
        raise confine.Refused(f"this is {sys.platform}: `process` and `namespace` need Linux; `container(…)` does not")
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
    if settings["level"] == "namespace":
        confine.enter_namespaces(settings["readable"])
    else:
        system.prctl(system.PR_SET_DUMPABLE, 0)
    return {"level": settings["level"], "python": sys.version.split()[0]}


class _Run:
    """One piece of code: its process, its pipes, and what is passed on until it is gone."""

    def __init__(self, port: Port, settings: Mapping[str, Any], request: dict[str, Any]) -> None:
        self.port, self.settings, self.request = port, settings, request
        self.level = str(settings["level"])
        self.limits = request["limits"]
        self.folder = "" if self.level == "namespace" else confine.make_folder(settings["base"])
        self.why = ""
        self.counts = {"C": 0, "O": 0}
        self.queue = bytearray()
        self.is_input_over = False

    def run(self) -> None:
        """Start it, pass bytes on, and say how it ended."""
        theirs_in, self.into = os.pipe()
        self.outof, theirs_out = os.pipe()
        self.beside, theirs_beside = os.pipe()
        self.faults, theirs_fault = os.pipe()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            self._become(theirs_in, theirs_out, theirs_beside, theirs_fault)
        for end in (theirs_in, theirs_out, theirs_beside, theirs_fault):
            os.close(end)
        for end in (self.into, self.outof, self.beside):
            os.set_blocking(end, False)
        status, usage = self._pass_on(child)
        refused = _read_all(self.faults)
        for end in (self.outof, self.beside, self.faults):
            os.close(end)
        if self.into >= 0:
            os.close(self.into)
        processes.reap_all()
        if self.folder:
            confine.remove_folder(self.folder)
        ended = {"status": status, "why": self.why, "seconds": time.monotonic() - started, "cpu": usage,
                 "refused": refused.decode("utf-8", "replace")}
        self.port.put("X", json.dumps(ended).encode())

    # -------------------------------------------------------------- the starter's side
    def _pass_on(self, child: int) -> tuple[int, float]:
        """Bytes both ways until the process has ended and all that it wrote has been read."""
        reading = {self.outof: "C", self.beside: "O"}
        status: Optional[int] = None
        usage = 0.0
        checked = time.monotonic()
        while status is None or reading:
            self._wait(reading, status is not None)
            for source in list(reading):
                if not self._read(source, reading[source]):
                    del reading[source]
            self._write()
            if self.port.is_closed:
                self.why = self.why or "let go"
            if self.folder and time.monotonic() - checked > _TICK:
                if confine.is_overfull(self.folder, int(self.limits["disk"])):
                    self.why = self.why or "disk"
                checked = time.monotonic()
            if self.why and status is None:
                processes.kill(child)
            if status is None:
                found, code, used = os.wait4(child, os.WNOHANG)
                if found:
                    status, usage = code, used.ru_utime + used.ru_stime
                    processes.reap_all()
            elif self.why:
                break
        return (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), usage

    def _wait(self, reading: dict[int, str], has_ended: bool) -> None:
        """Until something can be moved; the process itself is looked at after each tick."""
        may_read = self.port.waiting < _LARGEST_QUEUE
        sources = [self.port.source, *(reading if may_read else [])]
        sinks = [self.port.sink] if self.port.waiting else []
        if self.into >= 0 and (self.queue or self.is_input_over):
            sinks.append(self.into)
        ready, _, _ = select.select(sources, sinks, [], _TICK if not has_ended else 0.5)
        if self.port.source in ready:
            self.deliver(self.port.take())
        self.port.flush()

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Take what the starter sends for this piece of code."""
        for kind, data in frames:
            if kind == "I":
                self.queue += data
            elif kind == "E":
                self.is_input_over = True
            elif kind == "K":
                self.why = self.why or "killed"

    def _read(self, source: int, kind: str) -> bool:
        """Pass on what the code wrote; False at its end."""
        if self.port.waiting >= _LARGEST_QUEUE:
            return True
        try:
            data = os.read(source, 1 << 16)
        except BlockingIOError:
            return True
        self.counts[kind] += len(data)
        most = int(self.limits["output" if kind == "O" or self.request["role"] != "module" else "messages"])
        if self.counts[kind] > most:
            self.why = self.why or "output"
            return False
        if data:
            self.port.put(kind, data)
        return bool(data)

    def _write(self) -> None:
        try:
            while self.into >= 0 and self.queue:
                del self.queue[:os.write(self.into, self.queue[:1 << 16])]
            if self.into >= 0 and self.is_input_over:
                os.close(self.into)
                self.into = -1
        except BlockingIOError:
            return
        except OSError:  # it does not read any more
            self.queue.clear()
            os.close(self.into)
            self.into = -1

    # -------------------------------------------------------------- the code's side
    def _become(self, source: int, sink: int, beside: int, fault: int) -> NoReturn:
        """What runs the code: this process, or the first one of a namespace below it. Never returns."""
        status = 1
        try:
            if self.level == "namespace":
                first = confine.fork_as_first()
                if first is not None:
                    _wait_for(first)
                os.setsid()
                self.folder = confine.mount_folder(int(self.limits["disk"]))
            else:
                os.setsid()
                if system.IS_LINUX:
                    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
            self._arrange(source, sink, beside, fault)
            fault = _FAULT
            self._hold()
        except BaseException as refused:
            os.write(fault, f"{type(refused).__name__}: {refused}".encode()[:1000])
            os._exit(1)
        try:
            os.close(_FAULT)
            self._play()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
            if isinstance(ended.code, str):
                os.write(2, ended.code.encode("utf-8", "replace") + b"\n")
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            _end(status)

    def _arrange(self, source: int, sink: int, beside: int, fault: int) -> None:
        """Descriptors, folder and environment of the code."""
        null = os.open(os.devnull, os.O_RDWR)
        is_module = self.request["role"] == "module"
        wanted = [(null if is_module else source, 0), (beside if is_module else sink, 1), (beside, 2), (fault, _FAULT)]
        if is_module:
            wanted += [(source, _REQUESTS), (sink, _REPLIES)]
        moved = [(_above(end), place) for end, place in wanted]
        for end, place in moved:
            os.dup2(end, place)
        os.closerange(_REPLIES + 1 if is_module else _FAULT + 1, _DESCRIPTORS)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update({"PATH": str(self.settings["command_path"]), "HOME": self.folder, "TMPDIR": self.folder,
                           "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"})
        tempfile.tempdir = None  # what this process has found is not the code's
        sys.path.insert(0, self.folder)

    def _hold(self) -> None:
        several = int(self.limits["processes"]) > 1
        confine.limit(self.limits, several and self.level == "namespace")
        if self.level == "process":
            confine.hold_process(self.settings["readable"], self.folder)
        elif self.level == "namespace":
            confine.hold_in_namespace(several)
        else:
            confine.hold_in_container(several)

    def _play(self) -> None:
        request = self.request
        signal.signal(signal.SIGPIPE, signal.SIG_DFL if request.get("command") else signal.SIG_IGN)
        if request["role"] == "module":
            module_role.serve_module(request["source"], request["name"], _REQUESTS, _REPLIES)
        elif request["role"] == "query":
            program_role.run_query(request["setup"], request["source"], 1)
        elif request["command"]:
            program_role.run_command(request["source"], request["command"], request["file"])
        else:
            program_role.run_program(request["source"], [])


_FAULT, _REQUESTS, _REPLIES, _DESCRIPTORS = 3, 4, 5, 1024


def _above(descriptor: int) -> int:
    """A copy beyond those that are given out."""
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD, 16)


def _end(status: int) -> NoReturn:
    """End as an interpreter does, as far as what was printed is concerned."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            status = status or 1
    os._exit(status)


def _wait_for(first: int) -> NoReturn:
    """Outside of the namespace: wait for its first process, and end as it did (a signal as 128 and its number)."""
    os.closerange(0, _DESCRIPTORS)
    _, status = os.waitpid(first, 0)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _read_all(source: int) -> bytes:
    os.set_blocking(source, False)
    try:
        return os.read(source, 4096)
    except BlockingIOError:
        return b""
