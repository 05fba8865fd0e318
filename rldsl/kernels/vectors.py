"""Vectors on packed axes: [places, H], or rows of such to be taken; what the language does with them.

A copy of a coarse vector at every place of a finer axis is not made: `Taken` says which row stands where. A product of two of
them is a product of matrices where that is less work than a product for each place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rldsl.kernels.reference import segment_starts


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """`rows[places]`: a vector for each place."""

    rows: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.places)

    @property
    def whole(self) -> Tensor:
        """All vectors."""
        return self.rows[self.places]

    def detached(self) -> Taken:
        """Without a gradient."""
        return Taken(self.rows.detach(), self.places)


Vectors = Tensor | Taken


def taken(vectors: Vectors, places: Tensor) -> Taken:
    """The vectors at some places."""
    return Taken(vectors, places) if isinstance(vectors, Tensor) else Taken(vectors.rows, vectors.places[places])


def whole(vectors: Vectors) -> Tensor:
    """[places, H]."""
    return vectors if isinstance(vectors, Tensor) else vectors.whole


def products(x: Vectors, y: Vectors, *, is_cosine: bool) -> Tensor:
    """The dot product, or the cosine, at each place; absent where a vector is. Of a vector of length 0 the cosine is 0."""
    if not (isinstance(x, Taken) and isinstance(y, Taken)) or len(x.rows) * len(y.rows) > 2 * len(x.places):
        (first, one), (second, other) = _present(whole(x), is_cosine), _present(whole(y), is_cosine)
        return torch.where(one & other, (first * second).sum(-1), torch.nan)
    (rows, one), (columns, other) = _present(x.rows, is_cosine), _present(y.rows, is_cosine)
    return torch.where(one[x.places] & other[y.places], (rows @ columns.t())[x.places, y.places], torch.nan)


def _present(x: Tensor, is_cosine: bool) -> tuple[Tensor, Tensor]:
    """The vectors with 0 for those that are absent, so that nothing flows back from there; and which are there."""
    there = ~torch.isnan(x.detach()).any(-1)
    known = torch.where(there[:, None], x, 0.0)
    return (unit(known) if is_cosine else known), there


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 in their direction; of length 0 as they are, with a gradient of 0."""
    squared = (x * x).sum(-1, keepdim=True)
    return torch.where(squared > 0, x * torch.where(squared > 0, squared, 1.0).rsqrt(), 0.0)


def summed(x: Tensor, owners: Tensor, count: int, keep: Tensor | None) -> Tensor:
    """The sum of the vectors of each segment that are kept; of nothing 0."""
    return x.new_zeros((count, x.shape[1])).index_add(0, owners, x if keep is None else torch.where(keep[:, None], x, 0.0))


def averaged(x: Tensor, owners: Tensor, count: int, keep: Tensor | None) -> Tensor:
    """Their mean; of nothing absent."""
    ones = torch.ones(len(x), dtype=x.dtype) if keep is None else keep.to(x.dtype)
    number = x.new_zeros(count).index_add(0, owners, ones)[:, None]
    return torch.where(number > 0, summed(x, owners, count, keep) / number.clamp(min=1), torch.nan)


def end_of(x: Tensor, owners: Tensor, count: int, keep: Tensor | None, *, is_last: bool) -> Tensor:
    """The first or the last of them; of nothing absent."""
    places = torch.arange(len(x)) if keep is None else torch.nonzero(keep).squeeze(-1)
    starts = segment_starts(owners[places], count)
    numbers = torch.bincount(owners[places], minlength=count)
    found = torch.where(numbers > 0, starts + (numbers - 1 if is_last else 0), 0)
    rows = x[places[found]] if len(places) else x.new_zeros((count, x.shape[1]))
    return torch.where((numbers > 0)[:, None], rows, torch.nan)
