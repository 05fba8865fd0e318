"""A critic: a transformer body and a linear head that gives a value for each position. It starts at 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, PreTrainedModel

from rldsl.rollouts.folders import VALUE_HEAD, check_loaded, silently
from rldsl.rollouts.signatures import ModelError


class Critic(nn.Module):
    """`value_head` is kept in fp32 whatever the body's number format."""

    def __init__(self, backbone: PreTrainedModel) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.config.get_text_config().hidden_size
        self.value_head = nn.Linear(width, 1, device=backbone.device)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    @property
    def config(self) -> Any:
        """The body's configuration."""
        return self.backbone.config


def save_critic(critic: Critic, folder: Path) -> None:
    """The body in Hugging Face layout, the value head beside it."""
    critic.backbone.save_pretrained(folder)
    head = {name: tensor.detach().cpu() for name, tensor in critic.value_head.state_dict().items()}
    save_file(head, folder / VALUE_HEAD)


def load_critic(folder: Path, dtype: torch.dtype) -> Critic:
    """From a folder that `save_critic` wrote, or from a language model's, without its vocabulary head."""
    with silently():
        backbone, found = AutoModel.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True)
    check_loaded(folder, found, also=("lm_head.", "embed_out.", "score."))
    critic = Critic(backbone)
    if (folder / VALUE_HEAD).is_file():
        load_value_head(critic, folder)
    return critic


def load_value_head(critic: Critic, folder: Path) -> None:
    """Copies the value head saved in `folder` into `critic`."""
    if not (folder / VALUE_HEAD).is_file():
        raise ModelError(f"`{folder}` holds no critic: it has no {VALUE_HEAD}")
    saved, current = load_file(folder / VALUE_HEAD), critic.value_head.state_dict()
    if {name: tensor.shape for name, tensor in saved.items()} != {n: t.shape for n, t in current.items()}:
        raise ModelError(f"the value head in `{folder}` does not fit this critic's width of "
                         f"{critic.value_head.in_features}")
    critic.value_head.load_state_dict(saved)
