"""Small models for the tests, and the log-probabilities that their own modules give."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rldsl.graph.spec import Invocation, ModelSpec, Role, Settings
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.signatures import Sampling
from rldsl.rollouts.tokenizers import characters
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.source import Span

ALPHABET = "abcdefgh>|"
NOWHERE = Span("test.rl", 0, 0)


def spec_of(name: str = "actor", origin: Invocation | None = None, *, role: Role = Role.POLICY, base: str | None = None,
            frozen: bool = False, shares: bool = False, settings: Settings = ()) -> ModelSpec:
    """A model declaration."""
    return ModelSpec(name, role, origin, base, frozen, shares, settings, NOWHERE)


def tiny_call(alphabet: str = ALPHABET, **arguments: Any) -> Invocation:
    """`tiny(...)`: two layers of width 32 unless said otherwise."""
    named = {"layers": 2, "width": 32, "heads": 4, "tokenizer": Invocation("characters", (alphabet,)), "initial": 0.3}
    return Invocation("tiny", (), tuple({**named, **arguments}.items()))


def tiny_policy(alphabet: str = ALPHABET, *, seed: int = 0, **arguments: Any) -> LoadedModel:
    """A random policy with a wide enough spread of probabilities to tell mistakes."""
    return load_model(spec_of(origin=tiny_call(alphabet, **arguments)), seed=seed)


def policy_from(folder: Path, config: Any, module_class: Any, **settings: Any) -> LoadedModel:
    """A random model of any architecture, saved with a character tokenizer and loaded as `hf("...")`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module_class(config).save_pretrained(folder)
    characters(ALPHABET).save_pretrained(folder)
    return load_model(spec_of(origin=Invocation("hf", (str(folder),)), settings=tuple(settings.items())), seed=0)


def letters(count: int, shortest: int, longest: int) -> list[str]:
    """Random prompts."""
    chance = random.Random(count)
    return ["".join(chance.choices("abcdefgh", k=chance.randint(shortest, longest))) + ">" for _ in range(count)]


def logp_by_module(model: LoadedModel, tokens: ResponseTokens, temperature: float = 1.0) -> np.ndarray[Any, Any]:
    """Log-probability of each token by the module's own forward, a sample at a time, without padding."""
    found = []
    for sample, place in enumerate(tokens.prompt_of_sample):
        own = tokens.ids[tokens.offsets[sample]:tokens.offsets[sample + 1]]
        ids = torch.from_numpy(np.concatenate([tokens.prompt_ids[place].astype(np.int64), own]))[None]
        with torch.inference_mode():
            logits = model.module(input_ids=ids).logits[0, -len(own) - 1:-1].float() / temperature
        found.append(torch.log_softmax(logits, -1)[torch.arange(len(own)), ids[0, -len(own):]])
    return torch.cat(found).double().numpy()


def greedy(count: int, **also: Any) -> Sampling:
    """Settings of a greedy rollout."""
    return Sampling(count, greedy=True, **also)
