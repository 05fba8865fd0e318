"""The two parts of a causal language model: its body (tokens to hidden states) and its vocabulary head.

Training computes `hidden @ weight.T + bias` itself, and a soft cap of it. A model whose logits are anything else is refused.
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rldsl.rollouts.signatures import ModelError

_NEUTRAL: Final[dict[str, float | None]] = {
    "logit_scale": 1.0,
    "logits_scaling": 1.0,
    "lm_head_multiplier": 1.0,
}


def body_of(module: PreTrainedModel) -> nn.Module:
    """The transformer without its vocabulary head."""
    body = module.base_model
    if body is module:
        raise ModelError(f"{type(module).__name__} has no body apart from its head: it cannot be trained")
    return body


def vocabulary_head(module: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
    """Weight [V, H] and bias [V] (None where there is none) of the vocabulary head."""
    head = cast(Any, module).get_output_embeddings()
    if not isinstance(head, nn.Linear):
        raise ModelError(f"{type(module).__name__} has no linear vocabulary head: it cannot be trained")
    return head.weight, head.bias


def softcap_of(module: PreTrainedModel) -> float | None:
    """The cap c of a model whose logits are c tanh(x / c) of what its vocabulary head gives (Gemma 2); None where there is none."""
    config: Any = module.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    return None if cap is None else float(cap)


def capped(logits: Tensor, cap: float | None) -> Tensor:
    """Logits through a soft cap."""
    return logits if cap is None else cap * torch.tanh(logits / cap)


@torch.no_grad()
def check_head(module: PreTrainedModel) -> None:
    """Refuses a model whose logits are not `hidden @ weight.T + bias`, soft-capped or not: by its config, then by trying."""
    config: Any = module.config.get_text_config()
    for name, neutral in _NEUTRAL.items():
        if (value := getattr(config, name, neutral)) not in (neutral, None):
            raise ModelError(f"{type(module).__name__} changes its logits after the vocabulary head ({name}: "
                             f"{value}), which the training kernels do not do; use a model without it")
    weight, bias = vocabulary_head(module)
    ids = torch.arange(min(4, weight.shape[0]), device=weight.device)[None]
    hidden = body_of(module)(input_ids=ids, use_cache=False).last_hidden_state
    expected = capped(torch.nn.functional.linear(hidden, weight, bias).float(), softcap_of(module))
    logits = module(input_ids=ids, use_cache=False).logits.float()
    allowed = 1e-3 if weight.dtype is torch.float32 else 2.0**-6  # a module caps in its own number format
    if logits.shape != expected.shape or (logits - expected).abs().max() > allowed * (1 + expected.abs().max()):
        raise ModelError(f"the logits of {type(module).__name__} are not its vocabulary head applied to "
                         "its hidden states, which is what the training kernels compute; use another architecture")
