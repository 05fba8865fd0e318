"""Whatever stands in a file of completions: it is read, or refused in words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rldsl
from rldsl.data.errors import DataErrors
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import batches, survey
from rldsl.scores.plan import Plan, plan_scores
from rldsl.scores.reading import Given, Reader
from tests.scores.conftest import HEAD

texts = st.text(st.characters(codec=None), max_size=6)
values = st.recursive(st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | texts,
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "a"]), inner),
                      max_leaves=5)
names = st.sampled_from(["prompt", "completion", "completions", "answer", "labels", "chosen", "rejected", "reward_model", "x"])
rows = st.lists(st.dictionaries(names, values, max_size=5), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Texts, a target, a prompt."""
    return plan_scores(rldsl.compile(HEAD + """
reward right = verify.equal(y.text, problems.answer)
reward echo = verify.equal(y.text, problems.question)
""").spec)


def read(plan: Plan, content: bytes, name: str) -> tuple[int, int] | None:
    """Completions and groups, or None where the file is refused in words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            reader = Reader(plan, Given(path))
            found = survey(reader)
            count = sum(len(batch.completions) for batch in batches(reader, found, whole=False))
        except (DataErrors, ScoreError) as fault:
            assert str(fault).strip()
            return None
        assert count == found.count > 0
        return found.count, found.group_count


@settings(max_examples=300)
@given(rows)
def test_rows_of_any_kind(plan: Plan, rows: list[dict[str, Any]]) -> None:
    read(plan, "".join(f"{json.dumps(row)}\n" for row in rows).encode(), "rows.jsonl")


@settings(max_examples=200)
@given(st.binary(max_size=60), st.sampled_from(["rows.jsonl", "rows.csv", "rows.parquet", "rows.jsonl.gz"]))
def test_bytes_of_any_kind(plan: Plan, content: bytes, name: str) -> None:
    read(plan, content, name)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("ab"), texts), min_size=1, max_size=8))
def test_groups_are_those_of_equal_prompt_and_data(plan: Plan, triples: list[tuple[str, str, str]]) -> None:
    content = "".join(json.dumps({"prompt": prompt, "answer": answer, "completion": text}) + "\n"
                      for prompt, answer, text in triples)
    assert read(plan, content.encode(), "rows.jsonl") == (len(triples), len({(prompt, answer) for prompt, answer, _ in triples}))
