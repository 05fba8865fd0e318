"""Steps in training: which tokens lie in which, of rollouts and of given texts; gradients that no micro-batch changes; rewards of
steps outside of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rldsl
from rldsl.certify import certify
from rldsl.data.load import load_data
from rldsl.graph.spec import Amount
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.rewarding import RewardError
from rldsl.rewards.handled import handled_calls
from rldsl.rewards.run import HostCalls
from rldsl.train.engine import load_models
from rldsl.train.failures import FailureBook
from rldsl.train.micro import check_micro_batch
from rldsl.train.needs import NeedFinder
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World
from rldsl.types import Level
from tests.train.specs import HEAD, numbers_of, project_of, run, spec_of

STEPS = HEAD + """
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
response w = problems.question given problems.question
let s = split(y.text, at: "a")
let runs = split(y.text, pattern: "[bc]+")
let said = text.length(s)
let of_given = text.length(split(w.text, at: "c"))
let raw = text.length(split(problems.answer, at: "b"))
let logps = sum(y.logp, per: s)
let held = count(y.logp, per: s)
let spread_back = spread(position(said), to: y)
let given_held = count(logp(actor, w), per: of_given)
reward shortest = min(said, per: sample)
"""

TRAINED = HEAD + """
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
let s = split(y.text, at: "a")
let credit = text.length(s) - mean(text.length(s), per: sample)
objective stepwise for actor {
  let ratio = exp(mean(logp(actor, y) - y.logp, per: step))
  maximize surrogate: mean(ratio * scan(credit, decay: 0.9, from: end, per: sample))
  minimize spread: 0.1 * mean(abs(logp(actor, y) - spread(mean(logp(actor, y), per: step), to: token)))
}
train { repeat 2 { draw 6 prompts  update actor with stepwise { minibatch: 3 prompts, optimizer: adamw(lr: 1e-2) MICRO } } }
"""


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Values]:
    """Eight rows."""
    project = project_of(tmp_path_factory.mktemp("steps"))
    spec = spec_of(STEPS, project)
    data = {entry.name: load_data(entry, project=project, seed=0) for entry in spec.data}
    models = load_models(spec, project, 0)
    with HostCalls(spec.externs, project) as host:
        world = World(spec, project, 0, data, models, host, NeedFinder(spec), FailureBook(handled_calls(spec)))
        numbers = np.arange(8)
        yield Values(world, {"problems": data["problems"].select(numbers)}, {"problems": numbers}, Scalars({}, {}, 0), ("test",))


def column(values: Values, name: str) -> Any:
    spec = values.world.spec
    return values.column(next(entry.key for entry in (*spec.lets, *spec.rewards) if entry.name == name))


def starts_of(text: str, letter: str) -> list[int]:
    """Where the steps start that a letter separates: behind the first letter of a run of them, if something follows."""
    starts = [place + 1 for place, mark in enumerate(text[:-1]) if mark == letter and text[place + 1] != letter]
    return [0, *(starts[1:] if starts and not text[:starts[0]].strip(letter) else starts)]


def test_every_token_lies_in_the_step_in_which_its_first_letter_stands(values: Values) -> None:
    held, tokens = column(values, "held").astype(int).tolist(), values.tokens["y"]
    names, wanted = values.world.models["actor"].codec.names, list[int]()
    for sample, text in enumerate(tokens.texts):
        said = [names[token] for token in tokens.ids[tokens.offsets[sample]:tokens.offsets[sample + 1]]]
        firsts = [len("".join(said[:place])) for place in range(len(said))]  # a special token is several letters
        starts = starts_of(text, "a")
        owners = [max(step for step, start in enumerate(starts) if start <= first) for first in firsts]
        wanted += [owners.count(step) for step in range(len(starts))]
    assert held == wanted
    assert sum(held) == len(tokens.ids) and len(held) > tokens.samples


def test_sums_of_steps_add_up_to_those_of_samples(values: Values) -> None:
    logps, tokens = column(values, "logps"), values.tokens["y"]
    by_sample = np.add.reduceat(logps, values.layout.bounds("y.step", "y.sample")[:-1])
    assert by_sample == pytest.approx(np.add.reduceat(tokens.logp, tokens.offsets[:-1]), abs=1e-9)


def test_a_value_of_a_step_spreads_to_its_tokens(values: Values) -> None:
    places, held = column(values, "spread_back"), column(values, "held").astype(int)
    firsts = values.layout.bounds("y.step", "y.sample")
    own = np.concatenate([np.arange(high - low) for low, high in zip(firsts[:-1], firsts[1:], strict=True)])
    assert places.tolist() == np.repeat(own, held).tolist()


def test_given_texts_are_cut_as_rollouts_are(values: Values) -> None:
    texts, held = [str(text) for text in values.column(values.world.responses["w"].text)], column(values, "given_held")
    starts = values.layout.bounds("w.step", "problems")
    for row, text in enumerate(texts):  # two letters and a mark, an end token behind them: only `xc>` is two steps
        assert held[starts[row]:starts[row + 1]].tolist() == ([2, 2] if text[1] == "c" else [4])


def test_texts_that_are_no_responses_have_steps_too(values: Values) -> None:
    found = column(values, "raw")
    assert len(found) == values.layout.bounds("problems.step", "batch")[-1] >= 8
    assert "problems.step" not in values.layout.covers


def test_two_ways_to_cut_are_two_axes(values: Values) -> None:
    assert values.world.spec.graph[next(entry.key for entry in values.world.spec.lets if entry.name == "runs")].type.axis.name \
        == "y.step2"
    column(values, "runs")
    assert values.layout.covers["y.step"][1].tolist() != values.layout.covers["y.step2"][1].tolist()


# ------------------------------------------------------------------ training
def test_tokens_of_a_step_couple_and_a_piece_holds_whole_answers(tmp_path: Path) -> None:
    spec = spec_of(TRAINED.replace("MICRO", ""), project_of(tmp_path))
    staged = compile_objective(spec, spec.objectives[0])
    assert staged.coupling is Level.STEP
    assert staged.piece_axis.level is Level.SAMPLE
    check_micro_batch(staged, Amount(1, "samples"))


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch", ["1 samples", "5 samples", "2 prompts"])
def test_any_cut_gives_the_same_gradient(tmp_path: Path, micro_batch: str) -> None:
    run(TRAINED.replace("MICRO", ""), tmp_path, out="whole")
    run(TRAINED.replace("MICRO", f"micro_batch: {micro_batch}"), tmp_path, out="cut")
    whole, parts = (numbers_of(tmp_path / out) for out in ("whole", "cut"))
    assert whole[0]["grad_norm"] > 0
    for one, other in zip(whole, parts, strict=True):
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5, abs=1e-9)


@pytest.mark.slow
def test_kernels_over_steps_and_members_are_certified(tmp_path: Path) -> None:
    text = TRAINED.replace("MICRO", "") + """
objective members for actor {
  let mine = each(mean(logp(actor, y), per: step), text.length(s) / 8)
  maximize least: mean(min(mine, over: member) else 0) + mean(std(mine, per: sample, keep: member) * each(1, 0.5) else 0)
}
"""
    spec = spec_of(text, project_of(tmp_path))
    for objective in spec.objectives:
        staged = compile_objective(spec, objective)
        assert "y.step" in [axis.name for axis in staged.axes]
        report = certify(CompiledObjective(staged, "numba", meaning=Meaning(spec, objective)), seed=2)
        assert report.passed, str(report)


# ------------------------------------------------------------------ without training
REWARDS = """
data problems from jsonl("p.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
let s = split(y.text, at: ";")
reward each_step = text.equal(s, problems.answer)
reward share = mean(each_step, per: sample)
reward worst = min(each(share, 1 - share, 0.4), per: sample)
"""


def test_a_reward_of_steps_is_a_function_of_texts() -> None:
    program = rldsl.compile(REWARDS)
    found = program.reward("worst").nodes(["a;b;a", "", "a"], answer=["a", "a", "b"])
    assert set(found) == {"share", "worst"}
    assert found["share"] == pytest.approx([2 / 3, 0, 0])
    assert found["worst"] == pytest.approx([1 / 3, 0, 0])


def test_a_reward_for_each_step_is_no_number_for_each_text() -> None:
    with pytest.raises(RewardError, match="a value for each step"):
        rldsl.compile(REWARDS).reward("each_step")
