"""Loading models: random ones, folders, snapshots, roles, critics."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CohereConfig, CohereForCausalLM, Gemma2Config, Gemma2ForCausalLM

from rldsl.graph.spec import Invocation, Role
from rldsl.rollouts.heads import softcap_of
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.score import head_of, hidden_rows, values
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokens import tokenize_given
from rldsl.rollouts.weights import copy_weights, load_weights, save_model
from tests.rollouts.policies import greedy, logp_by_module, policy_from, spec_of, tiny_call, tiny_policy


def weights(model: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def take_a_step(model: LoadedModel) -> None:
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(0.1)


def hf(folder: Path, **also: Any) -> LoadedModel:
    return load_model(spec_of(origin=Invocation("hf", (str(folder),)), **also), seed=0)


def test_random_weights_depend_on_the_seed_and_leave_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = tiny_policy(seed=1), tiny_policy(seed=1), tiny_policy(seed=2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert same(weights(first), weights(again)) and not same(weights(first), weights(other))
    named = load_model(spec_of("rival", tiny_call()), seed=1)
    assert not same(weights(first), weights(named))
    written = [load_model(spec_of(name, tiny_call(seed=3)), seed=seed) for name, seed in (("a", 1), ("b", 2))]
    assert same(weights(written[0]), weights(written[1]))


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_tiny_model_is_what_it_says(family: str, tied: bool) -> None:
    model = tiny_policy(family=family, tied=tied, positions=48, kv_heads=2)
    assert model.module.config.model_type == family and model.positions == 48 and model.trainable
    assert (model.head_weight is model.module.get_input_embeddings().weight) is tied
    assert not model.module.training


def test_a_saved_model_loads_as_a_folder_and_says_the_same(tmp_path: Path) -> None:
    model = tiny_policy(tied=False)
    save_model(model, tmp_path / "saved")
    loaded = hf(tmp_path / "saved")
    assert same(weights(model), weights(loaded))
    assert sample(loaded, ["ab>"], greedy(6), seed=0).texts == sample(model, ["ab>"], greedy(6), seed=0).texts


def test_the_number_format_is_the_one_asked_for(tmp_path: Path) -> None:
    model = load_model(spec_of(origin=tiny_call(), settings=(("dtype", "bf16"),)), seed=0)
    assert model.head_weight.dtype == torch.bfloat16
    save_model(model, tmp_path)
    assert hf(tmp_path).head_weight.dtype == torch.float32
    tokens = sample(model, ["ab>", "h>"], greedy(5), seed=0)
    assert hidden_rows(model, tokens, range(2), grad=False).hidden.dtype == torch.bfloat16


def test_folders_that_lack_something_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder `nowhere`"):
        hf(Path("nowhere"))
    with pytest.raises(ModelError, match=r"hf download some-lab/some-model --local-dir models/some-model"):
        hf(Path("some-lab/some-model"))
    with pytest.raises(ModelError, match=r"has no config\.json"):
        hf(tmp_path)
    save_model(tiny_policy(), tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="no tokenizer"):
        hf(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        hf(tmp_path)


def test_a_folder_is_found_below_the_project(tmp_path: Path) -> None:
    save_model(tiny_policy(), tmp_path / "models" / "one")
    spec = spec_of(origin=Invocation("hf", ("models/one",)))
    assert load_model(spec, seed=0, root=tmp_path).codec.digest == tiny_policy().codec.digest


def test_weights_that_are_missing_or_left_over_are_refused(tmp_path: Path) -> None:
    big, small = tmp_path / "big", tmp_path / "small"
    save_model(tiny_policy(layers=3), big)
    save_model(tiny_policy(layers=2), small)
    config = (big / "config.json").read_text()
    (big / "config.json").write_text((small / "config.json").read_text())
    (small / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"the folder has too much: model\.layers\.2"):
        hf(big)
    with pytest.raises(ModelError, match=r"the folder lacks model\.layers\.2"):
        hf(small)


def test_a_frozen_copy_stays_where_it_was_and_can_be_reset() -> None:
    actor = tiny_policy()
    ref = load_model(spec_of("ref", base="actor", frozen=True), seed=0, base=actor)
    start = weights(actor)
    take_a_step(actor)
    assert same(weights(ref), start) and not same(weights(actor), start)
    assert not ref.trainable and not any(parameter.requires_grad for parameter in ref.module.parameters())
    assert actor.trainable and all(parameter.requires_grad for parameter in actor.module.parameters())
    copy_weights(actor, ref)
    assert same(weights(ref), weights(actor)) and ref.module is not actor.module


def test_another_role_has_the_same_weights_and_its_own_system_text() -> None:
    actor = tiny_policy()
    settings = (("system", "|"),)
    judge = load_model(spec_of("judge", base="actor", shares=True, settings=settings), seed=0, base=actor)
    assert judge.module is actor.module and judge.trainable
    assert sample(judge, ["a>"], greedy(4), seed=0).texts == sample(actor, ["|a>"], greedy(4), seed=0).texts
    assert actor.system == ""


def test_chat_prompts_take_the_tokenizers_form(tmp_path: Path) -> None:
    model = tiny_policy()
    model.tokenizer.chat_template = ("{% for m in messages %}{{ '|' if m.role == 'system' else '>' }}"
                                     "{{ m.content }}{% endfor %}{% if add_generation_prompt %}h{% endif %}")
    save_model(model, tmp_path)
    chat = hf(tmp_path, settings=(("system", "ab"),))
    plain = hf(tmp_path, settings=(("chat", False),))
    assert chat.chat and not plain.chat
    assert chat.codec.decode(*_joined(chat, "cd")) == ("|ab>cdh",)
    assert plain.codec.decode(*_joined(plain, "cd")) == ("cd",)
    with pytest.raises(ModelError, match="no chat form"):
        load_model(spec_of(origin=tiny_call(), settings=(("chat", True),)), seed=0)


def _joined(model: LoadedModel, prompt: str) -> tuple[Any, Any]:
    ids = tokenize_given(model, [prompt], ["a"]).prompt_ids[0].astype(np.int64)
    return ids, np.array([0, len(ids)])


def test_a_model_that_changes_its_logits_is_refused(tmp_path: Path) -> None:
    config = CohereConfig(vocab_size=12, hidden_size=16, intermediate_size=32, num_hidden_layers=1, eos_token_id=1,
                          num_attention_heads=2, num_key_value_heads=2, pad_token_id=0, logit_scale=0.25)
    with pytest.raises(ModelError, match=r"logit_scale: 0\.25"):
        policy_from(tmp_path, config, CohereForCausalLM)


def test_a_soft_cap_belongs_to_the_logits_of_a_model(tmp_path: Path) -> None:
    """0.05 is far below its logits: draws and scores without the cap would differ."""
    config = Gemma2Config(vocab_size=12, hidden_size=16, intermediate_size=32, num_hidden_layers=1, eos_token_id=1,
                          num_attention_heads=2, num_key_value_heads=2, head_dim=8, pad_token_id=0, final_logit_softcapping=0.05,
                          initializer_range=0.5)
    model = policy_from(tmp_path, config, Gemma2ForCausalLM)
    assert softcap_of(model.policy_module) == 0.05 and softcap_of(tiny_policy().policy_module) is None
    drawn = sample(model, ["ab>", "c>"], replace(greedy(4), greedy=False), seed=0)
    assert drawn.logp == pytest.approx(logp_by_module(model, drawn), abs=1e-5)
    assert float(abs(drawn.logp + math.log(12)).max()) <= 0.1


def test_judges_are_not_loaded_here() -> None:
    with pytest.raises(ModelError, match="judge `grader` cannot be loaded"):
        load_model(spec_of("grader", Invocation("openai"), role=Role.JUDGE), seed=0)
    with pytest.raises(ModelError, match=r"no model `big\(...\)`"):
        load_model(spec_of("actor", Invocation("big")), seed=0)


def test_a_critic_values_the_state_before_each_token_and_starts_at_zero() -> None:
    actor = tiny_policy()
    critic = load_model(spec_of("v", role=Role.CRITIC, base="actor"), seed=0, base=actor)
    tokens = tokenize_given(actor, ["ab>", "c>"], ["ba", ""])
    assert critic.role is Role.CRITIC and critic.trainable
    assert torch.equal(values(critic, tokens, range(2), grad=False), torch.zeros(4))
    with torch.no_grad():
        critic.module.value_head.weight.fill_(1.0)
    expected = hidden_rows(actor, tokens, [1, 0], grad=False).hidden.sum(-1)
    torch.testing.assert_close(values(critic, tokens, [1, 0], grad=False), expected)
    take_a_step(critic)
    assert torch.equal(head_of(actor)[0], tiny_policy().head_weight)


def test_gradients_of_a_critic_reach_its_body() -> None:
    critic = load_model(spec_of("v", tiny_call(), role=Role.CRITIC), seed=0)
    take_a_step(critic)
    tokens = tokenize_given(tiny_policy(), ["ab>"], ["ba"])
    values(critic, tokens, range(1), grad=True).sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
               for name, parameter in critic.module.named_parameters() if "k_proj.bias" not in name)


def test_a_critic_survives_a_folder_and_can_start_from_a_policys(tmp_path: Path) -> None:
    critic = load_model(spec_of("v", tiny_call(), role=Role.CRITIC), seed=0)
    take_a_step(critic)
    save_model(critic, tmp_path / "critic")
    save_model(tiny_policy(tied=False), tmp_path / "policy")
    assert same(weights(hf(tmp_path / "critic", role=Role.CRITIC)), weights(critic))
    tokens = tokenize_given(tiny_policy(), ["ab>"], ["ba"])
    assert torch.equal(values(hf(tmp_path / "policy", role=Role.CRITIC), tokens, range(1), grad=False), torch.zeros(3))


def test_models_are_asked_for_what_they_have() -> None:
    actor = tiny_policy()
    critic = load_model(spec_of("v", role=Role.CRITIC, base="actor"), seed=0, base=actor)
    tokens = tokenize_given(actor, ["a>"], ["b"])
    for ask in (lambda: values(actor, tokens, range(1), grad=False), lambda: head_of(critic),
                lambda: sample(critic, ["a>"], greedy(2), seed=0)):
        with pytest.raises(ModelError):
            ask()
    with pytest.raises(ModelError, match="another tokenizer"):
        hidden_rows(tiny_policy("abcdefgh>|!"), tokens, range(1), grad=False)


@pytest.mark.parametrize("role", [Role.POLICY, Role.CRITIC])
def test_saved_weights_go_back_into_a_model_exactly(tmp_path: Path, role: Role) -> None:
    model = load_model(spec_of("m", tiny_call(), role=role), seed=0)
    take_a_step(model)
    saved = weights(model)
    save_model(model, tmp_path)
    take_a_step(model)
    load_weights(model, tmp_path)
    assert same(weights(model), saved)


def test_weights_of_another_shape_are_not_copied() -> None:
    with pytest.raises(ModelError, match=r"do not fit `actor`: they differ in model\.layers\.2"):
        copy_weights(tiny_policy(layers=3), tiny_policy())


def test_weights_of_another_shape_are_not_loaded(tmp_path: Path) -> None:
    save_model(tiny_policy(layers=3), tmp_path)
    with pytest.raises(ModelError, match="do not fit `actor`"):
        load_weights(tiny_policy(), tmp_path)
    with pytest.raises(ModelError, match="holds no saved model"):
        load_weights(tiny_policy(), tmp_path / "nothing")
