"""Vectors on packed axes: [places, H], or rows of such to be taken; what the language does with them.

A copy of a coarse vector at every place of a finer axis is not made: `Taken` says which row stands where. A product of two of
them is a product of matrices where that is less work than a product for each place. No device makes the host wait here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rldsl.kernels.reference import first_place, last_place


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
        return (first * second).sum(-1).masked_fill(~(one & other), torch.nan)
    (rows, one), (columns, other) = _present(x.rows, is_cosine), _present(y.rows, is_cosine)
    return (rows @ columns.t())[x.places, y.places].masked_fill(~(one[x.places] & other[y.places]), torch.nan)


def _present(x: Tensor, is_cosine: bool) -> tuple[Tensor, Tensor]:
    """The vectors with 0 for those that are absent, so that nothing flows back from there; and which are there."""
    there = ~torch.isnan(x.detach()).any(-1)
    known = x.masked_fill(~there[:, None], 0.0)
    return (unit(known) if is_cosine else known), there


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 in their direction; of length 0 as they are, with a gradient of 0."""
    squared = (x * x).sum(-1, keepdim=True)
    short = ~(squared > 0)
    return (x * squared.masked_fill(short, 1.0).rsqrt()).masked_fill(short, 0.0)


def summed(x: Tensor, owners: Tensor, count: int, keep: Tensor | None) -> Tensor:
    """The sum of the vectors of each segment that are kept; of nothing 0."""
    return x.new_zeros((count, x.shape[1])).index_add(0, owners, x if keep is None else x.masked_fill(~keep[:, None], 0.0))


def averaged(x: Tensor, owners: Tensor, count: int, keep: Tensor | None) -> Tensor:
    """Their mean; of nothing absent."""
    ones = torch.ones(len(x), dtype=x.dtype, device=x.device) if keep is None else keep.to(x.dtype)
    number = x.new_zeros(count).index_add(0, owners, ones)[:, None]
    return (summed(x, owners, count, keep) / number.clamp(min=1)).masked_fill(~(number > 0), torch.nan)


def end_of(x: Tensor, owners: Tensor, count: int, keep: Tensor | None, *, is_last: bool) -> Tensor:
    """The first or the last of them; of nothing absent."""
    chosen = torch.ones(len(x), dtype=torch.bool, device=x.device) if keep is None else keep
    places = (last_place if is_last else first_place)(chosen, owners, count)
    rows = x[places.clamp(min=0)] if len(x) else x.new_zeros((count, x.shape[1]))
    return rows.masked_fill((places < 0)[:, None], torch.nan)
