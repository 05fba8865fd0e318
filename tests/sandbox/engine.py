"""A container engine of this machine, if one runs here, and an image of the Python that runs the tests, made without a network."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ENGINES = ("podman", "docker")
IMAGE = "localhost/rldsl-test-python"
# Some machines allow no limits above their own, or have groups of both versions for processes, of which `crun` takes one.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
FORMS: Sequence[tuple[Sequence[str], Sequence[str]]] = (((), ()), ((), LIMITS), (("--runtime", "runc"), LIMITS))


@dataclass(frozen=True, slots=True)
class Engine:
    """`before` and `after` are options of the engine and of its `run` that this machine needs."""

    name: str
    before: Sequence[str]
    after: Sequence[str]

    def command(self, *options: str) -> str:
        """What `container(…)` is given, up to Python."""
        return " ".join([self.name, *self.before, "run", "--rm", "-i", "--network", "none", *self.after, *options, IMAGE])

    def level(self, *options: str) -> str:
        """The level that a spec has then."""
        return f"container: {self.command(*options)}"

    def containers(self) -> frozenset[str]:
        """Those of the image, running or not."""
        return frozenset(told([self.name, "ps", "-a", "--filter", f"ancestor={IMAGE}", "--format", "{{.ID}}"]).split())

    def remove(self) -> None:
        """The image, and what is left of its containers."""
        subprocess.run([self.name, "rmi", "-f", IMAGE], capture_output=True, check=False, timeout=120)


def told(command: Sequence[str], given: bytes = b"") -> str:
    """What a command prints. Raises where it fails."""
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=120)
    return done.stdout.decode().strip()


def find_engine() -> Engine | str:
    """An engine with the image in it, or why there is none."""
    reasons = []
    for name in ENGINES:
        if shutil.which(name) is None:
            reasons.append(f"no {name}")
            continue
        try:
            told([name, "info"])
            told([name, "import", "-", IMAGE], _image())
        except (subprocess.SubprocessError, OSError) as fault:
            reasons.append(f"{name}: {_last_line(fault)}")
            continue
        for before, after in FORMS:
            found = Engine(name, before, after)
            try:
                assert told([*found.command().split(), "python3", "-c", "print(6 * 7)"]) == "42"
                return found
            except subprocess.SubprocessError as fault:
                reasons.append(f"{name} {' '.join((*before, *after))}: {_last_line(fault)}")
        found.remove()
    return "; ".join(reasons)


def _last_line(fault: Exception) -> str:
    said = fault.stderr.decode("utf-8", "replace").strip() if isinstance(fault, subprocess.CalledProcessError) else str(fault)
    return said.splitlines()[-1] if said else type(fault).__name__


def _image() -> bytes:
    """A root folder, as tar: the interpreter, its standard library, the libraries that they load, and nothing else."""
    standard = Path(sysconfig.get_paths()["stdlib"])
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    files = [path for path in standard.rglob("*") if path.is_file() and _is_wanted(path.relative_to(standard))]
    objects = [python, *(path for path in files if path.suffix == ".so")]
    loaded = {Path(name) for entry in re.findall(r"(?:=> |\t)(/\S+) \(0x", told(["ldd", *map(str, objects)])) for name in [entry]}
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", dereference=True) as tar:
        for path in sorted({python, *files, *loaded}):
            tar.add(path, arcname=str(path).lstrip("/"), recursive=False)
        _link(tar, "usr/bin/python3", str(python))
        for folder in ("tmp", "proc", "dev", "sys", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
    return held.getvalue()


def _is_wanted(path: Path) -> bool:
    return path.parts[0] not in ("site-packages", "test", "idlelib", "ensurepip", "lib2to3", "tkinter") and path.suffix != ".a" \
        and "__pycache__" not in path.parts


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
