"""A plain PyTorch loop around a compiled objective, with any causal language model of transformers.

    python examples/embed/train.py

The model has random weights; it learns to write even token ids, from 0.5 to above 0.9 in half a minute on two cores.
Hidden states and the projection go in: the logits of a whole batch never exist at once.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen2Config

import rldsl
from rldsl.graph.model import ReadKind
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.scoring import score_rows

PROMPTS, SAMPLES, PROMPT_LENGTH, LENGTH = 8, 8, 4, 12


def main(steps: int = 40) -> float:
    """The mean reward of the last step."""
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(Qwen2Config(
        vocab_size=1000, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=None))
    objective = rldsl.load(Path(__file__).with_name("objective.rl")).objective()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    layout = Layout.of({"prompts": "batch", "y.sample": "prompts", "y.token": "y.sample"},
                       {"prompts": [PROMPTS], "y.sample": [SAMPLES] * PROMPTS, "y.token": [LENGTH] * PROMPTS * SAMPLES})
    for step in range(steps):
        prompts = torch.randint(0, 1000, (PROMPTS, PROMPT_LENGTH)).repeat_interleave(SAMPLES, 0)
        tokens = model.generate(prompts, do_sample=True, max_new_tokens=LENGTH, top_k=0, pad_token_id=0)
        answers = tokens[:, PROMPT_LENGTH:]
        reward = (answers % 2 == 0).double().mean(1).view(PROMPTS, SAMPLES)
        advantage = (reward - reward.mean(1, keepdim=True)) / (reward.std(1, keepdim=True) + 1e-4)

        hidden = model.base_model(tokens).last_hidden_state[:, PROMPT_LENGTH - 1 : -1].flatten(0, 1)
        rows = Rows(answers.flatten(), hidden, model.get_output_embeddings().weight)
        sampled = score_rows([ReadKind.LOGP], rows)[ReadKind.LOGP]
        batch = objective.batch(layout, {"advantage": advantage.flatten(), "y_logp": sampled})
        loss, values = objective.loss(batch, rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 5 == 0 or step == steps - 1:
            print(f"step {step:3}  reward {reward.mean():.3f}  loss {values['loss']:+.4f}")
    return float(reward.mean())


if __name__ == "__main__":
    main()
