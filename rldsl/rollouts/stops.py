"""Whether the newest token of an answer completes one of its stop texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.tokenizers import Codec

StopCheck = Callable[[Tensor], Tensor]


def stop_check(codec: Codec, stops: Sequence[str]) -> StopCheck | None:
    """From the tokens [B, t] of answers so far to the rows [B] that stop now; None where nothing is to be watched."""
    if not stops:
        return None
    if codec.places is not None:
        patterns = [torch.from_numpy(ids.astype(np.int64)) for ids in codec.encode(stops, start=False)]
        return lambda ids: _ends_with(ids, patterns)
    window = 1 + max(len(stop.encode()) for stop in stops)  # a token is at least a byte
    return lambda ids: _says(codec, ids[:, -window:], stops)


def _ends_with(ids: Tensor, patterns: Sequence[Tensor]) -> Tensor:
    found = torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)
    for pattern in patterns:
        if pattern.numel() <= ids.shape[1]:
            found |= (ids[:, -pattern.numel():] == moved_to(pattern, ids.device)).all(1)
    return found


def _says(codec: Codec, ids: Tensor, stops: Sequence[str]) -> Tensor:
    """Rows whose text has a stop text that it had not without the newest token."""
    window = ids.cpu().numpy()
    found = np.zeros(len(window), dtype=np.bool_)
    for row in np.flatnonzero(_has_any(codec, window, stops)):
        found[row] = not _has_any(codec, window[row:row + 1, :-1], stops)[0]
    return moved_to(torch.from_numpy(found), ids.device)


def _has_any(codec: Codec, rows: np.ndarray[tuple[int, int], np.dtype[np.int64]],
             stops: Sequence[str]) -> list[bool]:
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    return [any(stop in text for stop in stops) for text in codec.decode(rows.reshape(-1), offsets)]
