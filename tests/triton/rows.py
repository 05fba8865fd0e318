"""Rows of logits, run through emitted Triton kernels and through float64 torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import ModuleType

import torch
from torch import Tensor

from rldsl.emit.to_head import RowShape
from rldsl.emit.triton.fuse import Fused
from rldsl.emit.triton.load import interprets, load_triton
from rldsl.emit.triton.rows import emit_rows_module
from rldsl.kernels.dense import dense_reads

TILE = (512, 2, 1)
FIRST = 3  # token of the first row, of an update batch with more on both sides

# A read is a sum of float32 terms, each to 2e-7, over lanes that meet in float64: 4e-7 of its own size, or of 1. A
# divergence has two such sums in it, that of two powers a factor 1 / (c (1 - c)), which is 4 where its terms are large.
# A GPU's own exponential errs by 2^-22, four times what the interpreter's does.
READ_TOLERANCE = 4e-7 if interprets() else 8e-7
# A gradient is a product of four such factors: 16 roundings of the largest derivative of its row, and one to its own dtype.
GRADIENT_TOLERANCE = (16 if interprets() else 32) * 2.0**-24
# A GPU rounds to the nearest bfloat16; the interpreter cuts digits off, which errs twice as far.
ROUNDING = {torch.float32: 0.0, torch.bfloat16: 2.0**-7 if interprets() else 2.0**-8, torch.float16: 2.0**-11}
SMALLEST = {torch.float32: 0.0, torch.bfloat16: 0.0, torch.float16: 2.0**-25}
BEYOND = 1e37  # what float32 does not hold is infinite


@dataclass
class Case:
    """Rows, and derivatives by each read with a gradient; `cap` 0 is none."""

    logits: Tensor
    others: list[Tensor]
    targets: Tensor
    slopes: list[Tensor]
    temperature: float = 1.0
    cap: float = 0.0
    places: Tensor | None = None
    other_places: list[Tensor | None] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Of tokens."""
        return len(self.targets)


@dataclass
class Found:
    """What kernels left behind."""

    reads: list[Tensor]
    gradient: Tensor
    statistics: Tensor
    slopes: list[Tensor]


def device() -> str:
    """Where the kernels run."""
    return "cpu" if interprets() else "cuda"


def make_case(shape: RowShape, vocabulary: int, dtype: torch.dtype = torch.float32, count: int = 5, kind: str = "plain",
              temperature: float = 1.3) -> Case:
    """Rows of one kind; the last token has no derivatives."""
    random = torch.Generator().manual_seed(vocabulary * 31 + len(kind))
    logits = torch.randn(count, vocabulary, generator=random, dtype=torch.float64) * (1e4 / 10 if kind == "large" else 3.0)
    logits += {"far above zero": 1e4, "far below zero": -1e4}.get(kind, 0.0)
    targets = torch.randint(0, vocabulary, (count,), generator=random)
    others = [logits + torch.randn(count, vocabulary, generator=random, dtype=torch.float64) for _ in range(shape.others)]
    if kind == "masked":
        masked = (torch.arange(vocabulary) % 3 == 0) & (torch.arange(vocabulary) != targets[:, None])
        for rows in (logits, *others):
            rows[masked] = -torch.inf
    if kind == "certain":
        logits[torch.arange(count), targets] += 25.0
    slopes = [torch.randn(count, generator=random, dtype=torch.float64) for read in shape.reads if read.gradient]
    for slope in slopes:
        slope[-1:] = 0.0
    return Case(logits.to(dtype), [rows.to(dtype) for rows in others], targets, slopes, temperature)


def module_of(shape: RowShape, fused: Fused | None = None) -> ModuleType:
    """The imported module of one group."""
    return load_triton(emit_rows_module([shape], [fused]), "rows")


def poisoned(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A tensor of NaN."""
    return torch.full(size, torch.nan, dtype=dtype, device=device())


def settings(shape: RowShape, case: Case) -> Tensor:
    """As the kernels take them."""
    return torch.tensor([1 / case.temperature, case.cap, *shape.parameters], dtype=torch.float64, device=device())


def beside(case: Case) -> tuple[tuple[Tensor, Tensor | None], ...]:
    """The other policies as launch functions take them."""
    places = case.other_places or [None] * len(case.others)
    return tuple((rows.to(device()), None if at is None else at.to(device())) for rows, at in zip(case.others, places, strict=True))


def over_batch(values: Tensor) -> Tensor:
    """Of the tokens of the case, within the update batch."""
    whole = poisoned(FIRST + len(values) + 2)
    whole[FIRST : FIRST + len(values)] = values.to(device())
    return whole


def run(shape: RowShape, case: Case, tile: tuple[int, int, int] = TILE, out: torch.dtype | None = None) -> Found:
    """Read and write: in place, or with `out` into a buffer of that dtype."""
    module, capped = module_of(shape), case.cap != 0.0
    x, targets = case.logits.to(device()).clone(), case.targets.to(device())
    places = None if case.places is None else case.places.to(device())
    reads, slopes = [over_batch(poisoned(case.count)) for _ in shape.reads], [over_batch(slope) for slope in case.slopes]
    statistics = poisoned(case.count, shape.width)
    module.read0(x, beside(case), targets, places, FIRST, reads, statistics, settings(shape, case), tile, capped=capped)
    gradient = x if out is None else poisoned(case.count, x.shape[1], dtype=out)
    if shape.has_gradient:
        module.write0(x, gradient, beside(case), targets, places, FIRST, reads, slopes, statistics, settings(shape, case), tile,
                      capped=capped)
    return Found([trimmed(read) for read in reads], gradient.cpu(), statistics.cpu(), slopes)


def trimmed(values: Tensor) -> Tensor:
    """The tokens of the case; that no other place was written is asserted."""
    assert values[:FIRST].isnan().all() and values[-2:].isnan().all()
    return values[FIRST:-2].cpu()


def capped(rows: Tensor, cap: float) -> Tensor:
    """Soft-capped logits."""
    return rows if cap == 0.0 else torch.where(rows == -torch.inf, -cap, cap * torch.tanh(rows / cap))


def exact(shape: RowShape, case: Case) -> tuple[list[Tensor], Tensor]:
    """Reads, and the gradient by all rows of `logits`, in float64."""
    logits = case.logits.double().requires_grad_()
    rows = capped(logits if case.places is None else logits[case.places], case.cap)
    places = case.other_places or [None] * len(case.others)
    others = [capped(other.double() if at is None else other.double()[at], case.cap)
              for other, at in zip(case.others, places, strict=True)]
    kinds = [(read.kind, read.other, read.parameter) for read in shape.reads]
    found = dense_reads(rows, others, case.targets, case.temperature, kinds)
    live = [value for value, read in zip(found, shape.reads, strict=True) if read.gradient]
    if live:
        torch.stack([(value * slope).sum() for value, slope in zip(live, case.slopes, strict=True)]).sum().backward()
    return [value.detach() for value in found], torch.zeros_like(logits) if logits.grad is None else logits.grad


def assert_reads_agree(shape: RowShape, found: list[Tensor], wanted: list[Tensor]) -> None:
    """To `READ_TOLERANCE`."""
    for read, ours, theirs in zip(shape.reads, found, wanted, strict=True):
        held = theirs <= BEYOND
        assert bool((ours[~held] > BEYOND).all()), read.name
        error = ((ours - theirs)[held].abs() / theirs[held].abs().clamp(min=1.0)).max() if held.any() else torch.zeros(())
        sums = 1 if read.other is None else 4 if "alpha" in read.kind else 2
        assert float(error) <= READ_TOLERANCE * sums, (read.name, float(error))


def assert_gradients_agree(shape: RowShape, case: Case, found: Tensor, reads: list[Tensor], wanted: Tensor) -> None:
    """To `GRADIENT_TOLERANCE` of the largest derivative, and one rounding to the dtype of `found`."""
    live = [pair for pair in zip(shape.reads, reads, strict=True) if pair[0].gradient]
    # The derivative of a divergence D by a logit is p (log p/q - D): D itself is rounded, however small the rest.
    largest = max(float((slope.abs() * (1.0 if read.other is None else value.abs().clamp(min=1.0))).max())
                  for (read, value), slope in zip(live, case.slopes, strict=True))
    allowed = GRADIENT_TOLERANCE * largest / case.temperature + SMALLEST[found.dtype] + ROUNDING[found.dtype] * wanted.abs()
    error = (found.double() - wanted).abs()
    decided = ~undecided(shape, case)
    assert bool((error <= allowed)[decided].all()), float((error - allowed)[decided].max())


def undecided(shape: RowShape, case: Case) -> Tensor:
    """Where total variation asks which of two probabilities is larger, and float32 cannot tell."""
    found = torch.zeros(case.logits.shape, dtype=torch.bool)
    for read in shape.reads:
        if read.kind == "tv" and read.other is not None:
            ours, theirs = (torch.log_softmax(capped(rows.double(), case.cap) / case.temperature, -1)
                            for rows in (case.logits, case.others[read.other]))
            found |= (ours - theirs).abs() <= 4e-6 * ours.abs().clamp(min=1.0)
    return found


def assert_agrees(shape: RowShape, case: Case, tile: tuple[int, int, int] = TILE, out: torch.dtype | None = None) -> Found:
    """Reads and gradients are those of float64 torch, and every number was written."""
    found, (reads, gradient) = run(shape, case, tile, out), exact(shape, case)
    assert_reads_agree(shape, found.reads, reads)
    assert_gradients_agree(shape, case, found.gradient, reads, gradient)
    assert not found.statistics.isnan().any()
    return found


def without_gradient(shape: RowShape) -> RowShape:
    """The same reads, of a row that is never written."""
    return RowShape(tuple(replace(read, gradient=False) for read in shape.reads), shape.others)
