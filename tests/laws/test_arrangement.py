"""What the order of a batch, the names of its groups, and its size change: nothing but what the objective says."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch

from tests.laws.scenes import Law, Name, Outcome, Scene, Shape, below, distance, equal, outcome, rearranged, scene_of, steps_of
from tests.laws.specs import EVERYTHING, everything, form

# Float64 sums of at most 40 numbers in another order, through a few operations each: 40 * 2^-53 and some.
SAME = 1e-13


def gathered(scene: Scene, found: Outcome, old: dict[str, np.ndarray]) -> dict[Name, torch.Tensor]:
    """The gradient that stands where the rearranged batch has each row."""
    return {name: gradient[torch.from_numpy(old[scene.columns[name].axis])] for name, gradient in found.gradients.items()}


def given_again(law: Law, found: Outcome, old: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs of an objective, handed over in another arrangement in place of being computed anew."""
    return {given.name: found.inputs[given.name][old[given.axis.name]] for given in law.staged.inputs}


def same_values(found: Outcome, wanted: Outcome) -> bool:
    return found.values.keys() == wanted.values.keys() and all(
        found.values[label] == pytest.approx(value, rel=SAME, abs=SAME) for label, value in wanted.values.items())


# ------------------------------------------------------------------ order
@pytest.mark.wide(2)
@pytest.mark.parametrize("name", EVERYTHING)
def test_permuting_the_answers_of_each_prompt_permutes_the_gradient(name: str) -> None:
    law = everything(name)
    scene, random = scene_of(law.spec), np.random.default_rng(1)
    moved = set().union(*(below(scene.layout, axis) for axis in below(scene.layout, "batch")))
    moved -= {entry.token_axis.name for entry in law.spec.responses} | {axis.name for axis in steps_of(law.spec)}
    permuted, old = rearranged(scene, lambda axis, places: random.permutation(places) if axis in moved else places)
    found, wanted = outcome(law, permuted), outcome(law, scene)
    assert same_values(found, wanted) and distance(found.gradients, gathered(scene, wanted, old)) <= SAME


@pytest.mark.wide(6)
@pytest.mark.parametrize("name", EVERYTHING)
def test_relabelling_the_groups_permutes_the_gradient(name: str) -> None:
    """A group is known by what stands in it, not by its number."""
    law = everything(name)
    scene = scene_of(law.spec)
    groups = below(scene.layout, "batch")
    for order in ([2, 0, 1], [2, 1, 0], [0, 2, 1]):
        permuted, old = rearranged(scene, lambda axis, places, order=order: np.array(order) if axis in groups else places)
        found, wanted = outcome(law, permuted), outcome(law, scene)
        assert same_values(found, wanted) and distance(found.gradients, gathered(scene, wanted, old)) <= SAME


# ------------------------------------------------------------------ pieces
@pytest.mark.wide(6)
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_batch_may_be_cut_where_its_values_allow_it(name: str) -> None:
    """Each piece is computed while nothing is known of those before it in the batch; or everything is read first."""
    law = everything(name)
    scene = scene_of(law.spec)
    wanted = outcome(law, scene)
    for most_rows in (1, 4, 9):
        found = outcome(law, scene, most_rows=most_rows)
        assert same_values(found, wanted) and distance(found.gradients, wanted.gradients) <= SAME


# ------------------------------------------------------------------ size
# Its quantile of 2n values lies between others than that of n, and its deviation divides by 2n - 1.
OF_ORDER_STATISTICS = ("uncertain fifth", "median of samples")


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name not in OF_ORDER_STATISTICS])
def test_a_batch_in_which_every_prompt_stands_twice_has_the_same_loss_and_gradient(name: str) -> None:
    """Both copies of a row share what one had: by its logits each has half, by the weights together the same."""
    law = everything(name)
    scene = scene_of(law.spec)
    twice, old = doubled(scene)
    wanted = outcome(law, scene)
    # The advantage of PPO is divided by a deviation over the iteration, with n - 1; the objective is asked, not that.
    given = given_again(law, wanted, old) if name == "ppo.ppo" else {}
    found = outcome(law, twice, **given)
    assert same_values(found, wanted)
    halves = {key: value / 2 for key, value in gathered(scene, wanted, old).items()}
    assert distance(found.gradients, halves) <= SAME


def test_a_sum_over_the_batch_does_double() -> None:
    """So that the test above sees the difference."""
    law = form("maximize a: sum(advantage * logp(actor, y))")
    scene = scene_of(law.spec)
    twice, old = doubled(scene)
    found, wanted = outcome(law, twice), outcome(law, scene)
    assert found.values["loss"] == pytest.approx(2 * wanted.values["loss"], rel=SAME)
    assert distance(found.gradients, gathered(scene, wanted, old)) <= SAME


def doubled(scene: Scene) -> tuple[Scene, dict[str, np.ndarray]]:
    """Every prompt twice."""
    groups = below(scene.layout, "batch")
    return rearranged(scene, lambda axis, places: [*places, *places] if axis in groups else places)


# ------------------------------------------------------------------ what has no advantage
SURROGATE = "let ratio = exp(logp(actor, y) - y.logp)  maximize a: {}"
TERM = "clipped(ratio, advantage, 0.8 .. 1.2)"
SHAPE = Shape((3, 3, 2), (3, 1, 2, 4, 2, 0, 3, 1))


def tokens(scene: Scene) -> np.ndarray:
    return np.diff(scene.layout.offsets["y.token"])


def all_tokens(scene: Scene) -> np.ndarray:
    return np.full(len(tokens(scene)), tokens(scene).sum())


def answers_with_tokens(scene: Scene) -> np.ndarray:
    return np.full(len(tokens(scene)), (tokens(scene) > 0).sum())


def answers(scene: Scene) -> np.ndarray:
    return np.full(len(tokens(scene)), len(tokens(scene)))


def tokens_of_the_prompt(scene: Scene) -> np.ndarray:
    owners = scene.layout.owners("y.sample", "problems")
    return np.bincount(owners, tokens(scene))[owners]


def nothing(scene: Scene) -> np.ndarray:
    return np.ones(len(tokens(scene)))


@pytest.mark.parametrize(("body", "normaliser"), [
    (SURROGATE.format(f"token_mean({TERM})"), all_tokens),
    (SURROGATE.format(f"sequence_mean({TERM})"), answers_with_tokens),
    (SURROGATE.format(f"constant_length({TERM}, 6)"), answers),
    (SURROGATE.format(f"prompt_mean({TERM})"), tokens_of_the_prompt),
    (SURROGATE.format(f"sum({TERM}) / 32"), nothing),
    ("let ratio = sequence_ratio(logp(actor, y) - y.logp)  maximize a: mean(clipped(ratio, advantage, 0.9 .. 1.1))",
     answers_with_tokens),
    ("maximize a: mean(advantage * sum(logp(actor, y), per: sample))", answers),
], ids=["token mean", "sequence mean", "constant length", "prompt mean", "constant", "sequence ratio", "reinforce"])
def test_answers_without_advantage_change_the_normaliser_and_nothing_else(
        body: str, normaliser: Callable[[Scene], np.ndarray]) -> None:
    law = form(body)
    scene = scene_of(law.spec, seed=3, shape=SHAPE)
    silent = np.array([1, 4, 5])
    advantage = outcome(law, scene).inputs["advantage"].copy()
    advantage[silent] = 0.0
    fewer, old = rearranged(scene, lambda axis, places: dropped(places, silent) if axis == "y.sample" else places)
    found = outcome(law, scene, advantage=advantage)
    wanted = outcome(law, fewer, advantage=advantage[old["y.sample"]])
    name, = (name for name in found.gradients if name[3] == "y")
    owners = scene.layout.owners("y.token", "y.sample")
    assert not found.gradients[name][np.isin(owners, silent)].any()
    factor = normaliser(fewer) / normaliser(scene)[old["y.sample"]]
    predicted = wanted.gradients[name] * torch.from_numpy(factor[fewer.layout.owners("y.token", "y.sample")])[:, None]
    kept = found.gradients[name][torch.from_numpy(old["y.token"])]
    assert distance({name: kept}, {name: predicted}) <= SAME and float(kept.norm()) > 0


def dropped(places: np.ndarray, silent: np.ndarray) -> Iterable[int]:
    return (place for place in places if place not in silent)


# ------------------------------------------------------------------ ways to count
@pytest.mark.parametrize("one", ["token_mean({})", "sequence_mean({})", "prompt_mean({})", "constant_length({}, 3)"])
def test_all_means_agree_where_all_answers_are_of_one_length(one: str) -> None:
    law, token_mean = form(SURROGATE.format(one.format(TERM))), form(SURROGATE.format(f"token_mean({TERM})"))
    scene = scene_of(law.spec, seed=5, shape=equal(3, 4, 3))
    found, wanted = outcome(law, scene), outcome(token_mean, scene)
    assert same_values(found, wanted) and distance(found.gradients, wanted.gradients) <= SAME
    ragged = scene_of(law.spec, seed=5)
    differs = distance(outcome(law, ragged).gradients, outcome(token_mean, ragged).gradients)
    assert (differs > 1e-2) == (one != "token_mean({})")
