"""The commands: read arguments, call the library. Exit codes: 0 fine, 1 the spec or the run is at fault, 2 the command is,
3 a guard stopped the run, 130 it was interrupted. Heavy packages are imported by the commands that need them alone."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

EXIT_CODES = "Exit codes: 0 fine · 1 the spec or the run is at fault · 2 the command is · 3 a guard stopped the run · " \
             "130 it was interrupted."
DIFF_CODES = "Exit codes: 0 fine, the same mathematics · 1 they differ · 2 a spec or the command is at fault."


def _teaching(*examples: str, codes: str = EXIT_CODES) -> str:
    """Examples above the exit codes."""
    return "\n  ".join(("[bold]Examples[/bold]", *examples)) + f"\n\n{codes}"


app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  help="rldsl: a compiled language for RL objectives and rewards.",
                  epilog=_teaching("rldsl new mine               a project that trains at once",
                                   "rldsl check mine/mine.rl     everything that is wrong, before anything loads",
                                   "rldsl explain mine/mine.rl   the equation that will run",
                                   "rldsl run mine/mine.rl       train"))

Specs = Annotated[list[Path], typer.Argument(help="`.rl` files; `-` reads the standard input.", allow_dash=True)]
Spec = Annotated[Path, typer.Argument(help="A `.rl` file.", allow_dash=True)]
Sets = Annotated[Optional[list[str]], typer.Option("--set", help="Override a `param`: `--set beta=0.01`. May be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output, one JSON document.")]
Pedantic = Annotated[bool, typer.Option(help="Show notes as well as warnings and errors.")]
Gpu = Annotated[Optional[str], typer.Option("--gpu", help="The GPU that times are predicted for: `A100`, `H100`, `H200`, `B200`.")]
Tokens = Annotated[int, typer.Option("--tokens", min=0, help="For predicted times: tokens of an update batch.")]
Vocabulary = Annotated[int, typer.Option("--vocabulary", min=1, help="For predicted times and tiles: tokens of the vocabulary.")]
Hidden = Annotated[Optional[int], typer.Option("--hidden", min=1, help="For predicted times: width of hidden states, from which "
                                                                       "logits are computed. Without it logits are given.")]
Backend = Annotated[Optional[str], typer.Option(help="`triton` (fused kernels on a GPU), `numba` (the same on a CPU) or `torch` "
                                                     "(the reference, on a CPU). By default what fits the device.")]
Device = Annotated[Optional[str], typer.Option("--device", help="`cpu`, `cuda` or `cuda:1`. By default a GPU, where one "
                                                                "can be used.")]
Dtype = Annotated[Optional[str], typer.Option("--dtype", help="`bf16` or `fp32`: the number format of models without one in the "
                                                              "spec. By default bf16 on a GPU, trained weights in fp32 beside, "
                                                              "and fp32 on a CPU.")]


class Host(StrEnum):
    """What a reward is exported for."""

    TRL = "trl"
    VERL = "verl"
    VERIFIERS = "verifiers"


@app.command(epilog=_teaching("rldsl check mine.rl", "rldsl check examples/*.rl --json", "cat mine.rl | rldsl check -"))
def check(specs: Specs, as_json: Json = False, pedantic: Pedantic = False, sets: Sets = None) -> None:
    """Say everything that is wrong with specs, before anything loads. Imports no torch; answers in a blink."""
    from rldsl.reporting import check_files
    raise typer.Exit(check_files(specs, overrides(sets), as_json=as_json, pedantic=pedantic))


@app.command(epilog=_teaching("rldsl fmt mine.rl",
                              "rldsl fmt --check examples/*.rl   for continuous integration",
                              "rldsl fmt - < mine.rl              prints the result"))
def fmt(specs: Specs,
        check_only: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something would change.")] = False,
        ) -> None:
    """Format specs in place. There are no options: one form for everybody. Comments are kept."""
    from rldsl.reporting import format_files
    raise typer.Exit(format_files(specs, check_only=check_only))


@app.command(epilog=_teaching("rldsl explain mine.rl", "rldsl explain RL301", "rldsl explain std.advantage",
                              "rldsl explain mine.rl --svg > graph.svg",
                              "rldsl explain mine.rl --gpu H200 --hidden 4096   what is chosen there, and predicted"))
def explain(subject: Annotated[str, typer.Argument(help="A `.rl` file, a library module such as `std.advantage`, "
                                                             "or the code of a finding such as RL301.")],
            as_json: Json = False,
            latex: Annotated[bool, typer.Option("--latex", help="The equations alone, as LaTeX.")] = False,
            dot: Annotated[bool, typer.Option("--dot", help="The dataflow graph in Graphviz' language.")] = False,
            svg: Annotated[bool, typer.Option("--svg", help="The dataflow graph as a drawing.")] = False,
            graph: Annotated[bool, typer.Option("--graph", help="Every value: level, range, binding time, liveness.")] = False,
            gpu: Gpu = None, tokens: Tokens = 8192, vocabulary: Vocabulary = 151_936, hidden: Hidden = None,
            sets: Sets = None) -> None:
    """Say what will run: equations, levels, coupling, kernels and their cost. Or what a finding means."""
    from rldsl.explain.command import explain_subject
    chosen = next((form for form, asked in (("latex", latex), ("dot", dot), ("svg", svg), ("graph", graph),
                                            ("json", as_json)) if asked), "text")
    on_gpu = None
    if gpu is not None:
        from rldsl.explain.gpu import OnGpu
        from rldsl.plan.work import Sizes
        on_gpu = OnGpu(gpu, Sizes(tokens, vocabulary, hidden))
    raise typer.Exit(explain_subject(subject, overrides(sets), chosen, on_gpu))


@app.command(epilog=_teaching("rldsl diff before.rl after.rl", "rldsl diff examples/grpo.rl examples/dapo.rl --json",
                              codes=DIFF_CODES))
def diff(before: Annotated[Path, typer.Argument(help="A `.rl` file.", allow_dash=True)],
         after: Annotated[Path, typer.Argument(help="The `.rl` file to compare with it.", allow_dash=True)],
         as_json: Json = False, sets: Sets = None) -> None:
    """Say in what two specs differ: in what they optimise, not in how they are written; then in settings. Imports no torch."""
    from rldsl.difference.command import diff_files
    raise typer.Exit(diff_files(before, after, overrides(sets), as_json=as_json))


@app.command("compile", epilog=_teaching("rldsl compile mine.rl --certify", "rldsl compile mine.rl --out kernels/mine",
                                         "rldsl compile mine.rl --target sm_90 --target sm_100   no GPU is needed",
                                         "rldsl compile mine.rl --target sm_90 --gpu H100 --hidden 4096 --vocabulary 128256"))
def compile_spec(spec: Spec,
                 out: Annotated[Path, typer.Option("--out", "-o", help="Where the kernels go.")] = Path("kernels"),
                 certify: Annotated[bool, typer.Option(help="Compare each kernel with the float64 reference on random "
                                                            "ragged batches and keep the result beside it.")] = False,
                 seed: Annotated[int, typer.Option(help="Seed of the random batches.")] = 0,
                 backend: Annotated[str, typer.Option(help="With --certify: `numba`, or `triton`, which needs a GPU (or is "
                                                           "interpreted).")] = "numba",
                 targets: Annotated[Optional[list[str]], typer.Option("--target", help="Compile the Triton kernels to PTX and "
                                    "cubins for `sm_80`, `sm_90` or `sm_100`, on any machine. May be repeated.")] = None,
                 accept_spills: Annotated[bool, typer.Option("--accept-spills", help="With --target: a kernel whose registers "
                                                             "go to memory and back is no error.")] = False,
                 fast: Annotated[bool, typer.Option("--fast", help="Triton: sums to the batch in one launch, whose last bits may "
                                                    "differ from run to run.")] = False,
                 dtype: Annotated[str, typer.Option(help="With --target, of logits or weights: `bf16`, `fp16`, `fp32`.")] = "bf16",
                 gpu: Gpu = None, tokens: Tokens = 8192, vocabulary: Vocabulary = 151_936, hidden: Hidden = None,
                 sets: Sets = None) -> None:
    """Write the kernels of every objective as files that people can read and carry elsewhere."""
    from rldsl.compiling import Ahead, compile_file
    if not targets and (gpu is not None or hidden is not None or accept_spills):
        raise typer.BadParameter("`--gpu`, `--hidden` and `--accept-spills` are of kernels that are compiled: add `--target sm_90`")
    ahead = Ahead(tuple(dict.fromkeys(targets)), dtype, gpu, tokens, vocabulary, hidden, accept_spills) if targets else None
    raise typer.Exit(compile_file(spec, out, overrides(sets), certify=certify, seed=seed, ahead=ahead, backend=backend,
                                  fast=fast))


@app.command(epilog=_teaching("rldsl tune mine.rl --vocabulary 151936 --hidden 4096"))
def tune(spec: Spec,
         vocabulary: Annotated[int, typer.Option(min=1, help="Tokens of the vocabulary: the length of a row.")] = 151_936,
         hidden: Annotated[Optional[int], typer.Option(min=1, help="Width of hidden states, from which logits are computed. "
                                                                   "Without it logits are given.")] = None,
         dtype: Annotated[str, typer.Option(help="Of logits or weights: `bf16`, `fp16`, `fp32`.")] = "bf16",
         sets: Sets = None) -> None:
    """Measure the tiles of the row kernels on the GPU that is here, and keep the fastest for all runs."""
    from rldsl.tuning import Tuned, tune_file
    raise typer.Exit(tune_file(spec, overrides(sets), Tuned(vocabulary, dtype, hidden)))


@app.command(epilog=_teaching("rldsl run mine.rl --seed 1",
                              "rldsl run mine.rl --set beta=0.01 --out runs/beta",
                              "rldsl run mine.rl --resume   after a stop, of whatever kind"))
def run(spec: Spec,
        out: Annotated[Optional[Path], typer.Option("--out", "-o", help="The run's folder, or `runs/<spec>-<seed>`.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
        resume: Annotated[bool, typer.Option("--resume", help="Continue a stopped run, exactly.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Load everything, train nothing.")] = False,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
        device: Device = None, dtype: Dtype = None, backend: Backend = None, sets: Sets = None) -> None:
    """Train as the spec says. A run is a folder: metrics, rollouts, checkpoints, report.html."""
    from rldsl.train.command import Asked, run_file
    raise typer.Exit(run_file(spec, out, overrides(sets), seed=seed, resume=resume, dry_run=dry_run, quiet=quiet,
                              asked=Asked(device, dtype, backend)))


@app.command(epilog=_teaching("rldsl test mine.rl", "rldsl test std.advantage --backend torch"))
def test(specs: Specs,
         backend: Annotated[Optional[str], typer.Option(help="One back end; all that are present otherwise.")] = None,
         as_json: Json = False) -> None:
    """Run the `test` blocks of specs on every back end present. `std.advantage` names a library module."""
    from rldsl.testing.command import run_tests
    raise typer.Exit(run_tests([str(spec) for spec in specs], backend, as_json=as_json))


@app.command("eval", epilog=_teaching("rldsl eval mine.rl --run runs/mine-0",
                                      "rldsl eval mine.rl --run runs/mine-0/checkpoints/checkpoint-50 --name heldout --json"))
def evaluate(spec: Spec,
             of: Annotated[Path, typer.Option("--run", help="The folder of a run, or a checkpoint in it.")],
             name: Annotated[Optional[str], typer.Option("--name", help="One `eval` of the spec; all otherwise.")] = None,
             seed: Annotated[int, typer.Option(help="Seed of the rollouts.")] = 0, as_json: Json = False,
             device: Device = None, dtype: Dtype = None, sets: Sets = None) -> None:
    """Measure a trained policy by the spec's `eval` blocks, without training."""
    from rldsl.train.command import Asked, eval_run
    raise typer.Exit(eval_run(spec, of, name, overrides(sets), seed=seed, as_json=as_json, asked=Asked(device, dtype)))


@app.command(epilog=_teaching("rldsl score mine.rl completions.jsonl",
                              "rldsl score mine.rl completions.parquet --map answer=extra_info.answer",
                              "rldsl score mine.rl runs/mine-0 --out scores/mine",
                              "rldsl score mine.rl completions.jsonl --dry-run   what judges would take",
                              "rldsl score mine.rl completions.jsonl --what-if 'style weight 0.4'   asks nobody",
                              "rldsl score mine.rl completions.jsonl --against other.rl",
                              "rldsl score mine.rl --serve 8000"))
def score(spec: Spec,
          completions: Annotated[Optional[Path], typer.Argument(help="A .jsonl, .csv or .parquet file, or the folder of "
                                                                     "a run.")] = None,
          out: Annotated[Optional[Path], typer.Option("--out", "-o", help="The folder of the scores, or "
                                                                          "`scores/<spec>-<file>`.")] = None,
          maps: Annotated[Optional[list[str]], typer.Option("--map", help="Where a field stands: `--map answer=extra_info.answer`. "
                                                                          "May be repeated.")] = None,
          group: Annotated[Optional[str], typer.Option("--group", help="The column that completions of one prompt share. Otherwise "
                                                                       "those of equal prompt and data are a group.")] = None,
          limit: Annotated[Optional[int], typer.Option("--limit", min=1, help="Score the first completions alone.")] = None,
          rollout: Annotated[Optional[str], typer.Option("--rollout", help="Whose texts the completions are, where rewards read "
                                                                           "several.")] = None,
          what_ifs: Annotated[Optional[list[str]], typer.Option("--what-if", help="What a change would do, from kept values: "
                              "`style weight 0.4`, `beta = 0.2`, `total = correct * style`. May be repeated.")] = None,
          against: Annotated[Optional[Path], typer.Option("--against", help="Another `.rl` file on the same completions: where "
                                                                            "the two disagree.")] = None,
          ask_all: Annotated[bool, typer.Option("--ask-all", help="Ask for every reward everywhere, also where it decides "
                                                                  "nothing: a factor beside a 0.")] = False,
          fresh: Annotated[bool, typer.Option("--fresh", help="Run functions and tests of code again whose answers are kept from "
                                                              "before.")] = False,
          address: Annotated[Optional[str], typer.Option("--serve", metavar="PORT", help="Answer over HTTP in place of scoring a "
                             "file: `8000` for this machine, `0.0.0.0:8000` for others.")] = None,
          reward: Annotated[Optional[str], typer.Option("--reward", help="With --serve: the reward that is served, by default the "
                                                                         "one that no other is made of.")] = None,
          dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what judges would take, and whether their budgets last. "
                                                                  "Sends nothing, writes nothing.")] = False,
          resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder; ask nothing twice.")] = False,
          replace: Annotated[bool, typer.Option("--replace", help="Forget what is in the folder.")] = False,
          device: Annotated[Optional[str], typer.Option("--device", help="Where the spec's models are that score, embed or judge: "
                                                                         "`cpu` (the default), `cuda`, `cuda:1`.")] = None,
          as_json: Json = False,
          jsonl: Annotated[bool, typer.Option("--jsonl", help="Also write `scores.jsonl`.")] = False,
          quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False, sets: Sets = None) -> None:
    """Score completions that exist already: every reward, its evidence, what decides it. Trains and samples nothing."""
    of_files = {"COMPLETIONS": completions, "--out": out, "--group": group, "--limit": limit, "--what-if": what_ifs,
                "--against": against, "--ask-all": ask_all, "--fresh": fresh, "--resume": resume, "--replace": replace,
                "--json": as_json, "--dry-run": dry_run, "--device": device}
    if address is not None:
        if given := [name for name, value in of_files.items() if value]:
            raise typer.BadParameter(f"{given[0]} is for scoring a file; --serve scores what is sent to it")
        from rldsl.adapters.command import serve_file
        raise typer.Exit(serve_file(spec, address, reward, maps or (), rollout, overrides(sets)))
    if completions is None:
        raise typer.BadParameter("a file of completions or the folder of a run is needed, or --serve")
    if reward is not None:
        raise typer.BadParameter("--reward is for --serve; every reward of a file is scored")
    if dry_run and (given := [name for name in ("--out", "--what-if", "--against", "--resume", "--replace") if of_files[name]]):
        raise typer.BadParameter(f"{given[0]} is for scoring; --dry-run scores nothing")
    from rldsl.scores.command import Asked, score_file
    raise typer.Exit(score_file(Asked(spec, completions, out, maps or (), group, limit, rollout, sets=overrides(sets),
                                      resume=resume, replace=replace, as_json=as_json, quiet=quiet, what_ifs=what_ifs or (),
                                      against=against, ask_all=ask_all, jsonl=jsonl, is_fresh=fresh, dry_run=dry_run,
                                      device=device)))


@app.command(epilog=_teaching("rldsl export mine.rl --for trl", "rldsl export mine.rl --for verl --reward correct "
                              "--map question=extra_info.question --out rewards/mine.py"))
def export(spec: Spec,
           host: Annotated[Host, typer.Option("--for", help="The trainer that will call it.")],
           out: Annotated[Optional[Path], typer.Option("--out", "-o", help="The file, or `<spec>_<trainer>.py` beside the "
                                                                           "spec.")] = None,
           reward: Annotated[Optional[str], typer.Option("--reward", help="By default the one that no other is made of.")] = None,
           maps: Annotated[Optional[list[str]], typer.Option("--map", help="Where a field stands: `--map tests="
                                                                           "extra_info.tests`. May be repeated.")] = None,
           replace: Annotated[bool, typer.Option("--replace", help="Write over the file that is there.")] = False,
           sets: Sets = None) -> None:
    """Write a small Python file by which TRL, verl or verifiers calls a reward of a spec."""
    from rldsl.adapters.command import export_file
    raise typer.Exit(export_file(spec, host.value, out, reward, maps or (), overrides(sets), replace=replace))


@app.command(epilog=_teaching("rldsl new mine", "rldsl new mine --like dpo"))
def new(name: Annotated[str, typer.Argument(help="Name of the project folder to make.")],
        like: Annotated[str, typer.Option(help="The example to start from.")] = "quickstart") -> None:
    """Start a project: a folder with a spec that trains at once, and its task."""
    from rldsl.starting import new_project
    raise typer.Exit(new_project(name, like))


def _print_version(asked: bool) -> None:
    if asked:
        from rldsl import __version__
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_print_version,
                                                  help="Print the version and leave.")] = False) -> None:
    """What holds for all commands."""


def overrides(sets: list[str] | None) -> dict[str, str]:
    """`--set a=b` as a mapping; a bad form is a mistake of the command."""
    found: dict[str, str] = {}
    for entry in sets or []:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip().isidentifier():
            raise typer.BadParameter(f"`{entry}` should look like `beta=0.01`", param_hint="--set")
        found[name.strip()] = value.strip()
    return found
