"""Model reads as the language types them: where they stand, in what range, live or not; and the words of those it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics import Diagnostic
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.source import Source

HEAD = """
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
policy ref = frozen(actor)
scorer rm from hf("judge")
scorer old = frozen(rm)
critic v from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
response win = pairs.chosen given pairs.prompt for rm
reward correct = verify.equal(y.text, problems.answer)
"""


def result_of(text: str) -> CheckResult:
    return check_source(Source("test.rl", text), project_loader(Path(__file__).parent))


def checked(body: str) -> tuple[Spec | None, list[Diagnostic]]:
    """The spec and its errors."""
    result = result_of(HEAD + body)
    return result.spec, list(result.errors)


def type_of(expression: str) -> str:
    """The type of a top-level value."""
    spec, errors = checked(f"let found = {expression}\n")
    assert spec is not None and not errors, [(entry.title, entry.why) for entry in errors]
    return str(spec.graph[next(entry.key for entry in spec.lets if entry.name == "found")].type)


@pytest.mark.parametrize(("expression", "wanted"), [
    ("score(rm, y)", "Real @ y.sample"), ("score(rm, y, per: sample)", "Real @ y.sample"),
    ("score(rm, y, per: token)", "Real @ y.token"), ("score(rm, win)", "Real @ pairs"),
    ("score(rm, y given problems.question)", "Real @ y.sample"), ("value(v, y)", "Real @ y.token"),
])
def test_a_score_stands_at_the_answers_and_a_value_at_the_tokens(expression: str, wanted: str) -> None:
    assert type_of(expression) == wanted


@pytest.mark.parametrize(("expression", "wanted"), [
    ("js(ref, actor, y)", "Real in [0, 0.6931471805599453] @ y.token"),
    ("js(ref, actor, y, weight: 0.5)", "Real in [0, 0.6931471805599453] @ y.token"),
    ("alpha_divergence(ref, actor, y, alpha: 0.2)", "Real in [0, 6.249999999999999] @ y.token"),
    ("alpha_divergence(ref, actor, y, alpha: -2, temperature: 2)", "Real in [0, inf) @ y.token"),
])
def test_divergences_have_the_range_of_their_parameter(expression: str, wanted: str) -> None:
    assert type_of(expression) == wanted


def test_a_parameter_of_a_divergence_may_be_a_parameter_of_the_spec() -> None:
    spec, errors = checked("param b: Real in (0, 1) = 0.2\nlet one = js(ref, actor, y)\nlet other = js(ref, actor, y, weight: b)\n")
    assert spec is not None and not errors
    reads = {node.operation for node in spec.graph.nodes if getattr(node.operation, "kind", None) == "js"}
    assert {read.parameter for read in reads} == {0.5, 0.2}  # two reads, not one


@pytest.mark.parametrize(("call", "said"), [
    ("js(ref, actor, y, weight: 0)", "lies between 0 and 1"), ("js(ref, actor, y, weight: 1)", "lies between 0 and 1"),
    ("js(ref, actor, y, weight: mean(y.length))", "lies between 0 and 1"),
    ("alpha_divergence(ref, actor, y, alpha: 0)", "neither 0 nor 1"),
    ("alpha_divergence(ref, actor, y, alpha: 1)", "neither 0 nor 1"),
    ("alpha_divergence(ref, actor, y, alpha: 101)", "neither 0 nor 1"),
])
def test_a_parameter_that_makes_no_divergence_is_refused(call: str, said: str) -> None:
    _, errors = checked(f"let found = {call}\n")
    assert [entry.code for entry in errors] == ["RL020"] and said in errors[0].title


def test_a_score_is_live_in_its_own_objective_alone() -> None:
    spec, errors = checked("""
let before = score(rm, y)
objective fit for rm { minimize loss: mean((score(rm, y) - correct) ^ 2) + 0 * mean(score(old, y)) }
objective pg for actor { maximize gain: mean(logp(actor, y) * (score(rm, y) - before)) }
""")
    assert spec is not None and not errors, [(entry.title, entry.why) for entry in errors]
    reads = [(node.operation.model, node.operation.version.value, sorted(node.type.live)) for node in spec.graph.nodes
             if getattr(node.operation, "kind", None) == "score"]
    assert sorted(reads) == [("old", "frozen", []), ("rm", "current", ["rm"]), ("rm", "iteration", [])]


@pytest.mark.parametrize(("body", "code", "said"), [
    ("let found = value(rm, y)", "RL020", "`score(rm, y, per: token)`"),
    ("let found = score(v, y)", "RL020", "`value(v, y)`"),
    ("let found = logp(rm, y)", "RL020", "name a policy"),
    ("let found = score(rm, y.text)", "RL020", "with the rollout `y` itself"),
    ("let found = score(rm, y, per: prompt)", "RL104", "`score(rm, y)`"),
    ("rollout z ~ rm(problems.question) { max_tokens: 4 }", "RL032", "rollout z ~ actor"),
    ("scorer other = frozen(actor)", "RL032", "an origin of its own"),
])
def test_reads_of_the_wrong_model_are_answered_with_the_right_one(body: str, code: str, said: str) -> None:
    _, errors = checked(body + "\n")
    assert [entry.code for entry in errors] == [code] and said in (errors[0].fix or ""), errors


MASKED = """
policy mask = frozen(actor)
rollout z ~ actor(problems.question) { samples: 4, max_tokens: 8, within: top_p(mask, 0.9, least: 3, ends: true) }
rollout cut ~ actor(problems.question) { samples: 4, max_tokens: 8, top_k: 20 }
"""


@pytest.mark.parametrize(("expression", "wanted"), [
    ("logp(actor, z, within: z.support)", "Real in (-inf, 0] @ z.token"),
    ("entropy(actor, cut, within: cut.support)", "Real in [0, inf) @ cut.token"),
    ("kl(ref, actor, z, within: z.support, temperature: 2)", "Real in [0, inf) @ z.token"),
    ("js(ref, actor, z, weight: 0.5, within: z.support)", "Real in [0, 0.6931471805599453] @ z.token"),
])
def test_a_read_within_a_support_has_the_type_of_the_read(expression: str, wanted: str) -> None:
    spec, errors = checked(MASKED + f"let found = {expression}\n")
    assert spec is not None and not errors, [(entry.title, entry.why) for entry in errors]
    key = next(entry.key for entry in spec.lets if entry.name == "found")
    assert str(spec.graph[key].type) == wanted and spec.graph[key].operation.within  # type: ignore[union-attr]


@pytest.mark.parametrize(("body", "code", "said"), [
    ("let found = logp(actor, y, within: y.support)", "RL024", "leave it out"),
    ("let found = logp(actor, win, within: win.support)", "RL024", "`logp(rm, win)` scores it"),
    ("let found = logp(actor, z, within: cut.support)", "RL103", "`within: z.support`"),
    ("let found = logp(actor, z, within: 0.9)", "RL020", "`within: z.support`"),
    ("let found = logp(actor, z, within: top_p(mask, 0.9))", "RL011", "did you mean"),
    ("let found = value(v, z, within: z.support)", "RL021", "it takes `model`, `response`"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: 0.9 }", "RL018", "top_p"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_q(mask, 0.9) }", "RL018", "top_p"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_p(rm, 0.9) }", "RL032", "policy mask = frozen(actor)"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_p(0.9) }", "RL021", "top_p(share: …)"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_p(mask, 1.5) }", "RL018", "share"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_k(mask, 0.5) }", "RL018", "count"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_k(mask, 5, ends: 1) }", "RL018", "ends: true"),
    ("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_p(masks, 0.9) }\nlet x = logp(actor, w, within: w.support)",
     "RL011", "mask"),
])
def test_a_support_that_is_none_is_answered_with_what_to_write(body: str, code: str, said: str) -> None:
    _, errors = checked(MASKED + body + "\n")
    assert [entry.code for entry in errors] == [code] and said in (errors[0].fix or "") + errors[0].why, errors


def test_a_mask_may_be_declared_after_its_rollout() -> None:
    spec, errors = checked("rollout w ~ actor(problems.question) { max_tokens: 8, within: top_k(late, 5) }\n"
                           "policy late = frozen(actor)\n")
    assert spec is not None and not errors, errors


def test_a_function_may_ask_for_a_scorer() -> None:
    function = "fn margin(judge: Scorer, a: Response, b: Response) -> Real = score(judge, a) - score(judge, b)\n"
    pair = "response lose = pairs.rejected given pairs.prompt for rm\n"
    spec, errors = checked(function + pair + "let found = margin(rm, win, lose)\n")
    assert spec is not None and not errors
    _, errors = checked(function + pair + "let found = margin(actor, win, lose)\n")
    assert [entry.code for entry in errors] == ["RL026"] and "a Scorer" in errors[0].title


def test_a_spec_without_policies_has_the_tokens_of_its_scorer() -> None:
    text = """
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text }
scorer rm from hf("judge")
SECOND
response win = pairs.chosen given pairs.prompt
"""
    result = result_of(text.replace("SECOND", ""))
    assert result.spec is not None and not result.errors and result.spec.responses[0].model == "rm"
    unclear = result_of(text.replace("SECOND", 'scorer second from hf("other")'))
    assert [entry.code for entry in unclear.errors] == ["RL034"] and "2 models" in unclear.errors[0].why
