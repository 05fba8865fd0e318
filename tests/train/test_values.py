"""Values of an iteration: rollouts of rollouts, contexts, roles, groups, states; each computed once, when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rldsl.data.load import load_data
from rldsl.rewards.handled import handled_calls
from rldsl.rewards.run import HostCalls
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.train.engine import load_models
from rldsl.train.failures import FailureBook
from rldsl.train.needs import NeedFinder
from rldsl.train.outcome import RunError
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World
from tests.train.specs import HEAD, ROLLOUT, project_of, spec_of

TEXT = HEAD + ROLLOUT + """
policy teacher = frozen(actor)
policy role = actor with { system: "dd" }
critic v from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
rollout z ~ actor(problems.question + text.prefix(y.text, 0) + ">") { samples: 2, max_tokens: 2 }
response shown = problems.answer given problems.question
state best: Real in [0, 1] = 0.25
param beta: Real in [0, 1] = 0.5
let own = logp(teacher, y)
let as_role = logp(role, y)
let in_context = logp(teacher, y given "a>")
let exact = kl(teacher, role, y)
let before = value(v, y)
let spread_of = entropy(teacher, y)
let agreed = verify.equal(y.text, majority(y.text, per: prompt))
let of_z = mean(logp(teacher, z), per: sample)
let of_shown = sum(logp(teacher, shown), per: sample)
let scaled = beta * best * mean(places)
let later = iteration() + 1
let chance = y.uniform
let chance_of_shown = shown.uniform
"""


@pytest.fixture
def values(tmp_path: Path) -> Iterator[Values]:
    """Eight rows."""
    project = project_of(tmp_path)
    spec = spec_of(TEXT, project)
    data = {entry.name: load_data(entry, project=project, seed=0) for entry in spec.data}
    models = load_models(spec, project, 0)
    with HostCalls(spec.externs, project) as host:
        world = World(spec, project, 0, data, models, host, NeedFinder(spec), FailureBook(handled_calls(spec)))
        numbers = np.arange(8)
        yield Values(world, {"problems": data["problems"].select(numbers)}, {"problems": numbers},
                     Scalars({"beta": 0.5}, {"best": 0.25}, 3), ("test",))


def column(values: Values, name: str) -> Any:
    """A let or a reward by name."""
    spec = values.world.spec
    return values.column(next(entry.key for entry in (*spec.lets, *spec.rewards) if entry.name == name))


def logp_by_hand(values: Values, model: str, tokens: Any) -> Any:
    """From the module's own logits."""
    loaded = values.world.models[model]
    rows = hidden_rows(loaded, tokens, range(tokens.samples), grad=False)
    logits = rows.hidden @ head_of(loaded)[0].T
    return logits.log_softmax(-1).gather(1, rows.targets[:, None])[:, 0].detach().numpy()


def test_a_snapshot_scores_what_the_policy_recorded(values: Values) -> None:
    assert column(values, "own") == pytest.approx(values.tokens["y"].logp, abs=1e-5)


def test_another_role_sees_its_own_prompt(values: Values) -> None:
    found = column(values, "as_role")
    assert np.abs(found - column(values, "own")).max() > 1e-3
    assert found == pytest.approx(logp_by_hand(values, "role", values.as_seen_by("role", "y")), abs=1e-6)


def test_a_context_takes_the_place_of_the_prompt(values: Values) -> None:
    found, tokens = column(values, "in_context"), values.tokens["y"]
    first = tokens.offsets[:-1]
    by_token = {int(token): value for token, value in zip(tokens.ids[first], found[first], strict=True)}
    assert found[first] == pytest.approx([by_token[int(token)] for token in tokens.ids[first]], abs=1e-6)


def test_divergences_entropies_and_values_are_read_at_each_token(values: Values) -> None:
    assert (column(values, "exact") > 0).all()
    assert ((column(values, "spread_of") > 0) & (column(values, "spread_of") < np.log(7) + 1e-6)).all()
    assert (column(values, "before") == 0).all()  # a critic starts at 0


def test_the_samples_of_one_rollout_are_the_prompts_of_another(values: Values) -> None:
    assert len(column(values, "of_z")) == 8 * 4 * 2
    y, z = values.tokens["y"], values.tokens["z"]
    assert len(z.counts) == y.samples
    assert column(values, "of_z")[0] == pytest.approx(z.logp[z.offsets[0]:z.offsets[1]].mean(), abs=1e-5)


def test_given_texts_are_tokenised_with_their_end(values: Values) -> None:
    assert len(column(values, "of_shown")) == 8
    assert values.tokens["shown"].lengths.tolist() == [3] * 8


def test_a_majority_is_of_its_group(values: Values) -> None:
    agreed = column(values, "agreed").reshape(8, 4)
    texts = np.array(values.tokens["y"].texts).reshape(8, 4)
    for facts, group in zip(agreed, texts, strict=True):
        most = max(list(group).count(text) for text in group)
        assert facts.sum() == most


def test_scalars_are_those_of_the_iteration(values: Values) -> None:
    assert column(values, "later") == 4.0
    assert column(values, "scaled") == pytest.approx(0.5 * 0.25 * np.mean(column(values, "places")))


def test_an_assigned_state_is_seen_from_then_on(values: Values) -> None:
    before = float(column(values, "scaled")[0])
    values.assign("best", 0.75)
    assert column(values, "scaled") == pytest.approx(3 * before)


def test_what_is_known_is_not_drawn_again(values: Values) -> None:
    first = column(values, "correct")
    tokens = values.tokens["y"]
    column(values, "own")
    assert values.tokens["y"] is tokens and column(values, "correct") is first


def test_draws_depend_on_their_purpose(values: Values) -> None:
    texts = values.response("y").texts
    again = Values(values.world, values.rows, values.row_numbers, values.scalars, ("test",))
    other = Values(values.world, values.rows, values.row_numbers, values.scalars, ("test", 1))
    assert again.response("y").texts == texts != other.response("y").texts


def test_random_numbers_depend_on_their_response_and_purpose(values: Values) -> None:
    drawn = column(values, "chance")
    assert len(drawn) == values.response("y").lengths.sum() and drawn.min() >= 0 and drawn.max() < 1
    assert len(set(drawn)) == len(drawn)
    again = Values(values.world, values.rows, values.row_numbers, values.scalars, ("test",))
    other = Values(values.world, values.rows, values.row_numbers, values.scalars, ("test", 1))
    assert list(column(again, "chance")) == list(drawn)
    assert column(other, "chance")[0] != drawn[0] != column(values, "chance_of_shown")[0]


def test_a_prompt_that_does_not_fit_is_said_with_its_place_in_the_spec(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    spec = spec_of(HEAD + ROLLOUT.replace("max_tokens: 3", "max_tokens: 99"), project)
    data = {entry.name: load_data(entry, project=project, seed=0) for entry in spec.data}
    with HostCalls(spec.externs, project) as host:
        world = World(spec, project, 0, data, load_models(spec, project, 0), host, NeedFinder(spec),
                      FailureBook(handled_calls(spec)))
        values = Values(world, {"problems": data["problems"].select([0])}, {"problems": np.arange(1)}, Scalars({}, {}, 0), ())
        with pytest.raises(RunError, match=r"test.rl:\d+:\d+: `y`: .*positions"):
            values.response("y")
