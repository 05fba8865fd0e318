"""Builds rldsl from a copy of this tree and installs it into environments that hold nothing else of it.

An environment is a venv without pip that sees packages of the one running: all of them, or those alone that the core
declares. So only rldsl itself is installed, which takes a second, and nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PARTS = ("rldsl", "grammar", "stdlib", "codegen", "examples", "tests", "benchmarks", "docs", ".ci", "pyproject.toml",
         "Makefile", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")
SITE = Path(sysconfig.get_paths()["purelib"])
LONGEST = 300.0


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and commands in it from any folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return next((self.folder / "lib").glob("python*/site-packages"))

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """`rldsl …`, by the script that was installed."""
        return completed([self.folder / "bin" / "rldsl", *arguments], cwd)

    def execute(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """`python …`."""
        return completed([self.python, *arguments], cwd)

    def install(self, *arguments: str | Path, cwd: Path) -> None:
        """Install by the pip of the environment running; no package but rldsl, no network."""
        command = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-deps", "--no-index",
                   "--no-build-isolation", "--disable-pip-version-check", *arguments]
        found = completed(command, cwd)
        assert found.returncode == 0, found.stdout + found.stderr


def completed(command: Iterable[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that sees nothing of this process's paths."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "RLDSL_CACHE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=LONGEST,
                          check=False, env={**kept, "RLDSL_CACHE": str(cwd / ".cache"), "PYTHONDONTWRITEBYTECODE": "1"})


def copied_tree(target: Path) -> Path:
    """The tree as a clone would hold it, and beside it what work leaves behind: caches and runs."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=_unwanted)
    for litter in ("rldsl/__pycache__/old.cpython-311.pyc", "examples/tasks/__pycache__/old.cpython-311.pyc",
                   "examples/runs/quickstart-0/metrics.jsonl", "tests/.hypothesis/examples/1", "dist/rldsl-0.0.0.tar.gz"):
        (target / litter).parent.mkdir(parents=True, exist_ok=True)
        (target / litter).write_text("litter", encoding="utf-8")
    return target


def _unwanted(folder: str, names: list[str]) -> set[str]:
    if Path(folder) == ROOT:
        return set(names) - set(PARTS)
    return {name for name in names if name in ("__pycache__", ".hypothesis", "runs", ".pytest_cache")}


def tracked(tree: Path) -> Iterator[str]:
    """The files of a tree without litter, relative to it."""
    for path in sorted(tree.rglob("*")):
        relative = path.relative_to(tree).as_posix()
        if path.is_file() and not any(part in relative for part in ("__pycache__", ".hypothesis", "runs/", "dist/")):
            yield relative


# ------------------------------------------------------------------ environments
def environment(folder: Path) -> Environment:
    """An environment that sees every package of the one running; rldsl is not among them, wherever it lies."""
    made = _empty(folder)
    (made.packages / "running.pth").write_text(f"{SITE}\n", encoding="utf-8")
    return made


def core_environment(folder: Path) -> Environment:
    """An environment with what rldsl's core declares, and what that needs; nothing else can be imported."""
    made = _empty(folder)
    for name in _closure("rldsl", frozenset()):
        for part in sorted({path.parts[0] for path in distribution(name).files or () if path.parts[0] != ".."}):
            if (SITE / part).exists() and not (made.packages / part).exists():
                (made.packages / part).symlink_to(SITE / part)
    return made


def _empty(folder: Path) -> Environment:
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    return Environment(folder)


def _closure(name: str, seen: frozenset[str]) -> frozenset[str]:
    """What a distribution needs, without extras and without itself."""
    found = seen
    for text in distribution(name).requires or ():
        needed = Requirement(text)
        if needed.name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            found = _closure(needed.name, found | {needed.name})
    return found
