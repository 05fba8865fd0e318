"""Models that cap their logits softly are trained as they draw."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from rldsl.rollouts.tokenizers import characters
from rldsl.train.outcome import RunError
from tests.train.specs import ROLLOUT, WHOLE, numbers_of, run


def gemma(folder: Path, cap: float | None) -> Path:
    """A small random one, of the alphabet of the specs."""
    tokenizer = characters("abcd>")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = Gemma2Config(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                              num_attention_heads=2, num_key_value_heads=2, head_dim=8, initializer_range=0.5,
                              final_logit_softcapping=cap, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
        Gemma2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def text(folder: Path) -> str:
    """The whole spec, with a policy from a folder."""
    return WHOLE.replace('tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))', f'hf("{folder}")')


def test_what_was_drawn_and_what_is_trained_are_one_distribution(tmp_path: Path) -> None:
    """A cap of 0.3 is far below the logits: without it the two would differ by whole units."""
    folder = gemma(tmp_path / "gemma", 0.3)
    found = {backend: run(text(folder), tmp_path, out=backend, stop_after=1, backend=backend) for backend in ("numba", "torch")}
    differences = [result.logp_difference for result in found.values()]
    assert all(difference is not None and difference < 1e-5 for difference in differences)
    numba, reference = (numbers_of(tmp_path / out)[0] for out in found)
    assert numba["grad_norm"] == pytest.approx(reference["grad_norm"], rel=1e-4) and numba["grad_norm"] > 0


def test_a_divergence_between_two_caps_is_refused(tmp_path: Path) -> None:
    first, second = gemma(tmp_path / "first", 0.3), gemma(tmp_path / "second", None)
    spec = text(first).replace(ROLLOUT, f'policy ref from hf("{second}")\n{ROLLOUT}')
    spec = spec.replace("maximize entropy: 0.003 * mean(entropy(actor, y))", "minimize away: 0.1 * mean(kl(actor, ref, y))")
    with pytest.raises(RunError, match=r"`ref` caps its logits at None and `actor` at 0\.3"):
        run(spec, tmp_path)
