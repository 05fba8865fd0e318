"""Names, types and ranges of arguments and settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rldsl.graph.spec import Invocation
from rldsl.rollouts.models import load_model
from rldsl.rollouts.signatures import SAMPLING_SETTINGS, TINY_ARGUMENTS, ModelError, Sampling, faults
from tests.rollouts.policies import spec_of, tiny_call


def test_the_tables_load_without_torch_and_transformers() -> None:
    script = ("import sys, rldsl.rollouts.signatures; "
              "assert not {'torch', 'transformers', 'tokenizers', 'numpy'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_unknown_argument_is_named_with_what_was_meant() -> None:
    with pytest.raises(ModelError, match=r"tiny has no `layer`; did you mean `layers`\?"):
        load_model(spec_of(origin=tiny_call(layer=2)), seed=0)
    with pytest.raises(ModelError, match=r"policy `actor` has no `dtyp`; did you mean `dtype`\?"):
        load_model(spec_of(origin=tiny_call(), settings=(("dtyp", "bf16"),)), seed=0)


@pytest.mark.parametrize(("name", "value", "expected"), [
    ("layers", 0, "takes a whole number from 1 up, not 0"),
    ("layers", 1.5, "takes a whole number from 1 up, not 1.5"),
    ("initial", 0, "takes a number above 0, not 0"),
    ("family", "gpt", 'takes qwen2 or llama, not "gpt"'),
    ("tied", 1, "takes true or false, not 1"),
    ("tokenizer", "abc", 'takes a call such as characters("abc"), not "abc"'),
])
def test_a_value_that_does_not_fit_is_told_with_what_fits(name: str, value: object, expected: str) -> None:
    given = {"tokenizer": Invocation("characters", ("ab",)), name: value}
    assert [fault.split("tiny ")[-1] for fault in faults(given, TINY_ARGUMENTS, "tiny")] == [expected]


def test_what_must_be_written_is_asked_for() -> None:
    assert list(faults({}, TINY_ARGUMENTS, "tiny")) == [
        'tiny needs `tokenizer`: how text becomes tokens: characters("...")']
    with pytest.raises(ModelError, match="needs `max_tokens`"):
        Sampling.of((("samples", 4),))


def test_sampling_settings_are_read_and_others_left_alone() -> None:
    settings = (("max_tokens", 8.0), ("temperature", 2), ("stop", "|"), ("turns", 3))
    assert Sampling.of(settings) == Sampling(8, temperature=2.0, stop=("|",))
    assert set(SAMPLING_SETTINGS) <= set(Sampling.__dataclass_fields__)


@pytest.mark.parametrize(("name", "value"), [("temperature", 0), ("top_p", 0), ("top_p", 1.1), ("samples", 0),
                                             ("max_tokens", 0), ("top_k", -1), ("stop", ""), ("min_tokens", 9)])
def test_sampling_settings_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=name):
        Sampling.of((*({"max_tokens": 8, name: value}).items(),))  # type: ignore[arg-type]


@pytest.mark.parametrize(("arguments", "expected"), [
    ({"width": 30}, r"`width: 30` must be an even multiple of `heads: 4`, for example 32"),
    ({"kv_heads": 3}, r"`kv_heads: 3` must divide `heads: 4`"),
    ({"tokenizer": Invocation("bytes")}, "no tokenizer `bytes`"),
])
def test_sizes_that_do_not_go_together_are_refused(arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        load_model(spec_of(origin=tiny_call(**arguments)), seed=0)
