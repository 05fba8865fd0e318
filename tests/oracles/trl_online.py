"""TRL's online DPO: two answers to each prompt, of which the one with the higher reward is the chosen one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from tests.oracles.compare import Comparison, only
from tests.oracles.peers import Model, bare, peer_module
from tests.oracles.world import Padded

ARGUMENTS = {
    "use_vllm": False,
    "missing_eos_penalty": None,
    "torch_empty_cache_steps": None,
    "optim": "",
    "n_gpu": 1,
    "gradient_accumulation_steps": 1,
}


def _online(loss_type: str) -> Callable[[Padded], Tensor]:
    """`training_step`, which hands its loss to the accelerator. The first answers of all prompts stand before the second ones."""

    def run(given: Padded) -> Tensor:
        order = torch.arange(len(given.groups)).reshape(-1, 2).T.flatten()
        reference, student, handed = Model(None), Model(None), []
        made = bare(
            peer_module("trl.experimental.online_dpo.online_dpo_trainer").OnlineDPOTrainer,
            _beta=0.3,
            ref_model=reference,
            eos_token_ids=[0],
            reward_funcs=[None],
            stats=defaultdict(list),
            state=SimpleNamespace(global_step=1),
            processing_class=SimpleNamespace(batch_decode=lambda tokens, **_: [""] * len(tokens)),
            args=SimpleNamespace(loss_type=loss_type, **ARGUMENTS),
            _generate=lambda *_: (None, None, given.tokens()[order], given.mask()[order], None),
            _forward=lambda model, *_: given.logp(model="ref" if model is reference else "actor", fill=0.0)[order],
            _calculate_rewards_from_functions=lambda **_: given.frozen("score")[order],
        )
        made.accelerator.backward = handed.append
        student.train = lambda: None
        made.training_step(student, {"prompt": [""] * (len(order) // 2)})
        return handed[0]

    return run


def online(loss_type: str, loss: str) -> Comparison:
    """Best against worst."""
    return Comparison(
        (f"preference.{loss}", "pairing.of_best", "pairing.of_worst", "preference.implicit_reward"),
        "TRL",
        f"experimental OnlineDPOTrainer.training_step(loss_type={loss_type!r})",
        "let s = implicit_reward(actor, ref, y)  "
        f"minimize l: mean({loss}(of_best(s, score, per: prompt) - of_worst(s, score, per: prompt), 0.3))",
        _online(loss_type),
        without=only("two answers", "TRL draws two answers to a prompt"),
    )


COMPARISONS = (online("sigmoid", "dpo"), online("ipo", "ipo"))
