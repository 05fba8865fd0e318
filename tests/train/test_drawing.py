"""Which rows a draw means, how long they stand, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.graph.steps import Draw, Repeat, Step, Update
from rldsl.train.drawing import Rows, prepare_train, steps_on_rows
from rldsl.train.needs import Needs
from rldsl.train.outcome import Ending, RunError
from tests.train.specs import GRPO, HEAD, ROLLOUT, numbers_of, project_of, run, spec_of

TWO = HEAD + ROLLOUT + GRPO + """
data pairs from python("tasks:problems", count: 20) { question: Text  answer: Text target  number: Int }
response shown = pairs.answer given pairs.question
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) }
objective both for actor {
  minimize nll: -mean(logp(actor, shown))
  maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
}
"""
NEEDS = {"grpo": Needs(frozenset(), frozenset({"problems"}), frozenset()),
         "imitation": Needs(frozenset(), frozenset({"pairs"}), frozenset()),
         "both": Needs(frozenset(), frozenset({"problems", "pairs"}), frozenset())}
OPTIMIZER = "{ optimizer: adamw(lr: 1e-2) }"


def prepared(folder: Path, train: str) -> tuple[Step, ...]:
    """The steps of a train block with their draws named."""
    return prepare_train(spec_of(f"{TWO}\ntrain {{ {train} }}\n", project_of(folder)), NEEDS)


def draws(steps: tuple[Step, ...]) -> list[str | None]:
    """The data sets of all draws, in order."""
    found: list[str | None] = []
    for step in steps:
        found += [step.data] if isinstance(step, Draw) else draws(step.body) if isinstance(step, Repeat) else []
    return found


def test_a_draw_means_the_data_that_the_updates_before_the_next_draw_need(tmp_path: Path) -> None:
    steps = prepared(tmp_path, f"repeat 2 {{ draw 4 prompts update actor with grpo {OPTIMIZER} "
                               f"draw 4 rows update actor with imitation {OPTIMIZER} }}")
    assert draws(steps) == ["problems", "pairs"]


@pytest.mark.parametrize(("train", "said"), [
    (f"draw 4 prompts update actor with both {OPTIMIZER}", "the updates after it need `pairs`, `problems`"),
    (f"draw 4 prompts from problems update actor with imitation {OPTIMIZER}", "needs rows of `pairs`"),
    (f"update actor with grpo {OPTIMIZER}", "before it, in the same block"),
    (f"repeat 2 {{ draw 4 prompts from problems }} update actor with grpo {OPTIMIZER}", "needs rows of `problems`"),
    ("draw 4 prompts", "no update follows it"),
])
def test_what_is_not_clear_is_refused(tmp_path: Path, train: str, said: str) -> None:
    with pytest.raises(RunError) as caught:
        prepared(tmp_path, train)
    assert said in caught.value.message and "test.rl:" in caught.value.message


def test_draws_of_two_data_sets_stand_together_until_an_update(tmp_path: Path) -> None:
    steps = prepared(tmp_path, f"draw 4 prompts from problems draw 4 rows from pairs update actor with both {OPTIMIZER} "
                               f"draw 4 rows from pairs update actor with imitation {OPTIMIZER}")
    first = steps[0]
    assert isinstance(first, Draw)
    ahead = steps_on_rows(steps[1:], Rows().after(first))
    assert [step.objective for step in ahead if isinstance(step, Update)] == ["both"]


@pytest.mark.parametrize("between", ["every 1 { save }", ""])
def test_what_uses_no_rows_may_stand_between_two_draws(tmp_path: Path, between: str) -> None:
    prepared(tmp_path, f"draw 4 prompts from problems {between} draw 4 rows from pairs update actor with both {OPTIMIZER}")


@pytest.mark.parametrize("between", ["reset ref to actor", "seen <- seen + 1", "when mean(places) > 2 { save }"])
def test_draws_with_a_use_of_rows_between_them_do_not_stand_together(tmp_path: Path, between: str) -> None:
    extra = "policy ref = frozen(actor)\nstate seen: Real = 0\n"
    text = f"draw 4 prompts from problems {between} draw 4 rows from pairs update actor with both {OPTIMIZER}"
    with pytest.raises(RunError, match="needs rows of `problems`"):
        prepare_train(spec_of(f"{TWO}{extra}\ntrain {{ {text} }}\n", project_of(tmp_path)), NEEDS)


LAGGED = HEAD + """
policy mask = frozen(actor)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
let gap = abs(logp(actor, y) - logp(mask, y))
objective sharpen for actor { maximize s: mean(entropy(actor, y)) }
state apart: Real = 0
apart <- mean(gap)
train { repeat 3 { draw 4 prompts  FIRST  update actor with sharpen { optimizer: adamw(lr: 1e-2) }  LAST } }
"""


def test_a_reset_after_a_draw_leaves_what_was_drawn_to_the_weights_before_it(tmp_path: Path) -> None:
    """The rollout, and what is read of it, belong to the draw: a copy renewed behind it is seen an iteration later."""
    for name, first, last in (("behind", "reset mask to actor", ""), ("after", "", "reset mask to actor"), ("never", "", "")):
        run(LAGGED.replace("FIRST", first).replace("LAST", last), tmp_path / name, backend="torch")
    behind, after, never = ([line["state/apart"] for line in numbers_of(tmp_path / name / "run")]
                            for name in ("behind", "after", "never"))
    assert after == [0, 0, 0]
    assert behind[:2] == never[:2] and behind[0] == 0 and behind[1] > 0
    assert 0 < behind[2] < never[2]


@pytest.mark.slow
def test_an_objective_may_need_rows_of_two_data_sets(tmp_path: Path) -> None:
    text = f"{TWO}\ntrain {{ repeat 3 {{ draw 8 prompts from problems  draw 6 rows from pairs " \
           "update actor with both { minibatch: 4 prompts, optimizer: adamw(lr: 1e-2) } } }\n"
    result = run(text, tmp_path)
    assert (result.ending, result.iteration, result.step) == (Ending.FINISHED, 3, 6)
    assert {"objective/nll", "objective/surrogate"} <= numbers_of(tmp_path / "run")[0].keys()


@pytest.mark.slow
def test_objectives_may_take_turns(tmp_path: Path) -> None:
    text = f"{TWO}\ntrain {{ repeat 2 {{ draw 4 prompts update actor with grpo {OPTIMIZER} " \
           f"draw 4 rows update actor with imitation {OPTIMIZER} }} }}\n"
    assert run(text, tmp_path).iteration == 4
    lines = numbers_of(tmp_path / "run")
    assert [("objective/nll" in line, "reward" in line) for line in lines] == [(False, True), (True, False)] * 2


def test_a_draw_in_an_inner_block_ends_with_it(tmp_path: Path) -> None:
    text = f"{TWO}\ntrain {{ repeat 4 {{ draw 4 prompts from problems update actor with grpo {OPTIMIZER} " \
           f"every 2 {{ draw 4 rows from pairs update actor with imitation {OPTIMIZER} }} }} }}\n"
    assert run(text, tmp_path).iteration == 6


def test_rows_stand_through_a_repeat_of_updates(tmp_path: Path) -> None:
    text = f"{TWO}\ntrain {{ repeat 2 {{ draw 4 prompts from problems repeat 3 {{ update actor with grpo {OPTIMIZER} }} }} }}\n"
    result = run(text, tmp_path)
    assert (result.iteration, result.step) == (2, 6)
