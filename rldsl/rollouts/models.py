"""Models of a spec, loaded: random small ones, local Hugging Face folders, snapshots, other roles, critics, scorers.

Loads and holds; it neither samples (`sampler`), scores (`score`) nor moves weights (`weights`). Modules stay in
evaluation mode, trained ones too: dropout would make the sampler and the trainer two different policies.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast
from zlib import crc32

import torch
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
)

from rldsl.graph.spec import Average, Invocation, ModelSpec, Role
from rldsl.rollouts.critics import Critic, load_critic
from rldsl.rollouts.folders import check_loaded, find_folder, load_tokenizer, silently
from rldsl.rollouts.heads import body_of, check_head, vocabulary_head
from rldsl.rollouts.kept import Decoding
from rldsl.rollouts.masters import Master, rounded, with_master
from rldsl.rollouts.placement import CPU, DTYPES, Placement
from rldsl.rollouts.scorers import Sides, load_scorer, new_scorer, of_tokens, sides_of
from rldsl.rollouts.signatures import (
    HF_ARGUMENTS,
    SETTINGS_OF,
    TINY_ARGUMENTS,
    ModelError,
    arguments_of,
    checked,
)
from rldsl.rollouts.tokenizers import Codec, tokenizer_from

_FAMILIES: Final = {"qwen2": (Qwen2Config, Qwen2ForCausalLM, Qwen2ForSequenceClassification),
                    "llama": (LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification)}
_TRAINED_HERE: Final = (Role.POLICY, Role.CRITIC, Role.SCORER, Role.EMBEDDER)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that can be sampled, scored or trained. Models that share weights share `module`.

    `role` says what is read of it: probabilities of tokens (a policy), values of states (a critic), scores of texts (a
    scorer). `ends` are the tokens that end an answer; given texts end with the first. `system` stands before each prompt;
    `chat` says that prompts take the tokenizer's chat form. `pooling` and `cut` are an embedder's: how a text becomes one vector,
    and whether a longer one is cut to its positions. `sides` are a scorer's whose head gives several numbers. `master` are the
    float32 weights that are trained or averaged where `module` is computed in fewer bits; whoever changes those calls `settle`.
    `decoding` is how it is sampled, and what is kept for that.
    """

    name: str
    role: Role
    module: PreTrainedModel | Critic
    codec: Codec
    trainable: bool
    ends: tuple[int, ...]
    system: str = ""
    chat: bool = False
    pooling: str = "mean"
    cut: bool = False
    sides: Sides | None = None
    master: Master | None = None
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def kept(self) -> PreTrainedModel | Critic:
        """The weights as they are trained, averaged, copied and saved: in float32 where they are trained or averaged."""
        return self.module if self.master is None else cast("PreTrainedModel | Critic", self.master.module)

    def settle(self) -> None:
        """What is computed with follows what is kept."""
        if self.master is not None:
            self.master.publish()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The Hugging Face tokenizer."""
        return self.codec.tokenizer

    @property
    def body(self) -> Any:
        """The transformer without its head."""
        return _body(self.module, self.role)

    @property
    def head_weight(self) -> Tensor:
        """The vocabulary head's weight [V, H]; tied models share it with the embedding."""
        return vocabulary_head(self.policy_module)[0]

    @property
    def policy_module(self) -> PreTrainedModel:
        """The module of a policy. `ModelError` for a model that has no vocabulary."""
        if isinstance(self.module, Critic) or self.role is not Role.POLICY:
            gives = {Role.CRITIC: "values of states", Role.SCORER: "scores of texts"}.get(self.role, "vectors")
            raise ModelError(f"{self.role} `{self.name}` has no vocabulary head; it gives {gives}, and a policy is needed here")
        return self.module

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.module.parameters()).device

    @property
    def positions(self) -> int | None:
        """The longest prompt and answer together, where the architecture names a limit."""
        config: Any = self.module.config.get_text_config()
        return getattr(config, "max_position_embeddings", None)


def _body(module: Any, role: Role) -> Any:
    if role is Role.EMBEDDER:
        return module
    return module.backbone if isinstance(module, Critic) else body_of(module)


def load_model(spec: ModelSpec, *, seed: int, base: LoadedModel | None = None, root: Path = Path("."),
               placement: Placement = CPU) -> LoadedModel:
    """The model that `spec` declares. `base` is what `spec.base` names, loaded; `root` the project's folder. A derived model is
    where its base is, in its number format.

    Random weights depend on `seed` and the model's name alone, or on the `seed` written in `tiny(...)`. Raises
    `ModelError` for the user's mistakes.
    """
    if spec.role not in _TRAINED_HERE:
        raise ModelError(f"{spec.role} `{spec.name}` cannot be loaded as a language model yet: only policies, "
                         "critics, scorers and embedders can")
    settings = checked(dict(spec.settings), SETTINGS_OF[spec.role], f"{spec.role} `{spec.name}`")
    if spec.origin is None:
        if base is None:
            raise ModelError(f"`{spec.name}` is made from `{spec.base}`, which is not loaded")
        return _derived(spec, settings, base)
    dtype = placement.dtype if settings["dtype"] is None else DTYPES[settings["dtype"]]
    settings["dtype"] = torch.float32 if _is_moved(spec) else dtype
    loaded, tokenizer = _from_origin(spec, spec.origin, settings, seed, root)
    cast(Any, loaded).to(placement.device).eval().requires_grad_(not spec.frozen)
    module, master = with_master(loaded, dtype) if _is_moved(spec) else (loaded, None)
    if isinstance(module, PreTrainedModel) and spec.role is Role.POLICY:
        check_head(module)
    codec = Codec.of(tokenizer)
    sides = sides_of(cast(PreTrainedModel, module), codec, settings, spec.name) if spec.role is Role.SCORER else None
    return _with_settings(LoadedModel(spec.name, spec.role, module, codec, not spec.frozen, _ends(spec, module, tokenizer),
                                      sides=sides, master=master), settings)


def _is_moved(spec: ModelSpec) -> bool:
    """Whether small steps are added to its weights: by an optimizer, or by an average."""
    return not spec.frozen or isinstance(spec.follows, Average)


def _from_origin(spec: ModelSpec, origin: Invocation, settings: Mapping[str, Any], seed: int,
                 root: Path) -> tuple[PreTrainedModel | Critic, PreTrainedTokenizerBase]:
    match origin.name:
        case "tiny":
            given = checked(arguments_of(origin, TINY_ARGUMENTS), TINY_ARGUMENTS, "tiny")
            tokenizer = tokenizer_from(given["tokenizer"])
            own = given["seed"]
            seeds = (seed, crc32(spec.name.encode())) if own is None else (own, 0)
            return _tiny(given, tokenizer, spec.role, seeds, settings), tokenizer
        case "hf":
            given = checked(arguments_of(origin, HF_ARGUMENTS), HF_ARGUMENTS, "hf")
            return _from_folder(find_folder(given["folder"], root), spec.role, settings)
        case other:
            raise ModelError(f"`{spec.name}`: there is no model `{other}(...)`; there are tiny(...) and "
                             'hf("folder")')


def _tiny(given: dict[str, Any], tokenizer: PreTrainedTokenizerBase, role: Role, seeds: tuple[int, int],
          settings: Mapping[str, Any]) -> PreTrainedModel | Critic:
    """Random weights; the process's own random state is left as it was."""
    width, heads, kv_heads = given["width"], given["heads"], given["kv_heads"] or given["heads"]
    if width % (2 * heads):
        raise ModelError(f"tiny: `width: {width}` must be an even multiple of `heads: {heads}`, for example "
                         f"{max(1, round(width / (2 * heads))) * 2 * heads}")
    if heads % kv_heads:
        raise ModelError(f"tiny: `kv_heads: {kv_heads}` must divide `heads: {heads}`")
    config_class, policy_class, scorer_class = _FAMILIES[given["family"]]
    config = config_class(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=given["inner"] or 4 * width,
        num_hidden_layers=given["layers"], num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=given["positions"], tie_word_embeddings=given["tied"],
        initializer_range=given["initial"], pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((seeds[0] * 0x9E3779B97F4A7C15 + seeds[1]) % 2**63)
        has_own_head = role is Role.SCORER and not of_tokens(settings)
        module: Any = new_scorer(scorer_class, config) if has_own_head else policy_class(config)
    if settings["dtype"] is not torch.float32:
        rounded(module, settings["dtype"])
    if role is Role.EMBEDDER:
        body: PreTrainedModel = module.base_model
        return body
    return Critic(module.base_model) if role is Role.CRITIC else module


def _from_folder(folder: Path, role: Role,
                 settings: Mapping[str, Any]) -> tuple[PreTrainedModel | Critic, PreTrainedTokenizerBase]:
    tokenizer, dtype = load_tokenizer(folder), settings["dtype"]
    if role is Role.CRITIC:
        return load_critic(folder, dtype), tokenizer
    if role is Role.SCORER:
        return load_scorer(folder, dtype, settings), tokenizer
    loader: Any = AutoModel if role is Role.EMBEDDER else AutoModelForCausalLM
    with silently():
        module, found = loader.from_pretrained(folder, dtype=dtype, local_files_only=True, output_loading_info=True)
    check_loaded(folder, found, also=("lm_head.", "embed_out.", "score.") if role is Role.EMBEDDER else ())
    return module, tokenizer


def _derived(spec: ModelSpec, settings: dict[str, Any], base: LoadedModel) -> LoadedModel:
    """A snapshot, a critic that starts from another model's body, or another role of the same weights."""
    for name, what in (("dtype", "number format"), ("positive", "head"), ("good", "head"), ("bad", "head")):
        if name in dict(spec.settings):
            raise ModelError(f"`{spec.name}` has the {what} of `{spec.base}`; write `{name}` there")
    kept = {name: value for name, value in settings.items() if name in dict(spec.settings)}
    inherited = {"system": base.system, "chat": base.chat, "pooling": base.pooling, "cut": base.cut, **kept}
    module, master = _derived_weights(spec, base)
    decoding = base.decoding if module is base.module else Decoding()
    trainable = base.trainable if spec.shares_weights else not spec.frozen
    sides = base.sides if spec.role is Role.SCORER else None
    return _with_settings(LoadedModel(spec.name, spec.role, module, base.codec, trainable, base.ends, sides=sides, master=master,
                                      decoding=decoding), inherited)


def _derived_weights(spec: ModelSpec, base: LoadedModel) -> tuple[PreTrainedModel | Critic, Master | None]:
    """The base's own, or a copy: of what it keeps where the copy will move by small steps, else of what it computes with."""
    becomes_critic = spec.role is Role.CRITIC and base.role is not Role.CRITIC
    if spec.shares_weights and not becomes_critic:
        return base.module, base.master
    source = base.kept if _is_moved(spec) else base.module
    module: PreTrainedModel | Critic = Critic(copy.deepcopy(_body(source, base.role))) if becomes_critic else copy.deepcopy(source)
    module.eval().requires_grad_(not spec.frozen).zero_grad(set_to_none=True)
    if not _is_moved(spec):
        return module, None
    dtype = base.body.dtype
    if dtype is not torch.float32 and base.master is None:
        rounded(module, torch.float32)
    return with_master(module, dtype)


def _with_settings(model: LoadedModel, settings: dict[str, Any]) -> LoadedModel:
    has_form = getattr(model.tokenizer, "chat_template", None) is not None
    if settings["chat"] and not has_form:
        raise ModelError(f"`{model.name}` has `chat: true`, but its tokenizer has no chat form; leave it out")
    chat = has_form if settings["chat"] is None else settings["chat"]
    found = replace(model, system=settings["system"], chat=chat)
    return replace(found, pooling=settings["pooling"], cut=settings["cut"]) if model.role is Role.EMBEDDER else found


def _ends(spec: ModelSpec, module: PreTrainedModel | Critic, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The tokenizer's end token, then those that the checkpoint's generation settings name."""
    config = getattr(module, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    also = named if isinstance(named, list) else [named]
    own = [tokenizer.eos_token_id, *([tokenizer.sep_token_id] if spec.role is Role.EMBEDDER else []), *also]
    ends = tuple(dict.fromkeys(end for end in own if end is not None))
    if not ends and spec.role is not Role.EMBEDDER:
        raise ModelError(f"the tokenizer of `{spec.name}` has no end token (eos_token), so no answer could end; set "
                         "one in its tokenizer_config.json")
    return ends
