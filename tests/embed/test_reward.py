"""A spec's reward as a function of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rldsl
from rldsl.rewarding import RewardError

SPEC = """
data problems from jsonl("p.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
param weight: Real in [0, 1] = 0.25
reward right = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward total = (1 - weight) * right + weight * places
reward above = total - mean(total, per: prompt)
reward size = verify.number(y.text) else -1
"""


@pytest.fixture(scope="module")
def program() -> rldsl.Program:
    return rldsl.compile(SPEC)


def test_a_reward_of_texts_is_that_of_the_spec(program: rldsl.Program) -> None:
    total = program.reward("total")
    assert total(["ab", "ac", "b"], answer=["ab", "ab", "ab"]).tolist() == [1.0, 0.125, 0.0]


def test_groups_share_the_columns_of_their_row(program: rldsl.Program) -> None:
    above = program.reward("above")
    found = above(["ab", "xx", "ab", "ab"], samples=2, answer=["ab", "ab"])
    np.testing.assert_allclose(found, [0.5, -0.5, 0.0, 0.0])
    np.testing.assert_allclose(above(["ab", "xx", "ab"], samples=[2, 1], answer=["ab", "ab"]), [0.5, -0.5, 0.0])


def test_every_node_is_given_by_name(program: rldsl.Program) -> None:
    nodes = program.reward("total").nodes(["ab", "ac"], answer=["ab", "ab"])
    assert {name: values.tolist() for name, values in nodes.items()} == {
        "right": [1.0, 0.0], "places": [1.0, 0.5], "total": [1.0, 0.125]}


def test_what_is_not_found_is_what_the_spec_says(program: rldsl.Program) -> None:
    assert program.reward("size")(["I say 12", "none"]).tolist() == [12.0, -1.0]


def test_no_texts_are_no_rewards(program: rldsl.Program) -> None:
    assert program.reward("right")([], answer=[]).tolist() == []


def test_what_is_missing_is_named(program: rldsl.Program) -> None:
    with pytest.raises(RewardError, match=r"reads `problems.answer`: give `answer=\[…\]`"):
        program.reward("right")(["ab"])
    with pytest.raises(RewardError, match="`answer` has 1 values for 2 rows"):
        program.reward("right")(["ab", "b"], answer=["ab"])
    with pytest.raises(RewardError, match="3 texts do not divide into groups of 2"):
        program.reward("right")(["a", "b", "c"], samples=2, answer=["a"])
    with pytest.raises(RewardError, match="not one text"):
        program.reward("right")("ab", answer=["a"])
    with pytest.raises(KeyError, match="the spec has the rewards 'right'"):
        program.reward("rihgt")


def test_a_reward_that_reads_lengths_takes_them() -> None:
    program = rldsl.compile(SPEC + "\nreward brief = right - 0.5 * y.length / 8\nreward short = 8 - y.length\n")
    assert program.reward("brief")(["ab", "x"], answer=["ab", "ab"], length=[4, 2]).tolist() == [0.75, -0.125]
    assert program.reward("short")(["ab", ""], samples=2, length=[4, 0]).tolist() == [4.0, 8.0]
    with pytest.raises(RewardError, match=r"reads `y.length`, the number of tokens, .*: give `length=\[…\]`, 2 values"):
        program.reward("brief")(["ab", "x"], answer=["ab", "ab"])


def test_a_reward_that_reads_a_model_says_that_texts_are_not_enough() -> None:
    spec = SPEC + "\nreward likely = mean(logp(actor, y), per: sample)\n"
    with pytest.raises(RewardError, match="reads a model or values per token"):
        rldsl.compile(spec).reward("likely")


def test_a_failure_is_handled_if_the_reward_itself_handles_it_and_is_named_where_it_stands(tmp_path: Path) -> None:
    """Another reward of the spec, which nobody asked for, does not; both make the same call."""
    (tmp_path / "strictly.py").write_text(
        "def judged(text):\n    if 'x' in text:\n        raise ValueError('an x')\n    return 1.0\n")
    program = rldsl.compile(SPEC + '''
extern fn judged(text: Text) -> Real in [0, 1] = python("strictly:judged") { isolate: none }
let steps = split(y.text, at: "|")
reward bare = min(judged(steps), per: sample)
reward safe = min(judged(steps) else 0, per: sample)
''', project=tmp_path)
    assert program.reward("safe")(["a|x", "b"]).tolist() == [0.0, 1.0]
    with pytest.raises(RewardError, match="`extern:judged` failed at step 2: ValueError: an x"):
        program.reward("bare")(["a|x", "b"])


def test_a_column_that_nothing_declares_is_an_error_that_names_the_near_one(program: rldsl.Program) -> None:
    with pytest.raises(RewardError, match=r"`right` knows no column `anwser`: did you mean `answer`\?; there are "):
        program.reward("right")(["4"], answer=["4"], anwser=["5"])


def test_columns_of_the_data_that_a_reward_does_not_read_may_be_there(program: rldsl.Program) -> None:
    assert program.reward("right")(["4"], answer=["4"], question=["2+2"]).tolist() == [1.0]
