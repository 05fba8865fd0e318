"""Costly calls that were answered before are answered from the disk, until something changes that they depend on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rldsl.graph.model import Foreign
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.kept_calls import Renewed
from rldsl.rewards.outcome import Cost, Failure, FailureKind, Outcome
from rldsl.rewards.run import Answers, HostCalls
from rldsl.rewards.signatures import Result
from rldsl.types import UNIT, Element

REWARDS = '''
from other import share
def length(text):
    with open("COUNT", "a") as file:
        file.write("x")
    if text == "bad":
        raise ValueError("no")
    return share(text)
'''
OTHER = "def share(text):\n    return len(text) / 10\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project, and beside it what counts its calls."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "rewards.py").write_text(REWARDS.replace("COUNT", str(tmp_path / "count")))
    (tmp_path / "project" / "other.py").write_text(OTHER)
    return tmp_path


def call(folder: Path, texts: list[str], *, keep: bool = True, **settings: Any) -> Outcome:
    """The answers of a fresh host."""
    given = {"function": "rewards:length", "range": (0.0, 1.0), "isolate": "none", **settings}
    operation = Foreign("verify.python", ("text",), tuple(sorted(given.items())))
    with Keep(folder / "keep") as kept, HostCalls((), folder / "project", keep=kept if keep else None) as calls:
        return calls.call(operation, [texts])


def count(folder: Path) -> int:
    """How often the function ran."""
    return len((folder / "count").read_text())


def test_what_was_answered_is_not_asked_again(folder: Path) -> None:
    first = call(folder, ["a", "bb", "a"])
    again = call(folder, ["bb", "ccc", "a"])
    assert (first.values.tolist(), first.computed) == ([0.1, 0.2, 0.1], 2)  # type: ignore[union-attr]
    assert (again.values.tolist(), again.computed) == ([0.2, 0.3, 0.1], 1)  # type: ignore[union-attr]
    assert count(folder) == 3


def test_a_failure_is_tried_again(folder: Path) -> None:
    for _ in range(2):
        assert list(call(folder, ["a", "bad"]).failed) == [1]
    assert count(folder) == 3


def test_a_limit_is_no_part_of_an_answer_and_code_is(folder: Path) -> None:
    call(folder, ["a"])
    assert call(folder, ["a"], timeout=9.0, most_failures=0.5).computed == 0
    (folder / "project" / "other.py").write_text(OTHER.replace("10", "5"))
    found = call(folder, ["a"])
    assert found.computed == 1 and found.values.tolist() == [0.2]  # type: ignore[union-attr]


def test_a_promise_is_checked_of_what_is_kept_too(folder: Path) -> None:
    call(folder, ["aaaaa"])
    found = call(folder, ["aaaaa"], range=(0.0, 0.25))
    assert found.failed[0].kind is FailureKind.OUT_OF_RANGE


def test_what_is_renewed_is_asked_again_and_kept_anew(folder: Path) -> None:
    call(folder, ["a"])
    operation = Foreign("verify.python", ("text",), (("function", "rewards:length"), ("isolate", "none"), ("range", (0.0, 1.0))))
    with Keep(folder / "keep") as kept, HostCalls((), folder / "project", keep=Renewed(kept)) as calls:
        assert calls.call(operation, [["a"]]).computed == 1
    assert call(folder, ["a"]).computed == 0 and count(folder) == 2


def test_without_the_switch_nothing_is_kept(folder: Path) -> None:
    for _ in range(2):
        assert call(folder, ["a"], keep=False).computed == 1
    assert not (folder / "keep").exists()


class Encoder:
    """A service of which every second answer fails, and that knows its weights."""

    def __init__(self, weights: str) -> None:
        self.weights, self.asked = weights, list[str]()

    def result(self, operation: Foreign) -> Result:
        """A share."""
        return Result(Element.REAL, UNIT)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """A tenth of a text's length, and what was said of it."""
        self.asked += columns[0]
        values = [Failure(FailureKind.UNREACHABLE, "away") if text == "bad" else len(text) / 10 for text in columns[0]]
        return Answers(values, {place: text.upper() for place, text in enumerate(columns[0])}, Cost(calls=len(values)), len(values))

    def identity(self, operation: Foreign) -> Any:
        """Its weights."""
        return self.weights


def test_a_service_that_says_what_it_depends_on_is_kept(tmp_path: Path) -> None:
    operation = Foreign("similarity:enc", ("text",))
    one, same, other = Encoder("w1"), Encoder("w1"), Encoder("w2")
    found = []
    for service in (one, same, other):
        with Keep(tmp_path) as keep:
            calls = HostCalls((), tmp_path, services={"similarity": service}, keep=keep)
            found.append(calls.call(operation, [["a", None, "bb", "bad", "a"]]))
    assert one.asked == ["a", "bb", "bad"] and same.asked == ["bad"] and other.asked == ["a", "bb", "bad"]
    for outcome in found:
        assert outcome.values[[0, 2, 4]].tolist() == [0.1, 0.2, 0.1]  # type: ignore[call-overload]
        assert list(outcome.failed) == [3] and outcome.evidence == {0: "A", 2: "BB", 3: "BAD", 4: "A"}
    assert [outcome.cost.calls for outcome in found] == [3, 1, 3]
