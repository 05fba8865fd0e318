"""What judges are asked in a run at most: sums by hand over what is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rldsl.compiler import check_source
from rldsl.graph.spec import Spec
from rldsl.graph.steps import Draw, Repeat
from rldsl.loading import project_loader
from rldsl.source import Source
from rldsl.train.judged import Bound, bounds_of, rows_drawn

HEAD = """
data problems from jsonl("p.jsonl") { question: Text  rubrics: Json }
policy actor from tiny(layers: 1, width: 8, heads: 1, tokenizer: characters("ab"))
judge grader from openai(model: "judge", base_url: "http://localhost/v1") { max_tokens: 100 MORE }
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 4 }
rubric clear judged by grader { "It is short" weight 1  "It is polite" weight 1  ASK }
rubric own judged by grader { ASK }
"""
TRAIN = """
objective pg for actor { maximize surrogate: mean(total * logp(actor, y)) }
train { repeat 10 { draw 8 prompts  update actor with pg { minibatch: 8 prompts, optimizer: adamw(lr: 1e-3) } } }
"""


def spec_of(total: str, ask: str = "", more: str = "") -> Spec:
    """With one reward."""
    text = HEAD.replace("MORE", more).replace("ASK", ask) + f"reward total = {total}\n" + TRAIN
    if "own(" not in total:
        text = text.replace("rubric own judged by grader { " + ask + " }\n", "")
    found = check_source(Source("test.rl", text), project_loader(Path("/nonexistent")))
    assert not found.errors and found.spec is not None, [(entry.title, entry.why, entry.fix) for entry in found.errors]
    [passes] = found.spec.train
    assert isinstance(passes, Repeat)
    named = tuple(replace(step, data="problems") if isinstance(step, Draw) else step for step in passes.body)
    return replace(found.spec, train=(replace(passes, body=named),))


@pytest.mark.parametrize(("total", "ask", "calls"), [
    ("clear(y.text)", "", 320),                                   # 10 times 8 prompts of 4 answers
    ("clear(y.text)", "ask: each", 640),
    ("clear(y.text)", "votes: 3 votes_by: mean", 960),
    ("mean(prefer(clear, y.text, others(y.text, per: prompt)), per: sample) else 0", "", 1920),  # of 3 others, in both orders
    ("mean(prefer(clear, y.text, others(y.text, per: prompt), matches: 1), per: sample) else 0", "", 640),  # the next, both orders
    ("min(prm(grader, split(y.text, at: \"b\")), per: sample) else 0", "", 320),
    ("own(y.text, criteria: problems.rubrics) else 0", "", 320),
    ("own(y.text, criteria: problems.rubrics) else 0", "ask: each", None),
])
def test_a_run_is_bounded_by_what_it_draws(total: str, ask: str, calls: int | None) -> None:
    spec = spec_of(total, ask)
    assert rows_drawn(spec.train)["problems"] == 80
    tokens = None if calls is None else 100 * calls
    assert bounds_of(spec, spec.train) == (Bound("grader", calls, tokens, None),)


def test_a_budget_that_may_not_last_is_said() -> None:
    spec = spec_of("clear(y.text)", more=", most_calls: 319")
    [found] = bounds_of(spec, spec.train)
    assert found.line == ("judge `grader`: at most 320 calls and 32,000 tokens out, evaluations and tries beside; "
                          "`most_calls: 319` may not last")


def test_a_run_that_asks_nobody_has_no_bound() -> None:
    spec = spec_of("text.length(y.text)")
    assert bounds_of(spec, spec.train) == ()
