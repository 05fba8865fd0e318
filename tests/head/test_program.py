"""The objects a trainer meets: programs, batches, runs, rows, direct values, scores, certificates."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import rldsl
from rldsl.certify import _distance, _disturbed, certify, random_inputs, random_layout
from rldsl.compiling import kernel_files
from rldsl.graph.model import ReadKind
from rldsl.kernels import projection
from rldsl.kernels.dense import dense_reads
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective
from rldsl.scoring import score_rows
from tests.head.objectives import (
    as_logits,
    close,
    compiled,
    gradients,
    in_runs,
    program,
    ragged,
    reference,
)

KEY = ("actor", "y")


def test_an_objective_is_found_by_name_or_alone() -> None:
    """And a name that does not exist is answered with those that do."""
    spec = program("token")
    assert spec.objective() is spec.objective("main")
    with pytest.raises(KeyError, match="'main'"):
        spec.objective("grpo")


def test_an_input_that_is_missing_or_unknown_is_named() -> None:
    """Before anything is computed."""
    batch = ragged("plain")
    with pytest.raises(ValueError, match="`advantage` is missing, `advantages` is not an input"):
        compiled("plain").batch(batch.layout, {"advantages": 1.0, "y_logp": batch.inputs["y_logp"]})


def test_an_objective_lists_what_a_batch_takes() -> None:
    objective = compiled("plain")
    assert objective.axes == {"problems": "batch", "y.sample": "problems", "y.token": "y.sample"}
    assert objective.inputs == {"advantage": "y.sample", "y_logp": "y.token"}
    assert list(objective.axes) == list(ragged("plain").layout.parents)


@pytest.mark.parametrize(("parents", "said"), [
    ({"problems": "batch", "y.sample": "problems", "y.tokens": "y.sample"}, "`y.token` of `y.sample` is not there$"),
    ({"problem": "batch", "y.sample": "problem", "y.token": "y.sample"},
     "`problems` of `batch` is not there, `y.sample` lies below `problem`, not below `problems`$")])
def test_an_axis_of_a_layout_that_is_misnamed_is_named_with_all_that_are_needed(parents: dict[str, str], said: str) -> None:
    layout = Layout.of(parents, dict(zip(parents, ([1], [2], [3, 4]), strict=True)))
    takes = r'objective `main` takes Layout.of\({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"}, …\): '
    with pytest.raises(ValueError, match=takes + said):
        compiled("plain").batch(layout, {"advantage": [0.0, 0.0], "y_logp": [0.0] * 7})


def test_another_back_end_is_refused_when_the_spec_is_loaded() -> None:
    with pytest.raises(ValueError, match="backend is `numba`, `triton` or `torch`, not `cuda`"):
        rldsl.compile("", backend="cuda")  # type: ignore[arg-type]


def test_a_layout_has_a_count_for_each_place() -> None:
    parents = {"prompts": "batch", "y.sample": "prompts", "y.token": "y.sample"}
    with pytest.raises(ValueError, match=r"3 counts of `y.token` for 4 places of `y.sample`: one for each"):
        Layout.of(parents, {"prompts": [2], "y.sample": [2, 2], "y.token": [5, 3, 7]})


def test_rows_that_do_not_fit_are_refused() -> None:
    """Too few, out of range, of the wrong kind."""
    batch = ragged("plain")
    rows = batch.rows[KEY]
    objective = compiled("plain")
    with pytest.raises(ValueError, match="tokens in this run"):
        objective.loss(objective.batch(batch.layout, batch.inputs), rows[0:5])
    with pytest.raises(ValueError, match=r"targets lie in 0 \.\. 299"):
        replace(rows, targets=rows.targets + 300)
    with pytest.raises(ValueError, match="int64"):
        replace(rows, targets=rows.targets.int())
    with pytest.raises(ValueError, match="`logits`, or as `hidden`"):
        Rows(rows.targets, rows.hidden)
    exact = ragged("exact")
    with pytest.raises(ValueError, match="ref"):
        compiled("exact").loss(compiled("exact").batch(exact.layout, exact.inputs), replace(exact.rows[KEY], others={}))


def test_a_batch_is_not_finished_before_every_token_was_read() -> None:
    """A forgotten run is an error, not a smaller loss."""
    batch = ragged("plain")
    objective = compiled("plain")
    update = objective.batch(batch.layout, batch.inputs)
    run = objective.pieces(update, rows=5).runs[0]
    objective.piece(update, run, batch.rows[KEY][run.tokens["y"]])
    with pytest.raises(ValueError, match="38 of 43 tokens of `y` were not in any `piece`"):
        objective.finish(update)
    with pytest.raises(ValueError, match=r"tokens 0 \.\. 4 of `y` were in a run before"):
        objective.piece(update, run, batch.rows[KEY][run.tokens["y"]])


def test_a_loss_is_differentiated_once() -> None:
    """Its gradients are formed in advance and handed over."""
    batch = ragged("plain")
    objective = compiled("plain")
    loss, _ = objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        loss.backward()


def test_the_gradient_flows_on_through_the_model() -> None:
    """Hidden states that are computed, tied embeddings, and a frozen projection."""
    batch = ragged("plain")
    rows = batch.rows[KEY]
    assert rows.hidden is not None and rows.weight is not None
    table = rows.weight.detach().clone().requires_grad_()
    states = rows.hidden.detach()

    def model_gradient(objective: CompiledObjective, tied: bool) -> torch.Tensor:
        table.grad = None
        hidden = states + table[rows.targets]
        weight = table if tied else table.detach()
        loss, _ = objective.from_hidden(batch.layout, batch.inputs, hidden, weight, rows.targets)
        loss.backward()
        assert table.grad is not None
        return table.grad

    for tied in (True, False):
        assert close([model_gradient(compiled("plain"), tied)], [model_gradient(reference("plain"), tied)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_upcast_and_gradients_come_back_in_it(dtype: torch.dtype,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic is float32, a slice of the vocabulary at a time: the error is that of rounding the result."""
    monkeypatch.setattr(projection, "UPCAST_BYTES", 100 * 16 * 4)
    batch = ragged("plain", repeat=3)
    rows = batch.rows[KEY]
    assert rows.hidden is not None and rows.weight is not None
    hidden, weight = rows.hidden.detach().to(dtype), rows.weight.detach().to(dtype)
    half = replace(rows, hidden=hidden.requires_grad_(), weight=weight.requires_grad_())
    full = replace(rows, hidden=hidden.detach().float().requires_grad_(), weight=weight.detach().float().requires_grad_())
    found = gradients(compiled("plain"), replace(batch, rows={KEY: half}))
    wanted = gradients(compiled("plain"), replace(batch, rows={KEY: full}))
    spacing = 2.0**-8 if dtype is torch.bfloat16 else 2.0**-11
    for ours, exact in zip(found, wanted, strict=True):
        assert ours.dtype is dtype
        # Half a spacing of each number, and a float16 number has no smaller spacing than 2^-24.
        assert torch.all((ours.float() - exact).abs() <= spacing * exact.abs() + 2.0**-24)


@pytest.mark.parametrize("in_place", [True, False])
def test_logits_of_half_precision_are_converted_by_chunks(in_place: bool) -> None:
    """Their gradient is the float32 one, rounded."""
    batch = as_logits(ragged("plain"))
    rows = batch.rows[KEY]
    half = replace(rows, logits=rows.given.detach().bfloat16().requires_grad_())
    full = replace(rows, logits=half.given.detach().float().requires_grad_())
    found, = gradients(compiled("plain"), replace(batch, rows={KEY: half}), in_place=in_place)
    wanted, = gradients(compiled("plain"), replace(batch, rows={KEY: full}))
    assert torch.all((found.float() - wanted).abs() <= 2.0**-8 * wanted.abs() + 1e-12)


def test_logits_of_a_padded_batch_are_scored_where_they_lie() -> None:
    """`places` picks the rows, also out of a slice; the others have no gradient."""
    batch = as_logits(ragged("plain"))
    rows = batch.rows[KEY]
    wanted, = gradients(compiled("plain"), batch)
    count, vocabulary = rows.given.shape
    padded = torch.zeros(2 * count, vocabulary)
    places = torch.randperm(2 * count)[:count]
    padded[places] = rows.given.detach()
    for given in (padded.clone().requires_grad_(), torch.cat([padded, padded], 1)[:, :vocabulary].requires_grad_()):
        for in_place in (False, True):
            loss, _ = compiled("plain").from_logits(batch.layout, batch.inputs, given, rows.targets, places=places,
                                                    in_place=in_place)
            by_logits, = torch.autograd.grad(loss, given)
            assert close([by_logits[places]], [wanted])
            assert int(by_logits.any(1).sum()) == int(wanted.any(1).sum())


def test_direct_values_take_their_gradient_from_the_coefficients() -> None:
    """A critic has no vocabulary: plain numbers in, derivatives out."""
    batch = ragged("value")
    values = torch.randn(batch.layout.size("y.token"), requires_grad=True)
    found = []
    for objective in (compiled("value"), reference("value")):
        read, = objective.staged.direct
        values.grad = None
        loss, _ = objective.loss(objective.batch(batch.layout, batch.inputs), {}, {read.key: values})
        loss.backward()
        assert values.grad is not None
        found.append(values.grad)
    assert close(found[:1], found[1:])


def test_scores_of_a_pair_have_the_gradient_of_its_likelihood() -> None:
    """Bradley-Terry of three pairs: by the winner's score -(1 - sigmoid(margin)) / 3, by the loser's the opposite."""
    batch, objective = ragged("preferred"), compiled("preferred")
    win, lose = (torch.tensor(scores, requires_grad=True) for scores in ([0.5, -1.0, 2.0], [0.0, 1.0, 2.0]))
    reads = {read.read.response: read for read in objective.staged.direct}
    assert {read.axis.name for read in reads.values()} == {"pairs"}
    direct = {reads["win"].key: win, reads["lose"].key: lose}
    loss, _ = objective.loss(objective.batch(batch.layout, batch.inputs), {}, direct)
    loss.backward()
    margins = np.array([0.5, -2.0, 0.0])
    assert loss.item() == pytest.approx(np.log1p(np.exp(-margins)).mean(), abs=1e-6)
    wanted = torch.tensor(-1 / (1 + np.exp(margins)) / 3)
    assert win.grad is not None and lose.grad is not None
    assert close([win.grad, lose.grad], [wanted, -wanted])


@pytest.mark.parametrize(("name", "rows"), [("preferred", 6), ("scored", 9), ("scored", 1)])
def test_scores_are_cut_with_the_answers_that_they_are_of(name: str, rows: int) -> None:
    """Runs count the tokens that the scorer looks at, and hold the scores of whole answers."""
    batch, objective = ragged(name), compiled(name)
    layout = batch.layout
    values = {read.key: torch.randn(layout.size(read.axis.name), requires_grad=True) for read in objective.staged.direct}
    loss, _ = objective.loss(objective.batch(layout, batch.inputs), {}, values)
    loss.backward()
    whole = [value.grad for value in values.values() if value.grad is not None]
    for value in values.values():
        value.grad = None
    update = objective.batch(layout, batch.inputs)
    runs = objective.pieces(update, rows=rows)
    assert runs.passes == 1 and len(runs) > 1
    for run in runs:
        tokens = sum(part.stop - part.start for part in run.tokens.values())
        assert tokens <= rows or len(run) == 1
        direct = {read.key: values[read.key][run.of(read)] for read in objective.staged.direct}
        objective.piece(update, run, {}, direct).backward()
    assert objective.finish(update)["loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert close([value.grad for value in values.values() if value.grad is not None], whole)
    assert len(whole) == 2


def test_runs_of_a_trainer_give_weights_their_gradient_once() -> None:
    """`finish` adds to `.grad` what the runs have summed."""
    batch = ragged("token", bias=True)
    weight = batch.rows[KEY].weight
    assert weight is not None
    in_runs(compiled("token"), batch, 5)
    assert weight.grad is not None
    once = weight.grad.clone()
    objective = compiled("token")
    update = objective.batch(batch.layout, batch.inputs)
    for run in objective.pieces(update, rows=5):
        objective.piece(update, run, batch.rows[KEY][run.tokens["y"]]).backward()
    objective.finish(update)
    assert close([weight.grad], [2 * once])


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_scores_are_those_of_float64(chunk_bytes: int) -> None:
    """Every kind, by chunks."""
    rows = ragged("exact", repeat=20).rows[KEY]
    kinds = [ReadKind.KL, ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.LOGZ, ReadKind.JS, ReadKind.TV, ReadKind.ALPHA]
    found = score_rows(kinds, rows, temperature=0.7, weight=0.2, alpha=0.25, chunk_bytes=chunk_bytes)
    assert list(found) == kinds and rows.hidden is not None and rows.weight is not None
    other, weight = rows.others["ref"][:2]
    with torch.no_grad():
        logits, others = ((state.double() @ weight.double().t()) for state in (rows.hidden, other))
        named = [("kl", 0, None), ("logp", None, None), ("entropy", None, None), ("logz", None, None), ("js", 0, 0.2),
                 ("tv", 0, None), ("reverse_alpha", 0, 0.25)]
        wanted = dense_reads(logits, [others], rows.targets, 0.7, named)
    # A logit is a float32 sum of 16 products of size 1: 4e-7; reads move as their logits do.
    assert all(np.abs(found[kind] - exact.numpy()).max() <= 2e-6 for kind, exact in zip(kinds, wanted, strict=True))


def test_an_alpha_divergence_is_not_scored_without_its_alpha() -> None:
    """Nor at 0 or 1, where it is a KL."""
    rows = ragged("exact").rows[KEY]
    for alpha in (None, 0.0, 1.0):
        with pytest.raises(ValueError, match="needs `alpha`"):
            score_rows([ReadKind.ALPHA], rows, alpha=alpha)


@pytest.mark.wide(3)
@pytest.mark.parametrize("name", ["token", "batch", "pairs", "exact", "generalised", "heavy", "value", "preferred", "scored",
                                  "elsewhere"])
def test_certificates_say_what_was_compared(name: str) -> None:
    """All agree, and the report can be kept."""
    report = certify(compiled(name), seed=1)
    assert report.passed, str(report)
    kept = json.loads(json.dumps(report.to_json()))
    assert kept["passed"] and len(kept["comparisons"]) == len(report.comparisons) >= 6
    assert "agrees with the reference" in str(report)


def test_rows_at_two_temperatures_are_two_files() -> None:
    """Which one name for both would have made one; the sweep imports each."""
    files = dict(kernel_files(program("generalised").spec))
    rows = [name for name in files if "_rows_" in name]
    assert rows == ["main_rows_actor_y_numba.py", "main_rows_actor_y__2_numba.py"]
    assert all(f"from {name.removesuffix('.py')} import" in files["main_sweep_numba.py"] for name in rows)


def test_a_certificate_is_refused_where_numbers_differ() -> None:
    """Here because one objective is held against the meaning of another."""
    wrong = compiled("token")
    other = program("token").objective().meaning
    assert other is not None
    term = other.objective.terms[0]
    terms = replace(term, maximize=False), *other.objective.terms[1:]
    changed = replace(other, objective=replace(other.objective, terms=terms))
    kept, wrong.meaning = wrong.meaning, changed
    try:
        report = certify(wrong, cases=1)
    finally:
        wrong.meaning = kept
    assert not report.passed and "DOES NOT AGREE" in str(report)


def test_random_inputs_stay_where_their_types_say_without_signal_too() -> None:
    """A parameter in (0, 10] is never 0, by which the objective would divide; one that may be 0 is, where there is no signal."""
    program = rldsl.compile("""
        param beta: Real in (0, 10] = 0.5
        param shift: Real in [-1, 1] = 0.5
        policy actor from hf("nowhere")
        data problems from jsonl("p.jsonl") { question: Text }
        rollout y ~ actor(problems.question) { samples: 2, max_tokens: 4 }
        objective divided for actor { maximize term: mean(entropy(actor, y)) / beta + shift }
    """)
    staged = program.objective().staged
    layout = random_layout(staged, np.random.default_rng(0), 3)
    drawn = [random_inputs(staged, layout, np.random.default_rng(seed), scale=0.0) for seed in range(40)]
    assert all(0.0 < float(inputs["beta"][0]) <= 10.0 for inputs in drawn)
    assert all(float(inputs["shift"][0]) == 0.0 for inputs in drawn)


def test_the_same_infinity_is_no_difference_and_any_other_number_is() -> None:
    """A loss such as an odds ratio is infinite where a probability rounds to 1; so is the reference."""
    infinite = np.array([np.inf, 1.0])
    assert _distance(infinite, np.array([np.inf, 1.5])) == 0.5
    assert _distance(infinite, np.array([2.0, 1.0])) == np.inf
    assert _distance(infinite, np.array([-np.inf, 1.0])) == np.inf
    assert np.isnan(_distance(np.array([np.nan]), np.array([1.0])))


def test_a_certificate_takes_the_same_fault_on_both_sides_for_agreement_and_one_on_one_side_for_none() -> None:
    """A mean over the tokens of answers that are all empty is 0 / 0: the meaning has no number either."""
    nothing = np.array([np.nan, np.inf, 1.0])
    assert _distance(nothing, nothing.copy()) == 0.0
    assert np.isnan(_distance(np.array([np.nan]), np.array([0.0])))
    assert np.isnan(_distance(np.array([0.0]), np.array([np.nan])))


def test_a_certificate_moves_reads_within_what_they_can_be() -> None:
    """An entropy of 0 moved below 0 would have no root, and a tolerance that is no number."""
    assert (_disturbed(ReadKind.ENTROPY, np.zeros(4)) >= 0).all()
    assert (_disturbed(ReadKind.KL, np.zeros(4)) >= 0).all()
    assert (_disturbed(ReadKind.LOGP, np.zeros(4)) <= 0).all()
    moved = _disturbed(ReadKind.LOGP, np.full(4, -1.0))
    assert (moved != -1.0).all() and abs(moved.mean() + 1.0) < 1e-12
