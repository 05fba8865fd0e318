"""The starter's end of a box: starts its keeper, hands it code, and ends it. What comes back is the code's, and is not believed."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from . import confine
from .frames import Frame, Port

_HERE = os.path.dirname(os.path.abspath(__file__))
_BOXED = ("system", "calls_filter", "landlock", "confine", "plain", "wire", "frames", "module_role", "program_role",
          "processes", "keeper")
_LOADER = """
import json, os, sys, types
def read(size):
    data = b""
    while len(data) < size:
        part = os.read(0, min(65536, size - len(data)))
        if not part: os._exit(3)
        data += part
    return data
held = json.loads(read(int(read(12))))
package = types.ModuleType("box")
package.__path__ = []
sys.modules["box"] = package
for name, source in held["modules"]:
    module = types.ModuleType("box." + name)
    module.__package__ = "box"
    sys.modules["box." + name] = module
    setattr(package, name, module)
    exec(compile(source, "<box>/" + name + ".py", "exec"), module.__dict__)
sys.modules["box.keeper"].main(held["settings"])
"""
_STARTING, _ENDING = 30.0, 10.0
COMMAND_PATH = "/usr/local/bin:/usr/bin:/bin"


class NoBox(Exception):
    """The box cannot be had; the message says what is missing."""


class Gone(Exception):
    """The keeper ended although nobody asked it to."""


class Box:
    """A keeper and the pipes to it. `level`: `process`, `namespace` or `container: COMMAND`; `scratch`: a folder of its own."""

    def __init__(self, level: str, scratch: str) -> None:
        self.level, self.scratch = level, scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._port: Port | None = None
        self._errors: Any = None
        self._base: str | None = None

    @property
    def source(self) -> int:
        """What becomes readable when something has come."""
        assert self._port is not None
        return self._port.source

    @property
    def sink(self) -> int | None:
        """What to wait for where something is still to be written; None where nothing is."""
        assert self._port is not None
        return self._port.sink if self._port.waiting else None

    def start(self) -> None:
        """Start a keeper unless there is one. Raises `NoBox`."""
        if self._process is not None:
            return
        if self.level not in ("process", "namespace") and not self.level.startswith("container:"):
            raise NoBox("there is no such level of isolation")
        container = self.level.partition(":")[2].strip() if self.level.startswith("container") else ""
        python = "python3" if container else sys.executable
        command = [*_words(container), python, "-s", "-S", "-B", "-u", "-c", _LOADER]
        self._base = None if container else tempfile.mkdtemp(prefix="box-", dir=self.scratch)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        environment = dict(os.environ) if container else {"PATH": COMMAND_PATH, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                                             env=environment, cwd="/", bufsize=0)
            self._greet(container)
        except (OSError, NoBox) as fault:
            self.end()
            raise NoBox(str(fault)) from None

    def _greet(self, container: str) -> None:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        modules = [(name, _text_of(name)) for name in _BOXED]
        settings = settings_of("container" if container else self.level, self._base)
        data = json.dumps({"modules": modules, "settings": settings}).encode()
        self._port = Port(self._process.stdout.fileno(), self._process.stdin.fileno())
        self._port.put_raw(b"%12d" % len(data) + data)
        kind, said = self._next(time.monotonic() + _STARTING)
        if kind != "H":
            raise NoBox(said.decode("utf-8", "replace") if kind == "B" else f"the keeper answered {kind!r}")

    def _next(self, until: float) -> Frame:
        """The first frame of a new keeper."""
        assert self._port is not None and self._process is not None
        while time.monotonic() < until:
            sink = self.sink
            select.select([self.source], [] if sink is None else [sink], [], max(0.0, until - time.monotonic()))
            self._port.flush()
            for frame in self._port.take():
                return frame
            if self._port.is_closed:
                self._process.wait(_ENDING)
                raise NoBox(f"its process ended with status {self._process.returncode}{self._last_words()}")
        raise NoBox(f"its process said nothing for {_STARTING:g} s{self._last_words()}")

    def _last_words(self) -> str:
        self._errors.seek(0)
        said = self._errors.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        return f": {said[-1][:300]}" if said else ""

    def run(self, request: Mapping[str, Any]) -> None:
        """Hand over a piece of code. Raises `NoBox`."""
        self.start()
        self.put("R", json.dumps(request).encode())

    def put(self, kind: str, data: bytes = b"") -> None:
        """Send a frame."""
        assert self._port is not None
        self._port.put(kind, data)

    def flush(self) -> None:
        """Write what can be written."""
        assert self._port is not None
        self._port.flush()

    def take(self) -> list[Frame]:
        """The frames that came. Raises `Gone`."""
        assert self._port is not None
        found = self._port.take()
        if not found and self._port.is_closed:
            said = self._last_words()
            self.end()
            raise Gone(f"the process that keeps the box has ended{said}")
        return found

    def kill(self) -> dict[str, Any] | None:
        """End the code that runs: how it ended. None where the keeper did not say so (it is ended as well) or is no more."""
        if self._port is None:
            return None
        self.put("K")
        until = time.monotonic() + _ENDING
        try:
            while (left := until - time.monotonic()) > 0:
                sink = self.sink
                select.select([self.source], [] if sink is None else [sink], [], left)
                self.flush()
                for kind, data in self.take():
                    if kind == "X":
                        ended: dict[str, Any] = json.loads(data)
                        return ended
        except Gone:
            return None
        self.end()
        return None

    def end(self) -> None:
        """End the keeper, and with it all that it keeps."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._errors is not None:
            self._errors.close()
        if self._base is not None:
            confine.remove_folder(self._base)
        self._process = self._port = self._errors = self._base = None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as fault:
        raise NoBox(f"the command of the container cannot be read: {fault}") from None


def settings_of(level: str, base: str | None) -> dict[str, Any]:
    """What a keeper is told: its level, where it may make folders, what code may read and import."""
    if level == "container":
        return {"level": level, "base": None, "path": [], "readable": [], "command_path": COMMAND_PATH}
    paths = sysconfig.get_paths()
    packages = list(dict.fromkeys((paths["purelib"], paths["platlib"])))
    library = [paths["stdlib"], paths["platstdlib"], sys.base_prefix]
    return {"level": level, "base": base, "path": packages, "readable": [*confine.SYSTEM_TREES, *library, *packages],
            "command_path": f"{sys.base_prefix}/bin:{COMMAND_PATH}"}


def _text_of(name: str) -> str:
    with open(os.path.join(_HERE, f"{name}.py"), encoding="utf-8") as file:
        return file.read()
