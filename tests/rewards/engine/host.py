"""Reward graphs over calls that a table answers, with a record of what was asked."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rldsl.compiler import check_source
from rldsl.graph.model import Foreign, Leaf, Node, SourceKind
from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout
from rldsl.loading import project_loader
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.outcome import Cost, Failure, FailureKind, Outcome
from rldsl.rewards.run import HostCalls
from rldsl.rewards.texts import NATIVE
from rldsl.rewards.tiers import Tier
from rldsl.source import Source

HEAD = """
data problems from jsonl("p.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
extern fn verdict(text: Text) -> Real in [0, 1] = python("m:f")
extern fn truth(text: Text) -> Bool = python("m:f")
extern fn judge(text: Text) -> Real in [0, 1] = python("m:f")
extern fn grade(text: Text) -> Real in [0.1, 1] = python("m:f")
extern fn ruling(text: Text) -> Bool = python("m:f")
extern fn finding(text: Text) -> Bool = python("m:f")
extern fn note(text: Text) -> Text = python("m:f")
fn remark(text) = verify.python("m:remark", text, range: 0 .. 9, may_be_absent: true)
"""
TIERS = {"verdict": Tier.PROCESS, "truth": Tier.PROCESS, "judge": Tier.JUDGE, "grade": Tier.JUDGE, "ruling": Tier.JUDGE,
         "finding": Tier.JUDGE, "note": Tier.JUDGE, "remark": Tier.JUDGE}
NATIVE_CALLS = HostCalls((), Path())
Says = Callable[[str], Any]


@dataclass(slots=True)
class Table:
    """`says` answers each text, by the name of the function. `asked` are the texts of each call, in the order of the calls.
    `meets` lets a call wait for others that run at the same time."""

    says: Mapping[str, Says]
    asked: dict[str, list[str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    meets: threading.Barrier | None = None
    whole: frozenset[str] = frozenset()

    def call(self, operation: Foreign, inputs: Sequence[Any]) -> Outcome:
        """Answers; an absent text is absent."""
        if operation.name in NATIVE:
            return NATIVE_CALLS.call(operation, inputs)
        name = name_of(operation)
        texts = [text for text in inputs[0] if text is not None]
        self.order.append(name)
        self.asked.setdefault(name, []).extend(texts)
        if self.meets is not None:
            self.meets.wait(30)
        found = [None if text is None else self.says[name](text) for text in inputs[0]]
        failed = {place: value for place, value in enumerate(found) if isinstance(value, Failure)}
        values = [None if isinstance(value, Failure) else value for value in found]
        return Outcome(values if name == "note" else _column(values), failed, 0.5, len(texts),
                       {place: {"said": name} for place, text in enumerate(inputs[0]) if text is not None}, Cost(calls=len(texts)))

    def tier(self, operation: Foreign) -> Tier:
        """By name."""
        return Tier.NATIVE if operation.name in NATIVE else TIERS[name_of(operation)]

    def may_be_absent(self, operation: Foreign) -> bool:
        """The remark, and what native calls say."""
        return NATIVE_CALLS.may_be_absent(operation) if operation.name in NATIVE else name_of(operation) == "remark"

    def is_together(self, operation: Foreign) -> bool:
        """Every place by itself."""
        return False

    def is_whole(self, operation: Foreign) -> bool:
        """Those of `whole`."""
        return name_of(operation) in self.whole


@dataclass(slots=True)
class Ear:
    """Hears which places were asked."""

    places: dict[int, list[int]] = field(default_factory=dict)
    refuses: bool = False

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """Keep them."""
        self.places.setdefault(node.key, []).extend(places)
        if self.refuses and outcome.failed:
            raise RuntimeError(f"{node.operation} failed at {[places[index] for index in outcome.failed]}")

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """Say where."""
        raise RuntimeError(f"absent at {list(places)} of {count}")


def name_of(operation: Foreign) -> str:
    """What the function is called in a spec."""
    return "remark" if operation.name == "verify.python" else operation.name.removeprefix("extern:")


def compiled(text: str) -> Spec:
    """A spec without mistakes."""
    result = check_source(Source("test.rl", HEAD + text), project_loader(Path()), {})
    assert not result.errors, [(entry.title, entry.why) for entry in result.errors]
    assert result.spec is not None
    return result.spec


def run_of(spec: Spec, table: Table, texts: Sequence[Any], *, samples: int = 1, answers: Sequence[str] | None = None) -> HostRun:
    """A run over given answers, `samples` for each row."""
    rows = len(texts) // samples
    layout = Layout.of({"problems": "batch", "y.sample": "problems"}, {"problems": [rows], "y.sample": [samples] * rows})
    known: dict[int, Any] = {}
    for node in spec.graph.nodes:
        match node.operation:
            case Leaf(kind=SourceKind.RECORDED, field="text"):
                known[node.key] = list(texts)
            case Leaf(kind=SourceKind.DATA, field="answer"):
                known[node.key] = list(answers or [""] * rows)
    return HostRun(spec.graph, table, Ear(), lambda: layout, known)


def key_of(spec: Spec, name: str) -> int:
    """The node of a reward or a let."""
    return next(entry.key for entry in (*spec.rewards, *spec.lets) if entry.name == name)


def failure(message: str = "no") -> Failure:
    """Something that went wrong."""
    return Failure(FailureKind.EXCEPTION, message)


def _column(values: list[Any]) -> Any:
    return np.array([math.nan if value is None else float(value) for value in values])
