"""The child process that runs verifiers and reward functions: a script on the standard library alone.

It forks at once. The first process only watches: when its parent is gone (the lifeline closes) or when the
worker ends, it kills the worker with everything that it has started, and exits, so nothing survives, however a
function hangs: it is a subreaper, to which processes fall that have left their group and their parent.
Requests and replies are lines of JSON on pipes of their own; what a function prints goes elsewhere. What the
worker can do is in `jobs`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import IO, Any, NoReturn

_POLL = 0.5
_FOLDER = 256 << 20  # bytes that a function may write in namespaces of its own


def main(arguments: list[str]) -> None:
    """Fork into watcher and worker. Arguments: descriptors of requests, replies and the lifeline, and where the worker runs:
    `process`, `namespace` or `container: COMMAND`."""
    requests, replies, lifeline = (int(text) for text in arguments[:3])
    isolate = arguments[3]
    starter = os.getppid()
    jobs = _jobs()
    scratch = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"rldsl-{os.getpid()}-{os.urandom(4).hex()}")
    if sys.platform == "linux":
        system = _sandbox("system")
        system.prctl(system.PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child:
        os.close(requests)
        os.close(replies)
        _watch(child, lifeline, starter, lambda: _clean(scratch, isolate.startswith("container")))
    os.setsid()
    os.close(lifeline)
    if isolate.startswith("container"):
        _become_container(shlex.split(isolate.partition(":")[2]), requests, replies)
    refused = ""
    if isolate == "namespace":
        refused = _enter_namespace()
    _serve(_Setting(jobs, scratch, refused), os.fdopen(requests, "rb"), os.fdopen(replies, "wb"))
    os._exit(0)


def _enter_namespace() -> str:
    """Go on in namespaces of its own, with what Python and the project have to read; why that cannot be, or nothing."""
    confine = _sandbox("confine")
    project = os.getcwd()
    readable = [*confine.SYSTEM_TREES, sys.base_prefix, sys.prefix, *filter(os.path.isdir, sys.path), project]
    try:
        confine.enter_namespaces(readable, as_nobody=False)
        first = confine.fork_as_first()
        if first is not None:
            os.closerange(0, 1024)
            os._exit(_exit_code(os.waitpid(first, 0)[1]))
        os.environ["HOME"] = os.environ["TMPDIR"] = confine.mount_folder(_FOLDER)
        confine.hold_in_namespace(True)
        os.chdir(project)
    except (confine.Refused, OSError) as fault:
        return f"`isolate: namespace` cannot be had here: {fault}"
    return ""


def _become_container(command: list[str], requests: int, replies: int) -> NoReturn:
    """Become the command of a container, in which Python runs this file and `jobs` from their text."""
    here = os.path.dirname(os.path.abspath(__file__))
    texts = []
    for name in ("jobs", "worker"):
        with open(os.path.join(here, f"{name}.py"), encoding="utf-8") as file:
            texts.append((f"_rldsl_{name}", file.read()))
    os.dup2(requests, 0)
    os.dup2(replies, 1)
    try:
        os.execvp(command[0], [*command, "python3", "-u", "-c", _INSIDE.format(texts=repr(texts))])
    except (OSError, IndexError) as fault:
        print(f"the command of the container cannot be run: {fault}", file=sys.stderr, flush=True)
    os._exit(127)


_INSIDE = """
import sys, types
for name, text in {texts}:
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = name
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["_rldsl_worker"].serve_inside()
"""


def serve_inside() -> None:
    """In a container: requests come in and replies go out where this process had its input and output."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    _serve(_Setting(sys.modules["_rldsl_jobs"]), os.fdopen(requests, "rb"), os.fdopen(replies, "wb"))


def _clean(scratch: str, is_container: bool) -> None:
    """End what the worker has left, and take its folder away. The engine of a container has a moment to take that away itself:
    killed with the rest it would keep the container's files and its name."""
    if is_container or os.path.exists(os.path.join(scratch, "container")):
        _sandbox("processes").let_end()
    _sandbox("processes").reap_all()
    if os.path.isdir(scratch):
        _sandbox("confine").remove_folder(scratch)


def _watch(child: int, lifeline: int, starter: int, clean: Callable[[], None]) -> NoReturn:
    """Wait until the worker ends or the starter is gone; leave nothing behind."""
    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([lifeline, wakes], [], [], _POLL)
        if wakes in ready:
            os.read(wakes, 512)
        while (found := os.waitpid(-1, os.WNOHANG))[0]:  # what others have left is reaped as well
            if found[0] == child:
                _kill(child)
                clean()
                os._exit(_exit_code(found[1]))
        if lifeline in ready or os.getppid() != starter:
            _kill(child)
            os.waitpid(child, 0)
            clean()
            os._exit(0)


def _kill(child: int) -> None:
    for end in (os.killpg, os.kill):
        try:
            end(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _exit_code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class _Setting:
    """What a worker works with: the module of jobs, a folder of its own, why nothing can be run where it should be."""

    def __init__(self, jobs: ModuleType, scratch: str = "", refused: str = "") -> None:
        self.jobs, self.scratch, self.refused = jobs, scratch, refused

    def open(self, kind: str, settings: Any, alive: Callable[[], None]) -> Any:
        """A job, ready. Raises its `JobFault`."""
        if self.refused:
            raise self.jobs.JobFault("setup", self.refused)
        if kind in self.jobs.KINDS:
            return self.jobs.open_job(kind, settings)
        return self._open_code(kind, settings, alive)

    def _open_code(self, kind: str, settings: Any, alive: Callable[[], None]) -> Any:
        verdicts, fault_of = _sandbox("verdicts"), self.jobs.JobFault
        try:
            examined = verdicts.open_verdicts(kind, settings, self.scratch, alive)
        except verdicts.Failed as fault:
            raise fault_of(fault.kind, str(fault)) from None

        def run(item: Any) -> Any:
            try:
                return self.jobs.Answered(*examined(item))
            except verdicts.Failed as fault:
                raise fault_of(fault.kind, str(fault)) from None

        return self.jobs.Job(run)


def _serve(setting: _Setting, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until there are no more: `open` a job, or run `items` of one, one reply for each. `["busy"]` between
    them says that an item goes on."""
    opened: dict[str, Any] = {}
    while line := requests.readline():
        request = json.loads(line)
        key = request["job"]
        if "items" in request:
            for item in request["items"]:
                _send(replies, opened[key].answer(item))
            continue
        try:
            opened[key] = setting.open(request["kind"], request["settings"], lambda: _send(replies, ["busy"]))
        except setting.jobs.JobFault as fault:
            _send(replies, {"fault": [fault.kind, str(fault)]})
        else:
            _send(replies, {"opened": opened[key].convention})


def _send(replies: IO[bytes], value: Any) -> None:
    replies.write(json.dumps(value).encode() + b"\n")
    replies.flush()


def _sandbox(name: str) -> Any:
    """A module of the folder `sandbox` beside this file, without the package around it."""
    package = "_rldsl_sandbox"
    if package not in sys.modules:
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandbox")
        first = os.path.join(folder, "__init__.py")
        found = importlib.util.spec_from_file_location(package, first, submodule_search_locations=[folder])
        assert found is not None and found.loader is not None
        sys.modules[package] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[package])
    return importlib.import_module(f"{package}.{name}")


def _jobs() -> ModuleType:
    """The module beside this file, without its package, and without its folder on the path."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs.py")
    spec = importlib.util.spec_from_file_location("_rldsl_jobs", beside)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1:])
