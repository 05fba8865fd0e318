"""Shaping of rewards: the reward functions of TRL, verl, OpenRLHF, AReaL and ms-swift, and torch's and numpy's curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.areal import losses as areal_functional
from tests.oracles.compare import Comparison
from tests.oracles.peers import bare, loss_module, peer_module
from tests.oracles.world import Padded

SLOPE = "let slope = sum(value(v, y), per: sample)  "
Rewards = Callable[[Padded], "Tensor | Sequence[float]"]


def weighed(rewards: Rewards) -> Callable[[Padded], Tensor]:
    """Frozen rewards of answers, each times what is live: the sum of its answer's values."""
    return lambda given: (given.value(fill=0.0).sum(1) * torch.as_tensor(rewards(given), dtype=given.dtype)).sum()


def rewarded(entry: str, ours: str, peer: str, function: str, rewards: Rewards, *, differs: str = "") -> Comparison:
    """A frozen reward of answers."""
    return Comparison(
        (f"shaping.{entry}",),
        peer,
        function,
        f"{SLOPE}minimize l: sum(slope * {ours})",
        weighed(rewards),
        trains="v",
        differs=differs,
    )


def ids(given: Padded) -> list[list[int]]:
    """Token ids, of which only the number matters."""
    return [[0] * int(length) for length in given.lengths()]


def words(given: Padded) -> list[list[int]]:
    """Texts as ids of their words."""
    return [[ord(word) for word in text.split()] for text in given.world.texts["wordy"]]


# ------------------------------------------------------------------ peers
def _trl(name: str, take: Callable[[Padded], list[list[int]]], *settings: float) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        return torch.tensor(getattr(peer_module("trl.rewards"), name)(*settings)(take(given)))

    return run


def _trl_form(given: Padded) -> Sequence[float]:
    texts = [[{"content": text}] for text in given.world.texts["formed"]]
    found: Sequence[float] = peer_module("trl.rewards").think_format_reward(texts)
    return found


def _openrlhf(given: Padded) -> Tensor:
    rewards = torch.zeros(len(given.lengths()))
    experience = SimpleNamespace(rewards=rewards, response_length=given.lengths())
    module = loss_module("OpenRLHF", "openrlhf.trainer.ppo_utils.length_penalty", "openrlhf.utils.logging_utils")
    module.apply_overlong_penalty([experience], 5, 3, 1.0)
    return rewards


def _areal(longest: int, cache_length: int) -> Rewards:
    def run(given: Padded) -> Tensor:
        data = {"rewards": torch.zeros(len(given.lengths())), "input_ids": given.mask(), "loss_mask": given.mask()}
        found: Tensor = areal_functional().reward_overlong_penalty(data, cache_length, 1.0, longest)["rewards"]
        return found

    return run


@cache
def _verl_manager(longest: int, cache_length: int) -> Any:
    kind = peer_module("verl.workers.reward_manager.dapo").DAPORewardManager
    buffer = SimpleNamespace(enable=True, len=cache_length, penalty_factor=1.0, log=False)
    tokenizer = SimpleNamespace(eos_token="</s>", decode=lambda *_, **__: "")
    return kind(tokenizer, 0, lambda **_: 0.0, max_resp_len=longest, overlong_buffer_cfg=buffer)


def _verl(longest: int, cache_length: int) -> Rewards:
    def run(given: Padded) -> Tensor:
        mask, answers = given.mask().long(), len(given.lengths())
        objects = {"reward_model": [{"ground_truth": ""}] * answers, "data_source": [""] * answers}
        objects["extra_info"] = [{} for _ in range(answers)]
        data = peer_module("verl.protocol").DataProto.from_dict(
            tensors={
                "prompts": mask[:, :1],
                "responses": given.tokens(),
                "attention_mask": torch.cat([torch.ones_like(mask[:, :1]), mask], 1),
            },
            non_tensors={name: np.array(column, dtype=object) for name, column in objects.items()},
        )
        found: Tensor = _verl_manager(longest, cache_length)(data).sum(1)
        return found

    return run


def _swift(name: str, **settings: Any) -> Any:
    """One of ms-swift's reward functions, with the settings that it reads."""
    module = loss_module("ms-swift", "swift.rewards.orm", "swift.infer_engine")
    return getattr(module, name)(SimpleNamespace(**settings))


def _swift_overlong(given: Padded) -> Sequence[float]:
    reward = _swift("SoftOverlong", soft_max_length=6, soft_cache_length=4)
    return list(reward([], response_token_ids=ids(given)))


def _swift_cosine(given: Padded) -> Sequence[float]:
    module = loss_module("ms-swift", "swift.rewards.orm", "swift.infer_engine")
    settings = SimpleNamespace(
        cosine_min_len_value_wrong=-10.0,
        cosine_max_len_value_wrong=-1.0,
        cosine_min_len_value_correct=2.0,
        cosine_max_len_value_correct=1.0,
        cosine_max_len=7,
    )
    right = given.frozen("success").tolist()
    return list(module.CosineReward(settings, lambda *_, **__: right)([], [], response_token_ids=ids(given)))


def _swift_curve(given: Padded) -> Tensor:
    curve = loss_module("ms-swift", "swift.rewards.orm", "swift.infer_engine").CosineReward.cosfn
    return torch.tensor([curve(length, 7, -2.0, 3.0) for length in given.lengths().tolist()])


def _swift_repetition(given: Padded) -> Sequence[float]:
    return list(_swift("RepetitionPenalty", repetition_n_grams=3, repetition_max_penalty=-2.0)(given.world.texts["wordy"]))


def _swift_form(given: Padded) -> Sequence[float]:
    module = loss_module("ms-swift", "swift.rewards.orm", "swift.infer_engine")
    return list(bare(module.Format)(given.world.texts["formed"]))


OVERLONG = "soft_overlong(y.length, 5, 3)"
NEVER_LONGER = "soft_overlong(y.length, 6, 4)"
NO_FLOOR = "does not stop at -1: the same up to `longest`, which answers that are cut there never pass"
LENGTHS = (
    rewarded(
        "soft_overlong",
        OVERLONG,
        "TRL",
        "rewards.get_soft_overlong_punishment(5, 3)",
        _trl("get_soft_overlong_punishment", ids, 5, 3),
    ),
    rewarded("soft_overlong", OVERLONG, "OpenRLHF", "ppo_utils.length_penalty.apply_overlong_penalty(5, 3)", _openrlhf),
    rewarded(
        "soft_overlong", NEVER_LONGER, "AReaL", "functional.reward_overlong_penalty(4, 1.0, 6), no answer longer", _areal(6, 4)
    ),
    rewarded("soft_overlong", NEVER_LONGER, "verl", "reward_manager.DAPORewardManager(6, 4), no answer longer", _verl(6, 4)),
    rewarded("soft_overlong", NEVER_LONGER, "ms-swift", "rewards.orm.SoftOverlong(6, 4), no answer longer", _swift_overlong),
    rewarded("soft_overlong", OVERLONG, "AReaL", "functional.reward_overlong_penalty(3, 1.0, 5)", _areal(5, 3), differs=NO_FLOOR),
    rewarded("soft_overlong", OVERLONG, "verl", "reward_manager.DAPORewardManager(5, 3)", _verl(5, 3), differs=NO_FLOOR),
    rewarded(
        "cosine_length",
        "cosine_length(success, y.length, 7, 2, 1, -10, -1, -20)",
        "ms-swift",
        "rewards.orm.CosineReward(7)",
        _swift_cosine,
    ),
    rewarded("cosine_curve", "cosine_curve(y.length, 7, 3, -2)", "ms-swift", "rewards.orm.CosineReward.cosfn", _swift_curve),
)
TEXTS = (
    rewarded(
        "repetition_penalty", "repetition_penalty(wordy, 2)", "ms-swift", "rewards.orm.RepetitionPenalty(3, -2)", _swift_repetition
    ),
    rewarded(
        "repetition_penalty",
        "repetition_penalty(wordy, 2)",
        "TRL",
        "rewards.get_repetition_penalty_reward(3, -2), ids of words",
        _trl("get_repetition_penalty_reward", words, 3, -2.0),
    ),
    rewarded(
        "distinct_2",
        "(distinct_2(wordy) - 1)",
        "TRL",
        "rewards.get_repetition_penalty_reward(2, -1), ids of words",
        _trl("get_repetition_penalty_reward", words, 2, -1.0),
    ),
    rewarded("think_answer", "think_answer(formed)", "ms-swift", "rewards.orm.Format", _swift_form),
    rewarded(
        "think_answer", "think_answer(formed)", "TRL", "rewards.think_format_reward", _trl_form, differs="asks for `<think>` alone"
    ),
)


# ------------------------------------------------------------------ curves
def _curve(curve: Callable[[Tensor], Tensor]) -> Callable[[Padded], Tensor]:
    """Of the sums of the answers' values, which are live, times their advantages."""
    return lambda given: (given.frozen("advantage") * curve(given.value(fill=0.0).sum(1))).sum()


def curved(entry: str, ours: str, function: str, curve: Callable[[Tensor], Tensor]) -> Comparison:
    """A curve, by value and by slope."""
    body = f"{SLOPE}minimize l: sum(advantage * {ours})"
    return Comparison((f"shaping.{entry}",), "torch", function, body, _curve(curve), trains="v")


CURVES = (
    curved(
        "ramp",
        "ramp(slope, -0.5, 1.5, -1, 3)",
        "nn.functional.hardtanh of a straight line",
        lambda x: functional.hardtanh(2 * x, -1, 3),
    ),
    curved(
        "soft_cap",
        "soft_cap(slope, 0.5, 0.1)",
        "nn.functional.leaky_relu(negative_slope=0.1) of what is left",
        lambda x: 0.5 - functional.leaky_relu(0.5 - x, 0.1),
    ),
    curved(
        "call_price",
        "call_price(slope, 0.25, 0.5, 1)",
        "nn.functional.hardtanh(0, 1) of what is above",
        lambda x: -functional.hardtanh(0.5 * (x - 0.25), 0.0, 1.0),
    ),
)
COMPARISONS = (*LENGTHS, *TEXTS, *CURVES)
