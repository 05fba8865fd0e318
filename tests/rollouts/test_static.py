"""Decoders with buffers that stay give what those give whose buffers grow: the same tokens, the same log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np
import pytest
import torch

from rldsl.rollouts import decoding
from rldsl.rollouts.attention import attend, attend_grouped
from rldsl.rollouts.decoding import lend_decoder
from rldsl.rollouts.families import block_of, family_of, rotated, rotations
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.replay import Captured, Plain, Replay
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.signatures import Rule, Sampling
from rldsl.rollouts.static import StaticDecoder, rounded_up
from rldsl.rollouts.static_cache import StaticCacheDecoder
from rldsl.rollouts.tokens import ResponseTokens
from tests.rollouts.policies import letters, policy_from, tiny_policy
from tests.rollouts.test_sampler import other_models

SETTINGS = Sampling(max_tokens=24, samples=5, temperature=0.9, batch=23)


def both(model: LoadedModel, settings: Sampling = SETTINGS, prompts: int = 9) -> tuple[ResponseTokens, ResponseTokens]:
    """The same draws by buffers that grow, and by those that stay."""
    found = []
    for is_static in (False, True):
        model.decoding.is_static = is_static
        found.append(sample(model, letters(prompts, 1, 7), settings, seed=3))
    return found[0], found[1]


def assert_same(one: ResponseTokens, other: ResponseTokens) -> None:
    """Tokens exactly, log-probabilities to rounding."""
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.finished, other.finished)
    assert one.logp is not None and other.logp is not None
    np.testing.assert_allclose(one.logp, other.logp, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_a_family_is_drawn_from_alike(family: str, kv_heads: int) -> None:
    model = tiny_policy(family=family, kv_heads=kv_heads)
    one, other = both(model)
    assert_same(one, other)
    assert one.lengths.min() < 6 and one.lengths.max() > 12  # rows have left the batch
    assert model.decoding.take_notes() == []


@pytest.mark.parametrize("settings", [
    Sampling(max_tokens=9, samples=3, greedy=True), Sampling(max_tokens=1, samples=2),
    Sampling(max_tokens=12, min_tokens=5, top_k=3),
    Sampling(max_tokens=12, samples=2, top_p=0.8), Sampling(max_tokens=12, samples=2, stop=("ab", "h")),
], ids=["greedy", "one", "least", "nucleus", "stops"])
def test_every_setting_is_drawn_alike(settings: Sampling) -> None:
    assert_same(*both(tiny_policy(kv_heads=2), settings))


@pytest.mark.parametrize("name", ["gpt2", "phi", "mistral", "qwen3"])
def test_other_architectures_are_drawn_from_alike(tmp_path: Path, name: str) -> None:
    model = policy_from(tmp_path, *other_models()[name])
    assert_same(*both(model, Sampling(max_tokens=12, samples=3), prompts=5))
    kinds = {"mistral": StaticDecoder, "qwen3": StaticDecoder}
    assert [type(kept) for kept in model.decoding.free] == [kinds.get(name, StaticCacheDecoder)]


def test_layers_with_windows_are_decoded_as_before_and_that_is_said(tmp_path: Path) -> None:
    model = policy_from(tmp_path, *other_models()["sliding"])
    one, other = both(model, Sampling(max_tokens=8), prompts=3)
    np.testing.assert_array_equal(one.logp, other.logp)
    note, = model.decoding.take_notes()
    assert note.startswith("`actor` is decoded without CUDA graphs: its layers keep something else than the keys and values")
    both(model, Sampling(max_tokens=8), prompts=3)
    assert model.decoding.take_notes() == []


def test_a_step_reads_the_weights_that_training_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One decoder is kept, with its buffers where they were; after the weights moved it draws as a fresh one."""
    model = tiny_policy(kv_heads=2)
    both(model)
    decoder, = model.decoding.free
    assert isinstance(decoder, StaticDecoder)
    places = [buffer.data_ptr() for buffer in decoder.keys]
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.1)
    assert_same(*both(model))
    assert model.decoding.free == [decoder] and [buffer.data_ptr() for buffer in decoder.keys] == places


class Twice(Plain):
    """Runs every step three times, as a capture does, and remembers which shapes there were."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Hashable] = []
        self.forgotten = 0

    def run(self, key: Hashable, step: Callable[[], None]) -> None:
        self.keys.append(key)
        for _ in range(3):
            step()

    def forget(self) -> None:
        self.forgotten += 1


@pytest.mark.parametrize("name", ["tiny", "gpt2"])
def test_a_step_that_runs_several_times_comes_to_the_same_in_few_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                      name: str) -> None:
    made: list[Twice] = []

    def twice() -> Replay:
        made.append(Twice())
        return made[-1]
    monkeypatch.setattr(decoding, "Plain", twice)
    model = tiny_policy(kv_heads=2) if name == "tiny" else policy_from(tmp_path, *other_models()[name])
    settings = Sampling(max_tokens=24, samples=5, batch=45)
    assert_same(*both(model, settings))
    assert_same(*both(model, settings))
    replay, = made
    sizes = {key[0] if isinstance(key, tuple) else key for key in replay.keys}
    assert sizes <= {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48} and (len(sizes) > 2 or name == "gpt2")  # whose answers do not end
    assert replay.forgotten == 1  # the second call finds everything where it was


def test_a_policy_within_the_likeliest_tokens_of_another_is_drawn_alike() -> None:
    """Two decoders run beside each other, and lose the same rows."""
    model, mask = tiny_policy(kv_heads=2), tiny_policy(seed=1)
    settings = Sampling(max_tokens=16, samples=4, within=Rule("mask", top_p=0.8))
    found = []
    for is_static in (False, True):
        model.decoding.is_static = mask.decoding.is_static = is_static
        found.append(sample(model, letters(6, 1, 7), settings, seed=3, mask=mask, supports=True))
    assert_same(*found)
    np.testing.assert_array_equal(found[0].support.ids, found[1].support.ids)
    assert len(model.decoding.free) == len(mask.decoding.free) == 1


def test_sizes_are_rounded_up_by_half_at_most() -> None:
    assert [rounded_up(count) for count in (1, 2, 3, 4, 5, 6, 7, 9, 13, 17, 25, 33, 49, 96, 97)] == \
        [1, 2, 3, 4, 6, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
    assert all(count <= rounded_up(count) <= 1.5 * count for count in range(1, 3000))


def test_a_model_that_draws_and_masks_at_once_has_two_decoders() -> None:
    model = tiny_policy(kv_heads=2)
    model.decoding.is_static = True
    with lend_decoder(model) as one, lend_decoder(model) as other:
        assert one is not other
    assert len(model.decoding.free) == 2


def test_a_step_that_cannot_be_captured_runs_as_it_is_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    replay, ran = Captured("actor", torch.device("cpu")), []

    def refuse(step: Callable[[], None]) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")
    monkeypatch.setattr(replay, "_capture", refuse)
    for _ in range(2):
        replay.run(4, lambda: ran.append(1))
    assert ran == [1, 1]
    said = "operation not permitted when stream is capturing"
    assert replay.note == f"`actor` cannot be decoded by CUDA graphs and is decoded kernel by kernel: {said}"


@pytest.mark.parametrize(("count", "has_mask"), [(1, True), (1, False), (7, True), (7, False)])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_of_a_gpu_is_that_of_a_cpu(count: int, kv_heads: int, has_mask: bool) -> None:
    made = torch.Generator().manual_seed(count)
    queries = torch.randn(3, 4, count, 8, generator=made)
    keys, values = (torch.randn(3, kv_heads, 7, 8, generator=made) for _ in range(2))
    mask = torch.where(torch.rand(3, 1, count, 7, generator=made) < 0.3, -torch.inf, 0.0) if has_mask else None
    if mask is not None:
        mask[..., 0] = 0.0
    found, wanted = (attention(queries, keys, values, mask) for attention in (attend_grouped, attend))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "qwen3"])
def test_a_layer_of_its_own_weights_is_the_joined_one(tmp_path: Path, name: str) -> None:
    """The joined one reorders heads: scores of queries and keys agree, and values; gradients by the weights too."""
    model = tiny_policy(kv_heads=2) if name == "tiny" else policy_from(tmp_path, *other_models()[name])
    body, family = model.body, family_of(model.body)
    assert family is not None
    x, turn = torch.randn(6, body.config.hidden_size), rotations(body, 6)[:, None]
    found = []
    for joined in (True, False):
        queries, keys, values = rotated(block_of(body.layers[0], family, joined), family, x, turn)
        keys = keys.repeat_interleave(family.heads // family.kv_heads, 1)
        scores = torch.einsum("qhd,khd->hqk", queries, keys)
        model.module.zero_grad()
        (scores.square().sum() + values.square().sum()).backward()
        found.append((scores.detach(), values.detach(), body.layers[0].self_attn.q_proj.weight.grad.clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
