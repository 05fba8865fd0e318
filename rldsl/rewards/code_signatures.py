"""The parameters of the verifiers that run code of a model: what they need, where it runs, and its limits. Plain data."""

from __future__ import annotations

from collections.abc import Mapping

from rldsl.data.signatures import Form, Parameter
from rldsl.graph.model import Setting
from rldsl.types import Element

_TEXT, _INT, _REAL, _JSON = (Element.TEXT,), (Element.INT,), (Element.REAL, Element.INT), (Element.JSON,)
LEVELS = ("process", "namespace", "container")
ISOLATION = (
    "it says where the code runs. `process`: a child process with limits, which has no network, starts no processes, writes in "
    "its own folder and reads Python and the system's libraries (Linux with seccomp and Landlock). `namespace`: the same by a "
    "root, users, processes and a network of its own. `container(\"podman run --rm -i --network none IMAGE\")`: what that command "
    "keeps apart. A fault of the kernel gets through all but a container that has a kernel of its own")
_MEBIBYTES = ("memory", "disk", "prints")
_COUNTS = ("processes", "files", *_MEBIBYTES)


def _count(name: str, number: int) -> Parameter:
    return Parameter(name, _INT, number, constant=True)


def _limits(seconds: float) -> tuple[Parameter, ...]:
    return (Parameter("isolate", _TEXT, constant=True, form=Form.ISOLATION, choices=LEVELS[:2], missing=ISOLATION),
            Parameter("timeout", (Element.REAL,), seconds, constant=True, form=Form.DURATION),
            _count("memory", 512), _count("processes", 1), _count("files", 64), _count("disk", 64), _count("prints", 1))


_FROM = Parameter("from", _TEXT, "block", constant=True, form=Form.CHOICE, choices=("block", "whole"))
_SCORE = Parameter("score", _TEXT, "all", constant=True, form=Form.CHOICE, choices=("all", "share"))
_WHERE = (
    "The code is the last closed fenced block of the text that names {language} or nothing (`from: whole`: the text). "
    "Limits: `timeout`, `memory`, `disk` and `prints` (what it prints) in MiB, `processes`, `files` that are open at once. "
    "Code that fails, crashes, hangs or is stopped at a limit is wrong; see docs/rewards.md.")

TESTS = (
    Parameter("text", _TEXT), Parameter("tests", (Element.JSON, Element.TEXT)), Parameter("entry", _TEXT, None), _SCORE, _FROM,
    *_limits(5.0))
TESTS_DOC = (
    "1 where Python code passes all its tests, else 0; `score: share`: the share that it passes. `tests` is Python text "
    "(asserts, functions `test…`, a unittest.TestCase, or `check(candidate)` with `entry`, the name of the function) or a "
    "list of such texts. They run in another process than the code; `timeout` is for all of them. "
    + _WHERE.format(language="Python"))
PROGRAM = (
    Parameter("text", _TEXT), Parameter("cases", _JSON, None), Parameter("input", _TEXT, None), Parameter("output", _TEXT, None),
    _SCORE, _FROM, Parameter("language", _TEXT, "python", constant=True), Parameter("command", _TEXT, "", constant=True),
    Parameter("file", _TEXT, "program.py", constant=True), Parameter("tolerance", _REAL, 0.0, constant=True), *_limits(5.0))
PROGRAM_DOC = (
    "1 where a program prints the right output for every case, else 0; `score: share`: for which share. `cases` is a list of "
    "`{\"input\": …, \"output\": …}` (or `input` and `output` are texts: one case). White space at the ends of lines and of "
    "the output does not count; with `tolerance`, words that are numbers may differ by that much. `command` runs another "
    "language: `\"node {file}\"` with `file: \"program.js\"`. `timeout` is for each case. " + _WHERE.format(language="`language`"))
SQL = (
    Parameter("text", _TEXT), Parameter("setup", _TEXT), Parameter("expected", (Element.JSON, Element.TEXT)),
    Parameter("ordered", (Element.BOOL,), False, constant=True), Parameter("tolerance", _REAL, 0.0, constant=True), _FROM,
    *_limits(5.0))
SQL_DOC = (
    "1 where an SQL query gives the expected rows in an SQLite database in memory that `setup` makes, else 0. `expected` is a "
    "list of rows or a query that gives them; their order counts with `ordered: true`. The query can read and nothing else. "
    + _WHERE.format(language="sql"))


def check_limit(parameter: str, value: Setting) -> str | None:
    """What is wrong with a limit, as a sentence."""
    if parameter in _COUNTS and not (isinstance(value, (int, float)) and value >= 1 and float(value).is_integer()):
        return f"`{parameter}` is a whole number from 1 on" + (", in MiB" if parameter in _MEBIBYTES else "")
    return None


def check_isolation(settings: Mapping[str, Setting]) -> str | None:
    """What does not go together: where code runs, and what it may start."""
    processes = settings.get("processes", 1)
    if settings.get("isolate") == "process" and isinstance(processes, (int, float)) and processes > 1:
        return "`isolate: process` allows no further processes: `processes` above 1 needs `namespace` or `container(…)`"
    return None
