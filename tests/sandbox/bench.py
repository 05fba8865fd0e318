"""What these tests share: levels that this machine allows, and calls of the verifiers of code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import Failure, Outcome
from rldsl.rewards.run import HostCalls
from rldsl.rewards.sandbox.box import Box, NoBox

# A container as far as the protocol is concerned: Python started by another command, in namespaces that the command makes.
CONTAINER = ("container: unshare --user --map-root-user --net --pid --fork --mount-proc --kill-child "
             "env -i PATH=/usr/local/bin:/usr/bin:/bin")
LEVELS = {"process": "process", "namespace": "namespace", "container": os.environ.get("RLDSL_TEST_CONTAINER") or CONTAINER}


@cache
def refusal(level: str) -> str:
    """Why a level cannot be had here; empty where it can."""
    box = Box(level, "/tmp")
    try:
        box.start()
        box.run({"role": "program", "source": "", "command": None, "limits": {
            "memory": 1 << 29, "cpu": 5, "disk": 1 << 20, "files": 64, "output": 1000, "messages": 1000, "processes": 1}})
        ended = box.kill()
    except NoBox as fault:
        return str(fault)
    finally:
        box.end()
    return str(ended["refused"]) if ended is not None else "its keeper does not answer"


def fenced(code: str, language: str = "python") -> str:
    """An answer that ends in a block of code."""
    return f"Let me think.\n\n```{language}\n{code}\n```\nThat is it."


@dataclass(frozen=True, slots=True)
class Bench:
    """One level of isolation, and host calls that use it."""

    calls: HostCalls
    level: str

    def run(self, name: str, given: dict[str, Any], **settings: Any) -> Outcome:
        """One item of a verifier."""
        operation = Foreign(name, tuple(given), tuple(sorted({"isolate": self.level, "timeout": 5.0, **settings}.items())))
        return self.calls.call(operation, [[value] for value in given.values()])

    def tests(self, code: str, tests: str | Sequence[str], entry: str | None = None, **settings: Any) -> Verdict:
        """Python code against tests."""
        given: dict[str, Any] = {"text": fenced(code), "tests": tests if isinstance(tests, str) else list(tests)}
        return Verdict.of(self.run("verify.tests", {**given, "entry": entry} if entry else given, **settings))

    def program(self, code: str, *cases: tuple[str, str], **settings: Any) -> Verdict:
        """A program against inputs and outputs."""
        held = [{"input": given, "output": wanted} for given, wanted in cases]
        return Verdict.of(self.run("verify.program", {"text": fenced(code), "cases": held}, **settings))

    def sql(self, query: str, setup: str, expected: Any, **settings: Any) -> Verdict:
        """A query against rows."""
        return Verdict.of(self.run("verify.sql", {"text": fenced(query, "sql"), "setup": setup, "expected": expected}, **settings))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Value (None: it failed), failure and evidence of one item."""

    value: float | None
    failure: Failure | None
    evidence: Any

    @staticmethod
    def of(outcome: Outcome) -> Verdict:
        """The first item of an outcome."""
        failure = outcome.failed.get(0)
        return Verdict(None if failure else float(outcome.values[0]), failure, outcome.evidence.get(0))

    @property
    def kind(self) -> str:
        """Why it is wrong, in a word; empty where it is right."""
        assert self.failure is None, self.failure
        return str(self.evidence.get("kind", ""))

    @property
    def said(self) -> str:
        """The sentence of the first test that failed."""
        assert self.failure is None, self.failure
        return str(self.evidence.get("said") or self.evidence["failed"][0]["said"])


def descendants(word: str) -> list[int]:
    """The processes below this one whose command line holds a word, and which are no zombies."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found = []
    for process in parents:
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and process != above and word in _command_line(process):
            found.append(process)
    return found


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
