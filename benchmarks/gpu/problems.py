"""Update batches of given sizes, the same for ours and for peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.place import Place
from benchmarks.gpu.specs import staged
from rldsl.kernels.layout import Layout

PART = 512        # rows whose targets are drawn at a time
SPREAD = 2.5      # standard deviation of logits
GROUP = 4         # samples of a prompt


@dataclass(frozen=True, slots=True)
class Problem:
    """Samples of `length` tokens, packed: targets drawn from the policy, and log-probabilities of those that sampled and of the
    reference, beside the policy's own. Ratios keep away from the ends of the clip, where rounding would decide."""

    targets: Tensor
    length: int
    advantage: Tensor
    old: Tensor
    ref: Tensor

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.targets) // self.length

    def by_sample(self, values: Tensor) -> Tensor:
        """[samples, length]."""
        return values.view(self.samples, self.length)

    def layout(self, name: str) -> Layout:
        """Of the objective of that name; half of the samples are preferred over the other half in pairs."""
        half = [self.length] * (self.samples // 2)
        group = min(GROUP, self.samples)
        counts = {"problems": [self.samples // group], "y.sample": [group] * (self.samples // group),
                  "y.token": [self.length] * self.samples, "pairs": [self.samples // 2], "win.token": half, "lose.token": half}
        parents = {axis.name: axis.parent.name for axis in staged(name).axes if axis.parent is not None}
        return Layout.of(parents, {axis: counts[axis] for axis in parents})

    def inputs(self, name: str) -> dict[str, Tensor]:
        """On the host, as the objective names them."""
        half = len(self.ref) // 2
        given = {"advantage": self.advantage, "y_logp": self.old, "ref_logp_y": self.ref, "ref_logp_win": self.ref[:half],
                 "ref_logp_lose": self.ref[half:]}
        return {entry.name: given[entry.name].cpu().double() for entry in staged(name).inputs}


def make_problem(place: Place, tokens: int, length: int, rows: Callable[[slice], Tensor], *, per_sample: bool = False,
                 without_reference: bool = False) -> Problem:
    """`rows` gives some rows of logits. `per_sample`: a ratio is of a whole sample, and none is clipped. `without_reference`:
    its log-probabilities are 0, as a peer without one takes them."""
    targets, logp = _drawn(place, tokens, rows)
    random = torch.Generator().manual_seed(1)
    samples = tokens // length
    near = (torch.rand(samples if per_sample else tokens, generator=random) * 2 - 1) * 0.15
    if per_sample:
        near = near.repeat_interleave(length)
    else:
        far = torch.rand(tokens, generator=random) < 0.2
        near = torch.where(far, 0.4 * torch.sign(near), near)
    advantage = torch.randn(samples, generator=random)
    ref = torch.zeros(tokens) if without_reference else logp.cpu() + 0.1 * torch.randn(tokens, generator=random)
    return Problem(targets, length, advantage.to(place.device), logp - near.to(place.device), ref.to(place.device))


def _drawn(place: Place, tokens: int, rows: Callable[[slice], Tensor]) -> tuple[Tensor, Tensor]:
    """Targets from the distributions of the rows, and their log-probabilities."""
    random = torch.Generator(place.device).manual_seed(2)
    targets = torch.empty(tokens, dtype=torch.int64, device=place.device)
    logp = torch.empty(tokens, dtype=torch.float32, device=place.device)
    for start in range(0, tokens, PART):
        part = slice(start, min(start + PART, tokens))
        log_p = torch.log_softmax(rows(part).float(), -1)
        targets[part] = torch.multinomial(log_p.exp(), 1, generator=random)[:, 0]
        logp[part] = log_p.gather(1, targets[part, None])[:, 0]
    return targets, logp
