"""rldsl: a compiled language for RL objectives and rewards of language models.

`check(text)` says what is wrong with a spec; `compile(text)` gives a `Program` whose objectives are
`torch.autograd.Function`s usable in any trainer. Importing this package imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rldsl.diagnostics import Diagnostic, SpecError

if TYPE_CHECKING:
    from rldsl.difference import Difference
    from rldsl.program import Program
    from rldsl.rewards.judging.forecast import Estimate
    from rldsl.scores.report import ScoreReport

__version__ = "0.1.0"
__all__ = ["Diagnostic", "Program", "SpecError", "__version__", "check", "compile", "diff", "estimate", "load", "score"]


def check(text: str, *, project: Path | str | None = None,
          overrides: Mapping[str, str] | None = None) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with a spec, sorted by position; empty if nothing is.

    `project` is the folder that imports and data paths start from; without it only `std` can be imported.
    `overrides` sets parameters, as `--set` does. Never raises for a fault of the spec.
    """
    from rldsl.checking import checked
    return checked(text, "<spec>", project, overrides).diagnostics


def compile(text: str, *, project: Path | str | None = None, overrides: Mapping[str, str] | None = None,
            backend: Literal["numba", "torch", "triton"] = "numba", name: str = "<spec>") -> Program:
    """A `Program` from the text of a spec. Raises `SpecError`, with all diagnostics, if it has errors.

    `backend` is `numba` (fused CPU kernels), `triton` (kernels for a GPU) or `torch` (the reference: any dtype, autograd).
    """
    from rldsl.checking import compiled_spec
    from rldsl.program import Program
    return Program(compiled_spec(text, name, project, overrides), backend, None if project is None else Path(project))


def load(path: Path | str, *, overrides: Mapping[str, str] | None = None,
         backend: Literal["numba", "torch", "triton"] = "numba") -> Program:
    """`compile` of a file; its folder is the project."""
    file = Path(path)
    return compile(file.read_text(encoding="utf-8"), project=file.parent, overrides=overrides, backend=backend,
                   name=str(path))


def diff(before: str | Path, after: str | Path, *, project: Path | str | None = None,
         overrides: Mapping[str, str] | None = None) -> Difference:
    """In what two specs differ: in what they optimise, not in how they are written; and in the settings around it.

    A text is compiled as `check` does; a `Path` is read, and its folder is the project. Raises `SpecError`, with all
    diagnostics, if one of them has errors, and `OSError` where a file cannot be read.
    """
    from rldsl.checking import compiled_spec
    from rldsl.difference import compare_specs
    return compare_specs(compiled_spec(before, "<before>", project, overrides), compiled_spec(after, "<after>", project, overrides))


def score(spec: str | Path, completions: Path | str, *, out: Path | str, project: Path | str | None = None,
          overrides: Mapping[str, str] | None = None, maps: Mapping[str, str] | None = None, group: str | None = None,
          limit: int | None = None, rollout: str | None = None, ask_all: bool = False, resume: bool = False,
          replace: bool = False) -> ScoreReport:
    """Score completions that exist already by the rewards of a spec, into the folder `out`; what was found.

    A text is compiled as `check` does; a `Path` is read, and its folder is the project. `completions` is a .jsonl, .csv or
    .parquet file, or the folder of a run. What decides nothing (a factor beside a 0) is not asked, unless `ask_all`. Raises
    `SpecError`, `rldsl.scores.faults.ScoreError` where nothing can be scored, and `rldsl.data.errors.DataErrors` with the
    faults of the file.
    """
    from rldsl.checking import compiled_spec
    from rldsl.scores.reading import Given
    from rldsl.scores.session import Request, score_spec
    folder = spec.parent if isinstance(spec, Path) else Path(project) if project is not None else Path.cwd()
    compiled = compiled_spec(spec, "<spec>", project, overrides)
    given = Given(Path(completions), maps or {}, group, limit)
    return score_spec(Request(compiled, folder, given, Path(out), rollout, overrides or {}, resume, replace,
                              ask_all=ask_all))


def estimate(spec: str | Path, completions: Path | str, *, project: Path | str | None = None,
             overrides: Mapping[str, str] | None = None, maps: Mapping[str, str] | None = None, group: str | None = None,
             limit: int | None = None, rollout: str | None = None, ask_all: bool = False) -> Estimate:
    """What judges would take for `score` with the same arguments. Asks nobody, writes nothing. Raises as `score` does.

    Answers that are kept are free, each different question is counted once, and cheap verifiers are run to see which gates are
    closed. Where a gate depends on what is not known before a judge has answered, `most` counts it as open.
    """
    from rldsl.checking import compiled_spec
    from rldsl.rewards.judging.keep import Keep
    from rldsl.scores.reading import Given
    from rldsl.scores.session import Request, estimate_spec
    folder = spec.parent if isinstance(spec, Path) else Path(project) if project is not None else Path.cwd()
    compiled = compiled_spec(spec, "<spec>", project, overrides)
    given = Given(Path(completions), maps or {}, group, limit)
    return estimate_spec(Request(compiled, folder, given, Path(), rollout, overrides or {}, ask_all=ask_all,
                                 keep=Keep(is_read_only=True)))[1]


def __getattr__(name: str) -> object:
    if name == "Program":
        from rldsl.program import Program
        return Program
    raise AttributeError(f"module `rldsl` has no `{name}`")
