"""Files of completions and specs that score them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import rldsl
from rldsl.scores.report import NodeReport, ScoreReport
from tests.judging.server import JudgeServer

HEAD = """
data problems from jsonl("p.jsonl") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
"""
SPEC = HEAD + """
param weight: Real in [0, 1] = 0.25
reward right = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward total = (1 - weight) * right + weight * places
reward above = total - mean(total, per: prompt)
"""
ROWS = [
    {"prompt": "q1", "answer": "ab", "completion": "ab"}, {"prompt": "q1", "answer": "ab", "completion": "ac"},
    {"prompt": "q1", "answer": "ab", "completion": "b"}, {"prompt": "q2", "answer": "cc", "completion": "a"},
    {"prompt": "q2", "answer": "cc", "completion": "b"},
]

Score = Callable[..., ScoreReport]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on disk is the test's own."""
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> JudgeServer:
    """A judge that answers by the text."""
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    with JudgeServer() as running:
        monkeypatch.setenv("JUDGE_URL", running.url)
        yield running


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """As jsonl."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """`score(rows, spec=…, maps=…)`: the report of rows, or of a file, in a folder of its own."""
    made: list[int] = []

    def run(rows: Iterable[Mapping[str, Any]] | Path, spec: str = SPEC, **given: Any) -> ScoreReport:
        made.append(1)
        path = rows if isinstance(rows, Path) else write_rows(tmp_path / f"rows-{len(made)}.jsonl", rows)
        return rldsl.score(spec, path, **{"out": tmp_path / f"scores-{len(made)}", "project": tmp_path, **given})

    return run


def column(report: ScoreReport, name: str) -> list[Any]:
    """A column of `scores.parquet`."""
    found: list[Any] = report.kept.column(name).to_pylist()
    return found


def node(report: ScoreReport, name: str) -> NodeReport:
    """What is said of one node."""
    return next(entry for entry in report.nodes if entry.name == name)
