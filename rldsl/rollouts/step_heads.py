"""Published classifiers whose head is two layers: `Qwen2ForProcessRewardModel`, of two labels, `Qwen2ForRewardModel`, of one.

Transformers has no such classes, and checkpoints bring code of their own, which is never run here: these have their names, and the
layers that their weights name (as in vLLM's `qwen2_rm.py`). Saved ones are read as published ones are.
"""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2Model, Qwen2PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput


class Qwen2ForProcessRewardModel(Qwen2PreTrainedModel):  # type: ignore[no-untyped-call]
    """Two numbers for each token."""

    labels = 2

    def __init__(self, config: Qwen2Config) -> None:
        config.num_labels = self.labels
        super().__init__(config)
        self.model = Qwen2Model(config)
        width = config.hidden_size
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.labels))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> TokenClassifierOutput:
        """The head at each token."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
        return TokenClassifierOutput(logits=self.score(hidden))


class Qwen2ForRewardModel(Qwen2ForProcessRewardModel):  # type: ignore[no-untyped-call]
    """One number for each token."""

    labels = 1


OF_TWO_LAYERS: Final = {"Qwen2ForProcessRewardModel": Qwen2ForProcessRewardModel, "Qwen2ForRewardModel": Qwen2ForRewardModel}
