"""The ceilings of this very device: a large copy, a large product, and products of the shapes that chunks have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.gpu.clock import Call
from benchmarks.gpu.contest import nothing
from benchmarks.gpu.figures import Found
from benchmarks.gpu.place import Place
from benchmarks.gpu.situation import Situation
from rldsl.kernels.device.products import add_product

COPIED = 4 << 30  # bytes


def limits(situation: Situation) -> Iterator[Found]:
    """Copy bandwidth, product rate, and a table of products."""
    place = situation.place
    copy = _seconds(situation, {"copy": _copy(place)})["copy"]
    gemm = _seconds(situation, {"gemm": _square(place)})["gemm"]
    if copy is not None and gemm is not None:
        side = situation.shapes.square
        numbers = {"copy": 2 * _copied(place) / copy, "gemm": 2 * side**3 / gemm}
        yield Found((), (f"copy: {numbers['copy']:.4g} bytes a second, read and written",
                         f"product of {side} x {side} bf16 matrices: {numbers['gemm']:.4g} FLOPs a second"), numbers)
    for width, vocabulary in situation.shapes.hidden:
        place.forget()
        yield from _products(situation, width, vocabulary)


def _copied(place: Place) -> int:
    return 1 << 12 if place.rehearses else COPIED


def _copy(place: Place) -> Call:
    source = torch.empty(_copied(place), dtype=torch.int8, device=place.device).fill_(3)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _square(place: Place) -> Call:
    side = place.shapes.square
    left, right = place.normal(side, side, seed=1), place.normal(side, side, seed=2)
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def _seconds(situation: Situation, calls: dict[str, Call]) -> dict[str, float | None]:
    for call in calls.values():
        call()
    times = situation.clock.interleaved(calls, nothing)
    return {name: None if found.median is None else found.median / 1e3 for name, found in times.items()}


def _products(situation: Situation, width: int, vocabulary: int) -> Iterator[Found]:
    """FLOPs a second of the three products of a chunk, by its rows, in the forms that there are."""
    for rows in situation.shapes.chunks:
        flops = 2.0 * rows * width * vocabulary
        for name, seconds in _seconds(situation, _chunk(situation.place, rows, width, vocabulary)).items():
            label = f"{name}, {rows} rows, H = {width}, V = {vocabulary}"
            if seconds is None:
                yield Found((), (f"  {label}: rehearsed",))
            else:
                yield Found((), (f"  {label}: {flops / seconds / 1e12:.0f} TFLOP/s",), {label: flops / seconds})


def _chunk(place: Place, rows: int, width: int, vocabulary: int) -> dict[str, Call]:
    """Gradients by logits are what they are in training: nearly all of them very small."""
    hidden, weight = place.normal(rows, width, seed=3), place.normal(vocabulary, width, scale=0.02, seed=4)
    gradient = (torch.softmax(place.normal(rows, vocabulary, scale=2.5, seed=5).float(), -1) / 8192).to(torch.bfloat16)

    def empty(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(size, dtype=dtype, device=place.device)

    wide, narrow = empty(rows, vocabulary), empty(rows, vocabulary, dtype=torch.bfloat16)
    by_hidden = empty(rows, width, dtype=torch.bfloat16)
    total = torch.zeros(vocabulary, width, device=place.device)
    apart = empty(vocabulary, width, dtype=torch.bfloat16)
    product: Callable[..., None] = add_product
    return {
        "logits, float32": lambda: product(wide, hidden, weight.t(), first=True),
        "logits, bf16": lambda: product(narrow, hidden, weight.t(), first=True),
        "dhidden, bf16": lambda: product(by_hidden, gradient, weight, first=True),
        "dW, added to float32": lambda: product(total, gradient.t(), hidden, first=False),
        "dW, written in float32": lambda: product(total, gradient.t(), hidden, first=True),
        "dW, bf16": lambda: product(apart, gradient.t(), hidden, first=True),
    }
