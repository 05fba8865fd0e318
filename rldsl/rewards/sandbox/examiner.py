"""The process that runs the tests: the side that is trusted. It asks the code's process for what the tests call.

Names that the tests do not define are the code's, unless they are builtins or modules of the standard library: the code cannot
put anything in the place of those. What it says goes to its starter over a pipe that the code's process does not have.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import sys
import types
import unittest
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .handles import BrokenTests, Code, CodeEnded, shown
from .plain import NotPlain
from .wire import Closed, Wire

_CODE = "solution"
_SAME = "__rldsl_same__"


@dataclass(frozen=True)
class Test:
    """One test: what it is called, whether it reads a name of the code, and what runs it."""

    name: str
    reads_code: bool
    run: Callable[[], Any]


def examine(tests: Any, entry: str | None, stop_early: bool, answers: int, questions: int, verdicts: int) -> None:
    """Run the tests; lines of JSON to `verdicts`: `count`, then for each test `begin` and `test`, at last `done`; `broken` where
    the tests cannot be run."""
    def say(**said: Any) -> None:
        os.write(verdicts, json.dumps(said).encode() + b"\n")

    try:
        _sit(_Paper(tests, entry), Code(Wire(answers, questions)), stop_early, say)
    except BrokenTests as fault:
        say(broken=str(fault))
    say(done=True)


def _sit(paper: _Paper, code: Code, stop_early: bool, say: Callable[..., None]) -> None:
    say(count=paper.count, begin="the code itself")
    try:
        code.load()
        found = paper.bind(code)
    except (Exception, CodeEnded) as fault:
        if isinstance(fault, BrokenTests):
            raise
        for _ in range(1 if stop_early else paper.count):
            say(test=False, name="the code itself", **_fault(fault))
        return
    for test in found:
        say(begin=test.name)
        before = code.wire.asked
        try:
            test.run()
        except BrokenTests:
            raise
        except (Exception, SystemExit) as fault:
            if not test.reads_code and code.wire.asked == before:
                raise BrokenTests(f"`{test.name}` does not need the code, and fails: {_sentence(fault)}") from None
            say(test=False, name=test.name, **_fault(fault))
            if stop_early:
                return
        else:
            say(test=True, name=test.name)


def _fault(fault: BaseException) -> dict[str, str]:
    kind = "wrong" if isinstance(fault, AssertionError) else "exception"
    if isinstance(fault, (MemoryError, NotPlain)):
        kind = "limit"
    if isinstance(fault, Closed):
        return {"kind": "gone", "said": str(fault)}
    return {"kind": kind, "said": _sentence(fault)}


def _sentence(fault: BaseException) -> str:
    text = str(fault)[:400]
    if isinstance(fault, (CodeEnded, NotPlain)) or (isinstance(fault, AssertionError) and text):
        return text
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


class _Paper:
    """The tests as they are written: a text, or a list of texts. Raises `BrokenTests`."""

    def __init__(self, tests: Any, entry: str | None) -> None:
        self.entry = entry
        self.is_list = isinstance(tests, list)
        texts = tests if self.is_list else [tests]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise BrokenTests("tests are a text of Python, or a list of such texts, and there is at least one")
        self.trees = [_parsed(text) for text in texts]
        self.space: dict[str, Any] = {"__name__": "tests", _SAME: _same}
        body = self.trees[0].body
        self.has_check = not self.is_list and entry is not None and any(
            isinstance(node, ast.FunctionDef) and node.name == "check" for node in body)
        self.asserts = sum(isinstance(node, ast.Assert) for node in body)
        self.named = [name for node in body for name in _named_tests(node)]
        self.count = len(texts) if self.is_list else 1 if self.has_check else self.asserts or len(self.named)
        if not self.count:
            raise BrokenTests(_NO_TESTS)

    def bind(self, code: Code) -> Iterable[Test]:
        """The tests, with the code's names in their place."""
        wanted = sorted(_foreign(self.trees) | ({self.entry} if self.entry else set()))
        self.space.update(code.names(wanted))
        for name in wanted:
            if name not in self.space and name in sys.stdlib_module_names:
                self.space[name] = importlib.import_module(name)
        sys.modules[_CODE] = _Solution(code)
        remote = frozenset(name for name in wanted if not isinstance(self.space.get(name), types.ModuleType)) | {_CODE}
        if self.is_list:
            return [Test(_shown([tree]), _reads([tree], remote), _executor(tree.body, dict(self.space))) for tree in self.trees]
        if self.has_check:
            return [Test("check", True, self._check)]
        return self._in_order(remote) if self.asserts else self._functions(remote)

    def _check(self) -> None:
        """HumanEval's form; its asserts are one test."""
        given = self.space.get(self.entry or "")
        if given is None:
            raise AssertionError(f"the code has no `{self.entry}`")
        _executor(self.trees[0].body, self.space)()
        self.space["check"](given)

    def _in_order(self, remote: frozenset[str]) -> Iterable[Test]:
        """Statement by statement: each `assert` is a test, and what stands before it belongs to it."""
        before: list[ast.stmt] = []
        reads = False  # what follows on something of the code may hold it
        for node in self.trees[0].body:
            before.append(node)
            reads = reads or _reads([node], remote)
            if isinstance(node, ast.Assert):
                yield Test(_shown([node]), reads, _executor(before, self.space))
                before = []

    def _functions(self, remote: frozenset[str]) -> Iterable[Test]:
        """Functions called `test…`, and the methods of test cases."""
        body = self.trees[0].body
        reads = _reads(body, remote)
        try:
            _executor(body, self.space)()
        except Exception as fault:
            if reads:
                raise
            raise BrokenTests(f"the tests cannot be loaded: {_sentence(fault)}") from None
        for name in self.named:
            case, _, method = name.partition(".")
            yield Test(name, reads, _case(self.space[case], method) if method else self.space[case])


_NO_TESTS = ("there is no test in the tests: write `assert`s, functions `test…`, a unittest.TestCase, or `check(candidate)` with "
             "`entry:` for the name of the function that it checks")


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise BrokenTests(f"the tests cannot be read: {type(fault).__name__}: {fault}") from None


def _named_tests(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
        return [node.name]
    if isinstance(node, ast.ClassDef):
        methods = (part.name for part in node.body if isinstance(part, ast.FunctionDef))
        return [f"{node.name}.{name}" for name in methods if name.startswith("test")]
    return []


def _foreign(trees: Iterable[ast.AST]) -> set[str]:
    """Names that the tests read and neither define nor have from Python."""
    read: set[str] = set()
    own: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.alias):
            own.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            own.add(node.name)
    return {name for name in read - own if not hasattr(builtins, name)}


def _reads(nodes: Iterable[ast.AST], names: frozenset[str]) -> bool:
    """Whether a name of the code is read, or imported from it."""
    walked = [node for tree in nodes for node in ast.walk(tree)]
    return any((isinstance(node, ast.Name) and node.id in names)
               or (isinstance(node, ast.ImportFrom) and node.module == _CODE)
               or (isinstance(node, ast.Import) and any(alias.name == _CODE for alias in node.names)) for node in walked)


def _shown(nodes: Iterable[ast.AST]) -> str:
    return "; ".join(ast.unparse(node) for node in nodes)[:200]


def _executor(nodes: list[ast.stmt], space: dict[str, Any]) -> Callable[[], None]:
    tree = ast.Module([_Asserts().visit(ast.parse(ast.unparse(node)).body[0]) for node in nodes], [])
    code = compile(ast.fix_missing_locations(tree), "tests", "exec")
    return lambda: exec(code, space)


class _Asserts(ast.NodeTransformer):
    """`assert a == b` says both values where it fails."""

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        test = node.test
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
            return node
        message = [node.msg] if node.msg is not None else []
        called = ast.Call(ast.Name(_SAME, ast.Load()), [test.left, test.comparators[0], *message], [])
        return ast.copy_location(ast.Expr(called), node)


def _same(left: Any, right: Any, *message: Any) -> None:
    if not left == right:  # noqa: SIM201 (as `assert a == b` asks)
        said = f"{shown(left)} is not {shown(right)}"
        raise AssertionError(f"{str(message[0])[:200]}: {said}" if message else said)


def _case(case: type, name: str) -> Callable[[], None]:
    """One method of a test case, with what it sets up."""
    if not (isinstance(case, type) and issubclass(case, unittest.TestCase)):
        return lambda: getattr(case(), name)()  # noqa: PLW0108 (made when it is run)

    def run() -> None:
        result = unittest.TestResult()
        unittest.TestSuite([case(name)]).run(result)
        for _, said in (*result.failures, *result.errors):
            raise AssertionError(said.strip().splitlines()[-1])

    return run


class _Solution(types.ModuleType):
    """`from solution import f` in the tests: the code's `f`."""

    def __init__(self, code: Code) -> None:
        super().__init__(_CODE)
        self.__dict__["_code"] = code

    def __getattr__(self, name: str) -> Any:
        found = {} if name.startswith("__") else self.__dict__["_code"].names([name])
        if name not in found:
            raise AttributeError(f"the code has no `{name}`")
        return found[name]
