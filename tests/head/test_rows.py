"""Row kernels against float64 torch: every read, its gradient, temperatures, vocabularies, extreme rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rldsl.emit.load import load_module
from rldsl.emit.to_head import RowRead, RowShape, emit_rows
from rldsl.kernels.dense import dense_reads

SHAPES = {
    "logp": RowShape((RowRead("logp", None, True), RowRead("logz", None, True), RowRead("entropy"))),
    "entropy": RowShape((RowRead("logp", None, True), RowRead("entropy", None, True), RowRead("logz", None, True))),
    "two others": RowShape((RowRead("logp", None, True), RowRead("entropy", None, True), RowRead("kl", 0, True),
                            RowRead("reverse_kl", 0, True), RowRead("js", 1, True, 0.5), RowRead("tv", 1, True)), 2),
    "mixtures": RowShape((RowRead("js", 0, True, 0.1), RowRead("js", 0, True, 0.7, 1), RowRead("js", 0, False, 0.999, 2),
                          RowRead("tv", 0, True)), 1),
    "powers": RowShape((RowRead("entropy", None, True), RowRead("alpha", 0, True, 0.5), RowRead("reverse_alpha", 0, True, 0.3),
                        RowRead("alpha", 0, True, 0.001, 1), RowRead("alpha", 0, False, -1.0, 2)), 1),
}
# A statistic is a sum of float32 terms, each to 2e-7, over blocks that meet in float64: 4e-7 of its own size, or of 1;
# a divergence has two such sums in it, and that of two powers has its factor 1 / (c (1 - c)), which is 4 where terms are large.
READ_TOLERANCE = 4e-7
BEYOND = 1e37  # what float32 does not hold is infinite
# A gradient is a product of four such factors: 16 roundings of the largest derivative of its row.
GRADIENT_TOLERANCE = 16 * 2.0**-24


@dataclass
class Case:
    """Logits of the policy and of the others, targets, and derivatives by each read."""

    logits: np.ndarray
    others: list[np.ndarray]
    targets: np.ndarray
    slopes: list[np.ndarray]


def make_case(shape: RowShape, vocabulary: int, kind: str) -> Case:
    """Ten rows; the last has no derivatives."""
    rng = np.random.default_rng((vocabulary, len(kind)))
    count = 10
    logits = rng.standard_normal((count, vocabulary)) * 3
    targets = rng.integers(0, vocabulary, count)
    offset = {"far above zero": 1e4, "far below zero": -1e4}.get(kind, 0.0)
    logits = logits * (1e4 / 10 if kind == "large" else 1.0) + offset
    others = [logits + rng.standard_normal((count, vocabulary)) for _ in range(shape.others)]
    if kind == "masked":
        masked = (np.arange(vocabulary) % 3 == 0) & (np.arange(vocabulary) != targets[:, None])
        for rows in (logits, *others):
            rows[masked] = -np.inf
    if kind == "certain":
        logits[np.arange(count), targets] += 25.0
    slopes = [rng.standard_normal(count) for read in shape.reads if read.gradient]
    for slope in slopes:
        slope[-1] = 0.0
    return Case(logits.astype(np.float32), [rows.astype(np.float32) for rows in others], targets, slopes)


def run_kernel(shape: RowShape, case: Case, temperature: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Reads and gradient."""
    module = load_module(emit_rows(shape), "rows")
    count, vocabulary = case.logits.shape
    x, places = case.logits.copy(), np.arange(count)
    highs = np.empty((count, -(-vocabulary // 2048)), np.float32)
    found = [np.empty(count) for _ in shape.reads]
    others = [part for rows in case.others for part in (rows, places)]
    arguments = (0, x, highs, np.empty((count, shape.width)), case.targets, places, 1 / temperature, *shape.parameters,
                 *others, *found)
    module.read(0, count, *arguments)
    module.write(0, count, *arguments, *case.slopes)
    return found, x


def run_oracle(shape: RowShape, case: Case, temperature: float) -> tuple[list[np.ndarray], np.ndarray]:
    """The same in float64."""
    logits = torch.tensor(case.logits, dtype=torch.float64, requires_grad=True)
    others = [torch.tensor(rows, dtype=torch.float64) for rows in case.others]
    found = dense_reads(logits, others, torch.tensor(case.targets), temperature,
                        [(read.kind, read.other, read.parameter) for read in shape.reads])
    live = [value for value, read in zip(found, shape.reads, strict=True) if read.gradient]
    total = sum((value * torch.tensor(slope)).sum() for value, slope in zip(live, case.slopes, strict=True))
    assert isinstance(total, torch.Tensor)
    total.backward()
    assert logits.grad is not None
    return [value.detach().numpy() for value in found], logits.grad.numpy()


def agrees(shape: RowShape, vocabulary: int, kind: str, temperature: float) -> None:
    """Assert that reads and gradients agree."""
    case = make_case(shape, vocabulary, kind)
    reads, gradient = run_kernel(shape, case, temperature)
    exact_reads, exact_gradient = run_oracle(shape, case, temperature)
    for read, found, wanted in zip(shape.reads, reads, exact_reads, strict=True):
        held = wanted <= BEYOND
        assert (found[~held] > BEYOND).all(), read.name
        error = np.abs(found - wanted)[held] / np.maximum(1.0, np.abs(wanted[held]))
        sums = 1 if read.other is None else 4 if "alpha" in read.kind else 2
        assert error.max(initial=0.0) <= READ_TOLERANCE * sums, (read.name, error.max())
    # The derivative of a divergence D by a logit is p (log p/q - D): D itself is rounded, however small the rest.
    largest = np.max([np.abs(slope) * (1.0 if read.other is None else np.maximum(1.0, np.abs(wanted)))
                      for read, slope, wanted in _live(shape, case, exact_reads)])
    error = np.abs(gradient - exact_gradient)[~_undecided(shape, case, temperature)].max(initial=0.0)
    assert error <= GRADIENT_TOLERANCE * largest / temperature, error / largest
    assert not gradient[-1].any()


def _undecided(shape: RowShape, case: Case, temperature: float) -> np.ndarray:
    """Where total variation asks which of two probabilities is larger, and float32 cannot tell."""
    found = np.zeros(case.logits.shape, np.bool_)
    for read in shape.reads:
        if read.kind == "tv" and read.other is not None:
            ours, theirs = (torch.log_softmax(torch.tensor(rows, dtype=torch.float64) / temperature, -1).numpy()
                            for rows in (case.logits, case.others[read.other]))
            with np.errstate(invalid="ignore"):
                found |= np.abs(ours - theirs) <= 4e-6 * np.maximum(1.0, np.abs(ours))
    return found


def _live(shape: RowShape, case: Case, reads: list[np.ndarray]) -> list[tuple[RowRead, np.ndarray, np.ndarray]]:
    live = [(read, value) for read, value in zip(shape.reads, reads, strict=True) if read.gradient]
    return [(read, slope, value) for (read, value), slope in zip(live, case.slopes, strict=True)]


@pytest.mark.parametrize("kind", ["ordinary", "large", "far above zero", "far below zero", "masked", "certain"])
@pytest.mark.parametrize("name", SHAPES)
def test_rows_agree_with_float64(name: str, kind: str) -> None:
    """Every read and gradient, on ordinary and extreme rows."""
    agrees(SHAPES[name], 1000, kind, 0.7)


@pytest.mark.parametrize("vocabulary", [1, 7, 2048, 2049, 32001])
@pytest.mark.parametrize("name", SHAPES)
def test_any_size_of_the_vocabulary_will_do(name: str, vocabulary: int) -> None:
    """One token, less than a vector, whole blocks, blocks with a rest."""
    agrees(SHAPES[name], vocabulary, "ordinary", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.1, 0.6, 1.0, 1.7, 10.0])
@pytest.mark.parametrize("kind", ["ordinary", "large", "masked", "certain"])
@pytest.mark.parametrize("vocabulary", [7, 1000, 50257])
@pytest.mark.parametrize("name", SHAPES)
def test_rows_agree_everywhere(name: str, vocabulary: int, kind: str, temperature: float) -> None:
    """The wide sweep."""
    agrees(SHAPES[name], vocabulary, kind, temperature)


def test_equal_policies_have_no_divergence_at_all() -> None:
    """Exactly 0, and no gradient, when both rows are the same numbers."""
    shape = SHAPES["two others"]
    case = make_case(shape, 5000, "ordinary")
    case.others = [case.logits.copy(), case.logits.copy()]
    case.slopes[0][:] = 0.0
    case.slopes[1][:] = 0.0
    reads, gradient = run_kernel(shape, case, 1.0)
    for value in reads[2:]:
        assert np.abs(value).max() <= 1e-7
    assert np.abs(gradient).max() <= 1e-7


def test_a_certain_token_keeps_a_gradient_that_sums_to_zero() -> None:
    """p near 1: the chosen token's own gradient is formed from 1 - p, not as a difference of nearly equal numbers."""
    shape = RowShape((RowRead("logp", None, True),))
    case = make_case(shape, 1000, "certain")
    case.slopes = case.slopes[:1]
    _, gradient = run_kernel(shape, case, 1.0)
    chosen = gradient[np.arange(10), case.targets].astype(np.float64)
    rest = gradient.astype(np.float64).sum(1) - chosen
    # Both parts are about 1e-8 here; a difference of float32 numbers near 1 would be wrong by 6e-8.
    assert np.all(np.abs(chosen + rest) <= 1e-6 * np.abs(chosen))


def test_a_nan_logit_is_not_hidden() -> None:
    """A broken model shows as NaN in what is read of its row, and of no other."""
    shape = SHAPES["logp"]
    case = make_case(shape, 5000, "ordinary")
    case.logits[3, 4000] = np.nan
    reads, _ = run_kernel(shape, case, 1.0)
    for value in reads:
        assert np.isnan(value[3]) and np.isfinite(np.delete(value, 3)).all()


def test_a_row_that_is_masked_everywhere_and_has_no_derivative_gives_zeros() -> None:
    """There is no distribution to read, and nothing to write."""
    shape = SHAPES["entropy"]
    case = make_case(shape, 300, "ordinary")
    case.logits[-1] = -np.inf
    _, gradient = run_kernel(shape, case, 1.0)
    assert np.isfinite(gradient).all() and not gradient[-1].any()
