"""Whole runs of small specs: what they leave behind, what they say, and that the same seed gives the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rldsl.program import BackendName
from rldsl.train.loop import counted
from rldsl.train.outcome import Ending, RunError, RunResult
from rldsl.train.rollout_log import read_rollouts
from tests.train.specs import GRPO, HEAD, ROLLOUT, TASKS, WHOLE, lines_of, numbers_of, project_of, run, weights_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    """A run that several tests look at."""
    folder = tmp_path_factory.mktemp("finished")
    return run(WHOLE, folder), folder / "run"


def test_a_run_leaves_a_whole_folder(finished: tuple[RunResult, Path]) -> None:
    result, folder = finished
    assert (result.ending, result.iteration, result.step, result.exit_status) == (Ending.FINISHED, 4, 8, 0)
    names = {path.name for path in folder.iterdir()}
    assert {"spec.rl", "spec.sha256", "parameters.json", "metrics.jsonl", "tensorboard", "rollouts", "checkpoints",
            "report.html", "environment.json", "explain.json"} <= names
    assert (folder / "checkpoints/checkpoint-4/models/actor/model.safetensors").is_file()
    report = (folder / "report.html").read_text()
    assert "maximize surrogate = mean" in report
    assert '<p class="soft">finished after 4 iterations · spec' in report


def test_metrics_have_their_names(finished: tuple[RunResult, Path]) -> None:
    lines = numbers_of(finished[1])
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4]
    assert {"reward", "reward_std", "frac_reward_zero_std", "rewards/correct/mean", "rewards/places/std", "loss", "grad_norm",
            "lr", "num_tokens", "entropy", "objective/surrogate", "objective/entropy", "completions/mean_length",
            "completions/clipped_ratio", "sampler_trainer_logp_difference"} <= lines[0].keys()
    assert lines[0]["reward"] == lines[0]["rewards/places/mean"]
    assert lines[3]["num_tokens"] > lines[0]["num_tokens"] > 0


def test_sampler_and_trainer_are_one_policy(finished: tuple[RunResult, Path]) -> None:
    result, _ = finished
    assert result.logp_difference is not None and result.logp_difference <= 1e-5


def test_every_reward_of_every_sample_is_kept(finished: tuple[RunResult, Path]) -> None:
    folder = finished[1]
    samples = [sample for iteration, sample in read_rollouts(folder) if iteration == 2]
    assert len(samples) == 8 * 4
    assert all(set(sample.rewards) == {"correct", "places"} for sample in samples)
    mean = sum(float(str(sample.rewards["places"])) for sample in samples) / len(samples)
    assert mean == pytest.approx(numbers_of(folder)[1]["rewards/places/mean"])
    assert samples[0].prompt.endswith(">") and samples[0].data["answer"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not(tmp_path: Path) -> None:
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(WHOLE, tmp_path, out=out, seed=seed)
    assert lines_of(tmp_path / "a") == lines_of(tmp_path / "b") != lines_of(tmp_path / "c")
    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b") != weights_of(tmp_path / "c")


@pytest.mark.wide(2)
@pytest.mark.parametrize("micro_batch", ["1 samples", "2 samples", "1 prompts", "3 prompts", "5 tokens"])
def test_micro_batches_change_nothing_but_rounding(tmp_path: Path, micro_batch: str) -> None:
    cut = WHOLE.replace("clip_gradient: 1.0", f"clip_gradient: 1.0, micro_batch: {micro_batch}")
    run(WHOLE, tmp_path, out="whole", stop_after=1)
    run(cut, tmp_path, out="cut", stop_after=1)
    whole, parts = (numbers_of(tmp_path / out)[0] for out in ("whole", "cut"))
    assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_a_batch_coupled_objective_is_split_in_two_passes(tmp_path: Path) -> None:
    text = WHOLE.replace("maximize entropy: 0.003 * mean(entropy(actor, y))",
                         "maximize entropy: 0.003 * mean(entropy(actor, y), where: entropy(actor, y) >= "
                         "quantile(entropy(actor, y), 0.8))")
    run(text, tmp_path, out="whole", stop_after=1)
    run(text.replace("clip_gradient: 1.0", "clip_gradient: 1.0, micro_batch: 1 prompts"), tmp_path, out="cut", stop_after=1)
    whole, parts = (numbers_of(tmp_path / out)[0] for out in ("whole", "cut"))
    assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)


@pytest.mark.wide(1)
@pytest.mark.parametrize("backend", ["torch", "triton"])
def test_the_other_backends_train_the_same_way(tmp_path: Path, backend: BackendName) -> None:
    if backend == "triton":
        pytest.importorskip("triton", reason="Triton is not installed")
    run(WHOLE, tmp_path, out="numba", stop_after=1)
    run(WHOLE, tmp_path, out="other", stop_after=1, backend=backend)
    numba, other = (numbers_of(tmp_path / out)[0] for out in ("numba", "other"))
    assert other["loss"] == pytest.approx(numba["loss"], rel=1e-4, abs=1e-6)
    assert other["grad_norm"] == pytest.approx(numba["grad_norm"], rel=1e-4)


def test_a_run_on_triton_says_where_it_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RunError, match="the Triton back end cannot run here: there is no CUDA device"):
        run(WHOLE, tmp_path, backend="triton")


def test_imitation_learns_to_end_its_answers(tmp_path: Path) -> None:
    text = HEAD + """
response shown = problems.answer given problems.question
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) }
train { repeat 20 { draw 16 prompts
  update actor with imitation { optimizer: adamw(lr: 3e-2) } } }
"""
    run(text, tmp_path)
    losses = [line["loss"] for line in numbers_of(tmp_path / "run")]
    assert losses[-1] < 0.7 * losses[0]
    assert not list((tmp_path / "run/rollouts").iterdir())


def test_a_text_that_was_sampled_is_an_answer_to_the_prompt_of_its_row(tmp_path: Path) -> None:
    """The question spreads to each of its samples; a whole answer has the log-probability that the sampler gave it."""
    text = HEAD.replace('characters("a', 'characters("<pa') + ROLLOUT + """
response again = y.text given problems.question
let whole = y.finished and not text.contains(y.text, "<")
objective same for actor {
  let gap = sum(logp(actor, again), per: sample) - sum(y.logp, per: sample)
  minimize gap: mean(abs(gap), where: whole)
  minimize square: mean(gap * gap, where: whole)
}
train { repeat 1 { draw 8 prompts  update actor with same { optimizer: adamw(lr: 1e-2) } } }
"""
    run(text, tmp_path)
    line = numbers_of(tmp_path / "run")[0]
    assert line["completions/clipped_ratio"] < 0.9
    assert line["loss"] == pytest.approx(0, abs=1e-4)


@pytest.mark.slow
def test_parameters_follow_their_schedules_and_what_is_set(tmp_path: Path) -> None:
    text = WHOLE.replace("0.003 *", "beta *").replace("lr: 1e-2", "lr: linear(1e-2 -> 0, steps: 4)") \
        + "\nparam beta: Real in [0, 1] = linear(0.1 -> 0, steps: 4)\n"
    run(text, tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert [line["lr"] for line in lines] == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])
    ratios = [line["objective/entropy"] / line["entropy"] for line in lines]
    assert ratios == pytest.approx([0.1, 0.075, 0.05, 0.025])
    run(text, tmp_path, out="set", overrides={"beta": "0.5"})
    line = numbers_of(tmp_path / "set")[0]
    assert line["objective/entropy"] == pytest.approx(0.5 * line["entropy"])
    assert json.loads((tmp_path / "set/parameters.json").read_text())["parameters"] == {"beta": 0.5}


@pytest.mark.slow
def test_a_parameter_may_be_called_what_python_reserves_and_be_imported(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project")
    (project / "bonus.rl").write_text("param beta: Real in [0, 1] = 0.2\n", encoding="utf-8")
    text = WHOLE.replace("0.003 *", "lambda * bonus.beta *") + \
        '\nparam lambda: Real in [0, 1] = 0.1\nimport "bonus.rl" as bonus\n'
    run(text, tmp_path)
    line = numbers_of(tmp_path / "run")[0]
    assert line["objective/entropy"] == pytest.approx(0.02 * line["entropy"])


def test_epochs_repeat_the_rows_in_another_order(tmp_path: Path) -> None:
    result = run(WHOLE.replace("clip_gradient: 1.0", "clip_gradient: 1.0, epochs: 3"), tmp_path)
    assert result.step == 4 * 2 * 3


def test_stages_evaluations_and_saves_stand_where_they_are_written(tmp_path: Path) -> None:
    train = """
data unseen from python("tasks:problems", count: 12) { question: Text  answer: Text target  number: Int }
eval heldout on unseen { samples: 2, rows: 6 report success: mean(correct), mean(places) }
train {
  evaluate heldout
  stage warm { repeat 2 { draw 4 prompts  update actor with grpo { optimizer: adamw(lr: 1e-2) } } }
  stage main { repeat 4 { draw 4 prompts  update actor with grpo { optimizer: adamw(lr: 1e-2) }
    every 2 { evaluate heldout  save } } }
}
"""
    result = run(HEAD + ROLLOUT + GRPO + train, tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert [(line["iteration"], line["stage"]) for line in lines] == \
        [(0, ""), (1, "warm"), (2, "warm"), (3, "main"), (4, "main"), (5, "main"), (6, "main")]
    assert ["eval/heldout/success" in line for line in lines] == [True, False, False, False, True, False, True]
    assert {"eval/heldout/success", "eval/heldout/mean(places)"} <= result.metrics.keys()
    kept = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert {"checkpoint-4", "checkpoint-6"} <= kept
    files = {path.name for path in (tmp_path / "run/rollouts").glob("evaluation-*")}
    assert files == {f"evaluation-heldout-00000{number}.parquet" for number in (0, 4, 6)}


def test_a_row_that_the_tokenizer_cannot_encode_is_said_before_anything_runs(tmp_path: Path) -> None:
    odd = TASKS.replace('yield {"question": word + ">"', 'yield {"question": (word if place < 40 else "aXb") + ">"')
    with pytest.raises(RunError, match=r":\d+: `y`: .*does not know the character 'X' of 'aXb>'"):
        run(WHOLE, tmp_path, tasks=odd, dry_run=True)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_loads_everything_and_writes_nothing(tmp_path: Path) -> None:
    assert run(WHOLE, tmp_path, dry_run=True).ending is Ending.CHECKED
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("text", "said"), [
    (HEAD + ROLLOUT, "no `train` block"),
    (WHOLE + '\nplan { cluster: 1 node of 8 x "H100" }\n', "test.rl:"),
    (WHOLE.replace("draw 8 prompts", ""), "`draw 32 rows from problems` before it"),
])
def test_what_cannot_run_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RunError) as caught:
        run(text, tmp_path)
    assert said in caught.value.message
    assert not (tmp_path / "run").exists()


def test_data_is_checked_before_a_model_loads(tmp_path: Path) -> None:
    text = WHOLE.replace('tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))', 'hf("nowhere/at/all")')
    with pytest.raises(RunError, match="number"):
        run(text, tmp_path, tasks="def problems(count):\n    return [{'question': 'ab>', 'answer': 'ab', 'number': 'x'}]\n")


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path: Path) -> None:
    run(WHOLE, tmp_path)
    with pytest.raises(RunError, match="already holds a run"):
        run(WHOLE, tmp_path)


OTHER_CONTEXT = WHOLE.replace("objective", "let beside = logp(actor, y given CONTEXT)\n\nobjective", 1).replace(
    "exp(logp(actor, y) - y.logp)", "exp(logp(actor, y given CONTEXT) - beside)")


@pytest.mark.slow
def test_an_objective_may_read_a_rollout_in_another_context(tmp_path: Path) -> None:
    assert OTHER_CONTEXT.count("CONTEXT") == 2
    plain = WHOLE.replace("objective", "let beside = logp(actor, y)\n\nobjective", 1).replace("- y.logp)", "- beside)")
    losses = {}
    for name, text in (("plain", plain), ("same", OTHER_CONTEXT.replace("CONTEXT", "problems.question")),
                       ("other", OTHER_CONTEXT.replace("CONTEXT", '("a" + problems.question)'))):
        run(text, tmp_path, out=name)
        losses[name] = [line["grad_norm"] for line in lines_of(tmp_path / name) if "grad_norm" in line]
    assert losses["same"] == pytest.approx(losses["plain"], rel=1e-5)  # prompts are computed once for each sample, not shared
    assert losses["other"] != pytest.approx(losses["plain"], rel=1e-3)


REWARDS = HEAD + """
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
reward correct = verify.equal(y.text, problems.answer)
reward total = 0.5 * correct + 0.25
reward length = y.length
OBJECTIVE
train { repeat 1 { draw 8 prompts  update actor with pg { optimizer: adamw(lr: 1e-3) } } }
"""
LEARNED = "objective pg for actor { maximize s: mean(logp(actor, y) * (REWARD - mean(REWARD, per: prompt))) }"


@pytest.mark.parametrize(("objective", "leading"), [
    (LEARNED.replace("REWARD", "total"), "total"), (LEARNED.replace("REWARD", "correct"), "correct"),
    (LEARNED.replace("REWARD", "(total - correct)"), "total"),
    ("objective pg for actor { maximize s: mean(entropy(actor, y)) }", "length"),
])
def test_the_reward_that_is_shown_is_the_one_that_is_learned_from(objective: str, leading: str, tmp_path: Path) -> None:
    """Where several are, the one that the others are part of; where none is, the last such."""
    run(REWARDS.replace("OBJECTIVE", objective), tmp_path, backend="torch")
    [line] = numbers_of(tmp_path / "run")
    assert line["reward"] == line[f"rewards/{leading}/mean"]
    assert len({line["rewards/total/mean"], line["rewards/correct/mean"], line["rewards/length/mean"]}) == 3


def test_one_iteration_is_one() -> None:
    assert [counted(number) for number in (0, 1, 2)] == ["0 iterations", "1 iteration", "2 iterations"]
