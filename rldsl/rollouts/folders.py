"""Finds a model's folder on this machine, says what it lacks, loads its tokenizer. Downloads nothing, ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging

from rldsl.rollouts.signatures import ModelError

VALUE_HEAD = "value_head.safetensors"

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_MAY_BE_MISSING = ("rotary_emb.inv_freq", "attn.bias", "attn.masked_bias")


def find_folder(name: str, root: Path) -> Path:
    """The folder that `hf("name")` means: below `root`, absolute, or in the Hugging Face cache."""
    folder = root / Path(name).expanduser()
    if not folder.is_dir():
        folder = _cached(name)
    if not (folder / "config.json").is_file():
        raise ModelError(f"`{folder}` is no model folder: it has no config.json; name the folder that holds "
                         "config.json, the weights and the tokenizer")
    if not _has_any(folder, _WEIGHTS):
        raise ModelError(f"`{folder}` has a config.json but no weights (*.safetensors); copy them there")
    if not _has_any(folder, _TOKENIZER):
        raise ModelError(f"`{folder}` has weights but no tokenizer (tokenizer.json); copy it from the model "
                         "that the weights were trained from")
    return folder


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer as its folder describes it.

    transformers 5 takes its own class for some architectures (qwen2 among them) whatever the folder says, which makes
    another tokenizer of a tokenizer.json that stands for itself.
    """
    described = folder / "tokenizer_config.json"
    named = json.loads(described.read_text(encoding="utf-8")).get("tokenizer_class") if described.is_file() else None
    stands_alone = named in ("TokenizersBackend", "PreTrainedTokenizerFast") and (folder / "tokenizer.json").is_file()
    loader: Any = PreTrainedTokenizerFast if stands_alone else AutoTokenizer
    tokenizer: PreTrainedTokenizerBase = loader.from_pretrained(folder, local_files_only=True)
    return tokenizer


@contextmanager
def silently() -> Iterator[None]:
    """Loads and saves silently (`check_loaded` says what does not fit); puts transformers' output back as it was."""
    output: Any = logging
    were_on, verbosity = output.is_progress_bar_enabled(), output.get_verbosity()
    output.disable_progress_bar()
    output.set_verbosity_error()
    try:
        yield
    finally:
        output.set_verbosity(verbosity)
        if were_on:
            output.enable_progress_bar()


def check_loaded(folder: Path, found: dict[str, Any], also: tuple[str, ...] = (), new: tuple[str, ...] = ()) -> None:
    """Refuses weights that are missing (but for those of `new` layers), of another shape, or left over (but for the
    prefixes `also`)."""
    missing = sorted(key for key in found["missing_keys"] if not key.endswith(_MAY_BE_MISSING) and key not in new)
    extra = sorted(key for key in found["unexpected_keys"] if not key.startswith(also or ("\0",)))
    other = sorted(str(entry[0]) for entry in found["mismatched_keys"])
    for keys, fault in ((missing, "lacks"), (other, "has another shape for"), (extra, "has too much:")):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise ModelError(f"the weights in `{folder}` do not fit the architecture of its config.json: "
                             f"the folder {fault} {', '.join(keys[:3])}{more}")


def _has_any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def _cached(name: str) -> Path:
    parts = name.split("/")
    is_hub_name = len(parts) == 2 and all(parts) and not name.startswith((".", "~"))
    try:
        found = try_to_load_from_cache(name, "config.json") if is_hub_name else None
    except ValueError:  # no name that the hub allows
        found, is_hub_name = None, False
    if isinstance(found, str):
        return Path(found).parent
    if is_hub_name:
        local = f"models/{parts[1]}"
        raise ModelError(f"there is no folder `{name}` and no such model in the Hugging Face cache; rldsl downloads "
                         f"nothing: run `hf download {name} --local-dir {local}` and write hf(\"{local}\")")
    raise ModelError(f"there is no folder `{name}`; hf(\"...\") takes a local folder with config.json, "
                     "weights and tokenizer")
