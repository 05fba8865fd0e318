"""Which decoder a model has, and when it is kept between two drawings.

On a GPU buffers and captured steps are kept, unless they take a larger share of its memory than training would like to miss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rldsl.kernels.device.cuda import memory
from rldsl.rollouts.decoders import Decoder, decoder_of
from rldsl.rollouts.families import family_of
from rldsl.rollouts.heads import body_of
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.replay import Captured, Plain, Replay
from rldsl.rollouts.static import StaticDecoder
from rldsl.rollouts.static_cache import StaticCacheDecoder, why_not_static

KEPT_SHARE: Final = 8  # of a GPU's memory, that may stay taken between two drawings

Static = StaticDecoder | StaticCacheDecoder


@contextmanager
def lend_decoder(model: LoadedModel) -> Iterator[Decoder]:
    """A decoder of a model, for the length of a `with` block. Two that decode at the same time are two."""
    decoding, is_cuda = model.decoding, model.device.type == "cuda"
    found: Static | None = None
    if is_cuda if decoding.is_static is None else decoding.is_static:
        found = decoding.free.pop() if decoding.free else _static(model)
    if found is None:
        yield decoder_of(model.module)
        return
    yield found
    decoding.note(found.replay.note)
    if not is_cuda or found.bytes <= memory(model.device) // KEPT_SHARE:
        decoding.free.append(found)


def _static(model: LoadedModel) -> Static | None:
    module: Any = model.module
    replay: Replay = Captured(model.name, model.device) if model.device.type == "cuda" else Plain()
    family = family_of(body_of(module))
    if family is not None:
        return StaticDecoder(module, family, replay)
    fault = why_not_static(module)
    if fault is not None:
        model.decoding.note(f"`{model.name}` is decoded without CUDA graphs: {fault}")
        return None
    return StaticCacheDecoder(module, replay)
