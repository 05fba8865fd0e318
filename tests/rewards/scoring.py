"""The values of a spec over given answers, with a stand-in for its judges: the host part of its graph alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rldsl.compiler import check_source
from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.model import Leaf, Node, SourceKind
from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout
from rldsl.loading import project_loader
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.outcome import Outcome
from rldsl.rewards.rubrics.parts import CriterionService
from rldsl.rewards.rubrics.services import PreferService, RubricService, StepService
from rldsl.rewards.run import HostCalls
from rldsl.source import Source
from tests.rewards.judges import Told

HEAD = """\
data problems from jsonl("p.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from tiny(layers: 1, width: 8, heads: 1, tokenizer: characters("ab"))
judge grader from openai(model: "judge", base_url: "http://localhost/v1")
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 4 }
"""


def spec_of(text: str) -> Spec:
    """The checked spec of what follows the head."""
    result = check_source(Source("test.rl", HEAD + text), project_loader(Path("/nonexistent")))
    assert not result.errors, [(entry.title, entry.why) for entry in result.errors]
    assert result.spec is not None
    return result.spec


def found_wrong(text: str) -> list[tuple[str, str]]:
    """Codes and titles of the errors of what follows the head."""
    result = check_source(Source("test.rl", HEAD + text), project_loader(Path("/nonexistent")))
    return [(entry.code, entry.title) for entry in result.errors]


def values(spec: Spec, names: Sequence[str], answers: Sequence[Sequence[str]], judge: Told,
           columns: Mapping[str, Sequence[Any]] | None = None, params: Mapping[str, float] | None = None) -> dict[str, list[Any]]:
    """Named values over the answers to each row."""
    keys = {entry.name: entry.key for entry in (*spec.rewards, *spec.lets)}
    layout = Layout.of({"problems": "batch", "y.sample": "problems"},
                       {"problems": [len(answers)], "y.sample": [len(row) for row in answers]})
    given = {"question": [f"q{row}" for row in range(len(answers))], **(columns or {})}
    leaves: dict[int, Any] = {}
    for node in spec.graph.nodes:
        match node.operation:
            case Leaf(kind=SourceKind.RECORDED, field="text"):
                leaves[node.key] = [text for row in answers for text in row]
            case Leaf(kind=SourceKind.DATA, field=field) if field in given:
                leaves[node.key] = list(given[field])
            case Leaf(kind=SourceKind.PARAM, owner=owner):
                param = next(entry for entry in spec.params if entry.name == owner)
                leaves[node.key] = [(params or {}).get(owner, param.value)]
            case _:
                pass
    services: dict[str, Any] = {"rubric": RubricService(judge), "prefer": PreferService(judge), "prm": StepService(judge),
                                "criterion": CriterionService()}
    places = [layout]

    def grow(node: Node, outcome: Outcome) -> None:
        places[0] = extended(places[0], node.type.axis, Expanded.of(outcome))

    with HostCalls(spec.externs, Path("/nonexistent"), services=services) as host:
        run = HostRun(spec.graph, host, Unheeding(), lambda: places[0], leaves, grow)
        run.run([keys[name] for name in names])
    return {name: np.asarray(run.known[keys[name]]).tolist() for name in names}


class Unheeding:
    """Goes on whatever fails."""

    def answered(self, node: Node, outcome: Outcome, where: Sequence[int]) -> None:
        """Of no interest."""

    def stopped(self, node: Node, count: int, where: Sequence[int]) -> None:
        """No spec here says so."""
        raise AssertionError
