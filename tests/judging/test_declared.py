"""What a `judge` declaration may say, and what is said where it may not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rldsl.rewards.judging.settings import Endpoint, JudgeSettings, endpoint_of
from rldsl.rewards.judging.signatures import Structured
from tests.judging.specs import checked, model_of, models_of

ALL = '''judge grader from openai(model: "m", base_url: env("JUDGE_URL"), key: env("JUDGE_KEY")) {
  timeout: 30s, retries: 4, connections: 64, temperature: 0.5, top_p: 0.9, max_tokens: 256, structured: object, seed: 7,
  tokens_per_minute: 100000, requests_per_minute: 600, price_in: 0.15, price_out: 0.6,
  most_calls: 10000, most_tokens: 5000000, most_money: 2
}'''


def test_every_setting_is_read() -> None:
    assert JudgeSettings.of(model_of(ALL)) == JudgeSettings(
        timeout=30.0, retries=4, connections=64, temperature=0.5, top_p=0.9, max_tokens=256, structured=Structured.OBJECT, seed=7,
        tokens_per_minute=100_000, requests_per_minute=600, price_in=0.15, price_out=0.6, most_calls=10_000,
        most_tokens=5_000_000, most_money=2.0)
    assert JudgeSettings.of(model_of(ALL)).deadline == 150


def test_what_is_not_written_is_as_the_table_says() -> None:
    assert JudgeSettings.of(model_of('judge j from openai(model: "m", base_url: "http://h/v1")')) == JudgeSettings()
    assert JudgeSettings.of(model_of('judge j from hf("models/judge") { max_tokens: 9 }')) == JudgeSettings(max_tokens=9)


def test_the_endpoint_takes_its_address_and_key_from_the_environment() -> None:
    found = endpoint_of(model_of(ALL), {"JUDGE_URL": "http://host:1/v1/", "JUDGE_KEY": "sk-1"})
    assert found == Endpoint("grader", "m", "http://host:1/v1/", "sk-1")
    assert (found.url, found.shown) == ("http://host:1/v1/chat/completions", "http://host:1/v1")
    assert "sk-1" not in repr(found)
    keyless = model_of('judge j from openai(model: "m", base_url: env("JUDGE_URL"))')
    guarded = endpoint_of(keyless, {"JUDGE_URL": "http://me:pw@host/v1"})
    assert guarded.shown == "http://host/v1"
    assert "pw" not in repr(guarded)
    assert found.hide("Bearer sk-1 is wrong") == "Bearer [the key] is wrong"


def test_local_judges_come_from_a_folder_small_random_weights_or_a_policy() -> None:
    found = models_of('''policy actor from tiny(tokenizer: characters("ab"))
judge folder from hf("models/judge") { max_tokens: 64, structured: schema, system: "You judge.", dtype: bf16, chat: false }
judge small from tiny(tokenizer: characters("ab"), positions: 512) { seed: 3 }
judge own = actor with { system: "You judge.", max_tokens: 64 }
judge old = frozen(actor) { retries: 0 }''')
    assert (found["own"].base, found["own"].shares_weights, found["old"].frozen) == ("actor", True, True)
    assert JudgeSettings.of(found["own"]).max_tokens == 64
    assert JudgeSettings.of(found["folder"]).structured is Structured.SCHEMA


@pytest.mark.parametrize(("written", "title"), [
    ('judge j from openai(model: "m")', "`openai` needs `base_url`"),
    ('judge j from openai(base_url: "http://h/v1")', "`openai` needs `model`"),
    ('judge j from openai(model: "m", base_url: "localhost:8000")', "`base_url` of `openai` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://")', "`base_url` of `openai` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://me:pw@h/v1")', "`base_url` of `openai` does not fit"),
    ('judge j from openai(model: "m", base_url: 3)', "`base_url` of `openai` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h", key: "sk-1")', "a key does not stand in a spec"),
    ('judge j from openai(model: "m", base_url: "http://h", key: env("MY KEY"))', "this is no name of an environment variable"),
    ('judge j from openai(model: "m", base_url: "http://h", key: env(3))', "`name` of `env` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h", key: env())', "`env` needs `name`"),
    ('judge j from openai(model: "m", base_url: "http://h", token: env("K"))', "`openai` has no argument `token`"),
    ('judge j from openai("m", base_url: "http://h")', "`openai` takes its arguments by name"),
    ('judge j from anthropic(model: "m")', "a judge does not come from there"),
    ('judge j from openai(model: "m", base_url: "http://h") { concurrency: 4 }', "a judge over HTTP has no setting `concurrency`"),
    ('judge j from openai(model: "m", base_url: "http://h") { dtype: bf16 }', "a judge over HTTP has no setting `dtype`"),
    ('judge j from hf("j") { connections: 4 }', "a local judge has no setting `connections`"),
    ('judge j from hf("j") { structured: object }', "`structured` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { structured: strict }', "`structured` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { timeout: 30 }', "`timeout` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { timeout: 0s }', "`timeout` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { connections: 0 }', "`connections` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { connections: 100000 }', "`connections` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { retries: -1 }', "`retries` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { retries: 1.5 }', "`retries` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { top_p: 0 }', "`top_p` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { max_tokens: 0 }', "`max_tokens` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { most_tokens: 0.5 }', "`most_tokens` does not fit"),
    ('judge j from openai(model: "m", base_url: "http://h") { most_money: 2 }', "`most_money` needs a price"),
    ('judge j from openai(model: "m", base_url: "http://h") { most_money: 2, price_in: 0 }', "`most_money` needs a price"),
])
def test_what_does_not_fit_is_said_where_it_stands(written: str, title: str) -> None:
    found = checked(written).diagnostics
    assert [entry.title for entry in found] == [title]
    assert found[0].fix
    assert found[0].why


def test_nothing_is_drawn_from_a_judge_over_http() -> None:
    spec = '''data problems from jsonl("problems.jsonl") { question: Text }
judge far from openai(model: "m", base_url: "http://h/v1")
judge near from tiny(tokenizer: characters("ab"))
rollout y ~ far(problems.question) { max_tokens: 4 }
rollout z ~ near(problems.question) { max_tokens: 4 }
reward r = verify.equal(z.text, problems.question)'''
    assert [entry.title for entry in checked(spec).diagnostics] == ["a judge over HTTP gives no tokens"]


def test_checking_a_judge_imports_no_http_no_numpy_and_no_torch() -> None:
    code = ('import sys; from pathlib import Path; from rldsl.source import Source;'
            'from rldsl.compiler import check_source; from rldsl.loading import project_loader;'
            f'found = check_source(Source("a.rl", {ALL!r}), project_loader(Path.cwd()));'
            'assert not found.diagnostics, found.diagnostics;'
            'print([name for name in ("aiohttp", "numpy", "torch", "jsonschema") if name in sys.modules])')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
