"""`similarity(enc, a, b)`: the vectors are those of the module itself, whatever stands beside a text in a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Invocation, ModelSpec, Role
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.run import HostCalls
from rldsl.rewards.similarity import Similarity
from rldsl.rollouts import encode
from rldsl.rollouts.encode import encode_texts
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.signatures import ModelError
from rldsl.source import Span

CALL = Foreign("similarity:enc", ("first", "second"))
TEXTS = ["ab", "abcd", "d", "aaaa", "", "dcba"]


def embedder(family: str = "qwen2", role: Role = Role.EMBEDDER, **settings: object) -> LoadedModel:
    """A small one with random weights, the same ones each time."""
    origin = Invocation("tiny", (), (("layers", 2), ("width", 16), ("heads", 2), ("positions", 8), ("family", family),
                                     ("tokenizer", Invocation("characters", ("abcd",))), ("initial", 0.3)))
    spec = ModelSpec("enc", role, origin, None, False, False, tuple(settings.items()), Span("test.rl", 0, 0))  # type: ignore[arg-type]
    return load_model(spec, seed=3)


def alone(model: LoadedModel, text: str) -> torch.Tensor:
    """The states of one text, computed by the module without any padding."""
    ids = torch.tensor([model.codec.encode([model.system + text], start=True)[0].tolist()])
    with torch.no_grad():
        found: torch.Tensor = model.module(input_ids=ids).last_hidden_state[0]
    return found


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_vector_is_the_module_s_own_whatever_stands_beside_it(family: str, pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = embedder(family, pooling=pooling)
    for tokens in (encode.TOKENS, 4):
        monkeypatch.setattr(encode, "TOKENS", tokens)
        found, refused = encode_texts(model, TEXTS)
        assert not refused
        for text, vector in zip(TEXTS, found, strict=True):
            expected = torch.zeros(16) if not text else alone(model, text).mean(0) if pooling == "mean" else alone(model, text)[-1]
            torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)


def test_a_cosine_is_that_of_the_vectors_and_equal_texts_are_computed_once() -> None:
    model = embedder()
    service = Similarity(lambda name: model)
    answers = service.answer(CALL, [["ab", "ab", "d", ""], ["ab", "abcd", "ab", "ab"]])
    one, other = alone(model, "ab").mean(0), alone(model, "abcd").mean(0)
    assert answers.values[0] == pytest.approx(1)
    assert answers.values[1] == pytest.approx(float(torch.nn.functional.cosine_similarity(one, other, dim=0)), abs=1e-5)
    assert answers.values[3] == 0
    assert answers.computed == 4


def test_an_embedder_is_read_as_it_is_at_the_time() -> None:
    model = embedder()
    service = Similarity(lambda name: model)
    before = service.answer(CALL, [["ab"], ["dd"]])
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    after = service.answer(CALL, [["ab"], ["dd"]])
    assert before.computed == after.computed == 2
    assert abs(before.values[0] - after.values[0]) > 1e-3


def test_a_text_that_is_too_long_has_failed_or_is_cut_where_the_spec_says_so() -> None:
    service = Similarity(lambda name: embedder())
    values = service.answer(CALL, [["ab", "abcdabcdab", "ab"], ["ab", "ab", "x"]]).values
    assert values[0] == pytest.approx(1)
    assert isinstance(values[1], Failure) and values[1].kind is FailureKind.LIMIT
    assert values[1].message.startswith("a text has 10 tokens, and `enc`, which reads it, has 8 positions; `cut: true`")
    assert isinstance(values[2], Failure) and values[2].kind is FailureKind.EXCEPTION
    assert "does not know the character 'x'" in values[2].message
    cut = Similarity(lambda name: embedder(cut=True)).answer(CALL, [["abcdabcdab"], ["abcdabcddd"]])
    assert cut.values == pytest.approx([1])


def test_what_stands_before_each_text_is_read_with_it() -> None:
    plain, prefixed = embedder(), embedder(system="aa")
    found, _ = encode_texts(prefixed, ["b"])
    torch.testing.assert_close(found[0], alone(plain, "aab").mean(0), rtol=1e-4, atol=1e-5)


def test_a_policy_does_not_compare_texts() -> None:
    with pytest.raises(ModelError, match="`enc` is a policy; texts are compared by an embedder"):
        encode_texts(embedder(role=Role.POLICY), ["ab"])


def test_what_was_compared_is_kept_until_the_weights_or_the_reading_change(tmp_path: Path) -> None:
    model = embedder()

    def asked(reader: LoadedModel, *texts: str) -> tuple[int, list[float]]:
        """How many pairs had to be compared, and the cosines."""
        with Keep(tmp_path) as keep:
            calls = HostCalls((), tmp_path, services={"similarity": Similarity(lambda name: reader)}, keep=keep)
            found = calls.call(CALL, [list(texts), ["abcd"] * len(texts)])
            return found.computed, list(found.values)
    first = asked(model, "ab", "d")
    assert (first[0], asked(model, "d", "ab", "dd")[0]) == (2, 1)
    assert asked(model, "ab", "d") == (0, first[1])
    assert asked(embedder(pooling="last"), "ab")[0] == 1
    with torch.no_grad():
        next(model.module.parameters())[0, 0] += 1e-6
    assert asked(model, "ab")[0] == 1
