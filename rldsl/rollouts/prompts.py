"""Prompts as a model sees them: its system text, its chat form, its tokens. Nothing is cut to fit."""

from __future__ import annotations

from collections.abc import Sequence

from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Ids


def encode_prompts(model: LoadedModel, prompts: Sequence[str]) -> tuple[Ids, ...]:
    """Tokens of each prompt. An empty one is refused: a policy needs a token to go on from."""
    encoded = model.codec.encode([_formed(model, prompt) for prompt in prompts], start=not model.chat)
    for row, ids in enumerate(encoded):
        if len(ids) == 0:
            raise ModelError(f"prompt {row + 1} is empty: `{model.name}` needs at least one token to go on from; "
                             "put a character before it, or give the tokenizer a start token", row)
    return tuple(encoded)


def check_fits(model: LoadedModel, prompts: Sequence[Ids], answers: Sequence[int]) -> None:
    """Refuses the first prompt whose answer of at most `answers[i]` tokens would pass the model's last position."""
    limit = model.positions
    if limit is None:
        return
    for row, (ids, answer) in enumerate(zip(prompts, answers, strict=True)):
        if len(ids) + answer > limit:
            raise ModelError(f"row {row + 1} has {len(ids)} tokens of prompt and up to {answer} of answer, "
                             f"{len(ids) + answer} together; `{model.name}` has {limit} positions", row)


def _formed(model: LoadedModel, prompt: str) -> str:
    if not model.chat:
        return model.system + prompt
    messages = [{"role": "system", "content": model.system}] if model.system else []
    messages.append({"role": "user", "content": prompt})
    return str(model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
