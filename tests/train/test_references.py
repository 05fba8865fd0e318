"""Mixtures of references from the library, and teachers: log-probabilities and divergences read exactly in a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from rldsl.data.load import load_data
from rldsl.rewards.run import HostCalls
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.train.engine import load_models
from rldsl.train.failures import FailureBook
from rldsl.train.needs import NeedFinder
from rldsl.train.outcome import Ending
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World
from tests.train.specs import HEAD, ROLLOUT, numbers_of, project_of, run, spec_of, weights_of

TEXT = HEAD + ROLLOUT + """
import std.reference (mixture, mixture_of, mixture_of_three, geometric, normalised_geometric)
param share: Real in (0, 1) = 0.3
policy teacher from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"), initial: 0.5)
policy third from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"), initial: 0.3)
let mixed = mixture(teacher, actor, y, share)
let of_three = mixture_of_three(logp(teacher, y), logp(third, y), logp(actor, y), 0.2, 0.5)
let bent = geometric(teacher, actor, y, 0.3)
let whole = normalised_geometric(teacher, actor, y, share)
let apart = js(teacher, actor, y, weight: share)
let powers = alpha_divergence(teacher, actor, y, alpha: 2)
"""


@pytest.fixture
def values(tmp_path: Path) -> Iterator[Values]:
    """Six rows."""
    project = project_of(tmp_path)
    spec = spec_of(TEXT, project)
    data = {entry.name: load_data(entry, project=project, seed=0) for entry in spec.data}
    with HostCalls(spec.externs, project) as host:
        world = World(spec, project, 0, data, load_models(spec, project, 0), host, NeedFinder(spec), FailureBook(frozenset()))
        numbers = np.arange(6)
        yield Values(world, {"problems": data["problems"].select(numbers)}, {"problems": numbers}, Scalars({"share": 0.3}, {}, 0),
                     ("test",))


def column(values: Values, name: str) -> Any:
    """A let by name."""
    return values.column(next(entry.key for entry in values.world.spec.lets if entry.name == name))


def log_probabilities(values: Values, model: str) -> torch.Tensor:
    """Of the whole vocabulary, before each token of `y`."""
    loaded, tokens = values.world.models[model], values.response("y")
    rows = hidden_rows(loaded, tokens, range(tokens.samples), grad=False)
    return torch.log_softmax(rows.hidden.double() @ head_of(loaded)[0].T.double(), -1).detach()


def chosen(values: Values, rows: torch.Tensor) -> Any:
    return rows.gather(1, torch.from_numpy(values.response("y").ids)[:, None])[:, 0].numpy()


def test_mixtures_of_the_library_are_mixtures_of_distributions(values: Values) -> None:
    teacher, third, actor = (log_probabilities(values, name) for name in ("teacher", "third", "actor"))
    both = (0.3 * teacher.exp() + 0.7 * actor.exp()).log()
    assert column(values, "mixed") == pytest.approx(chosen(values, both), abs=1e-5)
    three = (0.2 * teacher.exp() + 0.5 * third.exp() + 0.3 * actor.exp()).log()
    assert column(values, "of_three") == pytest.approx(chosen(values, three), abs=1e-5)
    bent = 0.3 * teacher + 0.7 * actor
    assert column(values, "bent") == pytest.approx(chosen(values, bent), abs=1e-5)
    whole = torch.log_softmax(bent, -1)
    assert column(values, "whole") == pytest.approx(chosen(values, whole), abs=1e-5)
    assert (column(values, "whole") > column(values, "bent")).all()


def test_divergences_with_a_parameter_are_read_at_the_top_level(values: Values) -> None:
    teacher, actor = (log_probabilities(values, name).exp() for name in ("teacher", "actor"))
    mixture = 0.3 * teacher + 0.7 * actor
    wanted = (0.3 * teacher * (teacher / mixture).log() + 0.7 * actor * (actor / mixture).log()).sum(-1)
    assert column(values, "apart") == pytest.approx(wanted.numpy(), abs=1e-6)
    assert column(values, "powers") == pytest.approx(((teacher - actor) ** 2 / actor).sum(-1).numpy() / 2, rel=1e-4, abs=1e-6)


DISTILLED = HEAD + """
import std.distillation (generalized_jsd)
policy teacher from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"), initial: 0.5)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
objective distil for actor { minimize gap: mean(READ) }
let distance = mean(kl(teacher, actor, y))
guard distance < 100 else stop
train { repeat 20 { draw 12 prompts  update actor with distil { minibatch: 6 prompts, optimizer: adamw(lr: 2e-2) } } }
"""


@pytest.mark.slow
@pytest.mark.wide(1)
@pytest.mark.parametrize("read", ["kl(teacher, actor, y)", "kl(actor, teacher, y)", "generalized_jsd(teacher, actor, y, 0.1, 1)",
                                  "alpha_divergence(teacher, actor, y, alpha: 0.5)"])
def test_a_teacher_that_is_never_trained_is_approached_over_the_whole_vocabulary(tmp_path: Path, read: str) -> None:
    """On the policy's own answers; the teacher stays what it was."""
    assert run(DISTILLED.replace("READ", read), tmp_path).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert lines[-1]["loss"] < 0.4 * lines[0]["loss"]
    spec = spec_of(DISTILLED.replace("READ", read), tmp_path / "project")
    first = load_models(spec, tmp_path / "project", 0)["teacher"]
    kept = load(weights_of(tmp_path / "run")["models/teacher/model.safetensors"])
    assert all(torch.equal(tensor, kept[name]) for name, tensor in first.module.named_parameters())


@pytest.mark.slow
def test_a_compiled_run_and_the_reference_distil_alike(tmp_path: Path) -> None:
    text = DISTILLED.replace("READ", "js(teacher, actor, y, weight: 0.2) + alpha_divergence(actor, teacher, y, alpha: 0.3)") \
        .replace("repeat 20", "repeat 3")
    run(text, tmp_path, out="numba")
    run(text, tmp_path, out="torch", backend="torch")
    for one, other in zip(numbers_of(tmp_path / "numba"), numbers_of(tmp_path / "torch"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
