"""Which column of a file is what: the names of TRL, of verl and of our own runs, and what `--map` says. Reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rldsl.resolve.names import did_you_mean, listed, nearest
from rldsl.scores.faults import ScoreError
from rldsl.scores.plan import Plan

MISSING: Final[Any] = object()
TEXTS: Final = ("completion", "completions", "response", "responses", "output", "outputs")
PROMPTS: Final = ("prompt", "input")
STEPS: Final = "labels"                 # of TRL's stepwise rows, beside a list of steps in `completions`
PAIR: Final = ("chosen", "rejected")    # two completions of a row
GROUND_TRUTH: Final = dict.fromkeys(("answer", "ground_truth", "solution"), "reward_model.ground_truth")  # verl's
SIDE: Final = "side"                    # a field of this name says which of them it is
LENGTHS: Final = ("tokens", "completion_length")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each thing stands in a row. `texts` is one path, or the two of a pair; `steps` that a list is one answer's.
    `fields` are in the order of the plan's, as `own` are, of which a row of two completions has a path for each; an empty path is
    the side itself. `group` names what makes rows one group, None: their prompt and fields."""

    texts: tuple[Path, ...]
    steps: bool
    prompt: Path | None
    fields: tuple[Path, ...]
    own: tuple[tuple[Path, ...], ...]
    group: Path | None
    finished: Path | None
    length: Path | None


def written_path(text: str) -> Path:
    """`extra_info.answers.0`: names of objects, places in lists."""
    return tuple(int(part) if part.lstrip("-").isdigit() else part for part in text.split("."))


def shown_path(path: Path) -> str:
    """As `--map` takes it."""
    return ".".join(map(str, path))


def value_at(row: Mapping[str, Any], path: Path) -> Any:
    """What stands there, or `MISSING`. A column whose own name has dots comes first."""
    if len(path) == 1:
        return row.get(str(path[0]), MISSING)
    whole = row.get(shown_path(path), MISSING)
    if whole is not MISSING:
        return whole
    found: Any = row
    for part in path:
        match found:
            case Mapping() if str(part) in found:
                found = found[str(part)]
            case list() | tuple() if isinstance(part, int) and -len(found) <= part < len(found):
                found = found[part]
            case _:
                return MISSING
    return found


def find_columns(plan: Plan, rows: Sequence[Mapping[str, Any]], maps: Mapping[str, str], group: str | None,
                 origin: str, *, is_shared: bool = False, is_file: bool = True) -> Columns:
    """From the first rows, of a file or not. Raises `ScoreError` where something that is needed is not there."""
    finder = _Finder(plan, rows, maps, origin, is_file)
    texts, steps = finder.texts()
    found = Columns(texts, steps, finder.prompt(), tuple(finder.field(field.name) for field in plan.fields),
                    tuple(finder.own(field.name, texts) for field in plan.own),
                    finder.given(group, "--group") if group is not None else None, finder.recorded("finished"),
                    finder.recorded("length"))
    if not is_shared:
        finder.refuse_unused()
    return found


def check_maps(plan: Plan, maps: Mapping[str, str]) -> None:
    """Raises `ScoreError` where a map is of something that nothing reads, before there are rows."""
    _Finder(plan, (), maps, "").refuse_unused()


@dataclass(slots=True)
class _Finder:
    plan: Plan
    rows: Sequence[Mapping[str, Any]]
    maps: Mapping[str, str]
    origin: str
    is_file: bool = True

    @property
    def names(self) -> list[str]:
        """The columns there are."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def has(self, path: Path) -> bool:
        """Whether any of the first rows has something there."""
        return any(value_at(row, path) is not MISSING for row in self.rows)

    def texts(self) -> tuple[tuple[Path, ...], bool]:
        response = self.plan.response
        words = (f"{response.name}.text", "completion", "completions")
        mapped = next((word for word in words if word in self.maps), None)
        if mapped is not None:
            return (self.given(self.maps[mapped], f"--map {mapped}=…"),), False
        if response.text is not None:
            return (), False
        for name in TEXTS:
            if self.has((name,)):
                return ((name,),), name == "completions" and self.has((STEPS,))
        if all(self.has((name,)) for name in PAIR):
            return tuple((name,) for name in PAIR), False
        example = self.names[-1] if self.names else "column"
        raise ScoreError(f"{self.origin} has no column of completions",
                         f"it has {listed(self.names)}; completions are read from {listed(TEXTS)}, or `chosen` and `rejected`.",
                         f"`--map completion={example}`")

    def prompt(self) -> Path | None:
        if "prompt" in self.maps:
            return self.given(self.maps["prompt"], "--map prompt=…")
        named = [name for name in (*PROMPTS, self.plan.prompt_field) if name is not None and self.has((name,))]
        return (named[0],) if named else None

    def field(self, name: str) -> Path:
        owner = self.plan.data.name if self.plan.data is not None else ""
        words = (name, f"{owner}.{name}", f"{self.plan.response.name}.{name}")
        word = next((word for word in words if word in self.maps), None)
        if word is not None:
            return self.given(self.maps[word], f"--map {word}=…")
        prompts = PROMPTS if name == self.plan.prompt_field else ()
        known = [name, f"data/{name}", *([GROUND_TRUTH[name]] if name in GROUND_TRUTH else []), *prompts]
        for path in map(written_path, known):
            if self.has(path):
                return path
        raise self._missing(name, owner)

    def own(self, name: str, texts: tuple[Path, ...]) -> tuple[Path, ...]:
        """A field of each completion; of rows with two a column for each side."""
        sides = [str(path[-1]) for path in texts]
        if len(sides) != len(PAIR):
            return (self.field(name),)
        if name == SIDE:
            return ((), ())
        return tuple(self._own_of_side(name, side) for side in sides)

    def _own_of_side(self, name: str, side: str) -> Path:
        word = f"{name}.{side}"
        if word in self.maps:
            return self.given(self.maps[word], f"--map {word}=…")
        known = [f"{side}_{name}", f"{name}_{side}"]
        found = next((path for path in known if self.has((path,))), None)
        if found is None:
            raise ScoreError(f"{self.origin} has no `{name}` of `{side}`",
                             f"its rows have two completions, and `{name}` belongs to each: it is read from {listed(known)}.",
                             " ".join(f"`--map {name}.{entry}=COLUMN`" for entry in PAIR))
        return (found,)

    def recorded(self, field: str) -> Path | None:
        """`y.finished` or `y.length`, which rollouts of a run have and files may have."""
        word = f"{self.plan.response.name}.{field}"
        if word in self.maps:
            return self.given(self.maps[word], f"--map {word}=…")
        known = LENGTHS if field == "length" else ("finished",)
        wanted = self.plan.needs_length if field == "length" else self.plan.needs_finished
        found = next((name for name in known if self.has((name,))), None)
        if wanted and found is None and field == "finished":
            raise ScoreError(f"{self.origin} does not say which completions are finished",
                             f"a scored value reads `{word}`, and there is no column `finished` among {listed(self.names)}.",
                             f"`--map {word}=COLUMN`")
        return (found,) if wanted and found is not None else None

    def given(self, text: str, option: str) -> Path:
        """What an option names; it has to be there."""
        path = written_path(text)
        if self.rows and not self.has(path):
            raise ScoreError(f"{self.origin} has no column `{text}`", f"`{option}` names it; there are {listed(self.names)}.",
                             did_you_mean(text, [*self.names, *_inner(self.rows)]) or "name one of them", exit_status=2)
        return path

    def refuse_unused(self) -> None:
        """A `--map` of something that nothing reads is a slip."""
        response, owner = self.plan.response.name, self.plan.data.name if self.plan.data is not None else ""
        own = [field.name for field in self.plan.own]
        fields = [*(field.name for field in self.plan.fields), *own]
        known = [*fields, *(f"{owner}.{name}" for name in fields), "prompt", "completion", "completions",
                 *(f"{response}.{name}" for name in ("text", "finished", "length", *own)),
                 *(f"{name}.{side}" for name in own for side in PAIR)]
        for word in self.maps:
            if word not in known:
                raise ScoreError(f"nothing that is scored reads `{word}`", f"there are {listed(known)}.",
                                 did_you_mean(word, known) or "leave the `--map` out", exit_status=2)

    def _missing(self, name: str, owner: str) -> ScoreError:
        inner = list(_inner(self.rows))
        same = [path for path in inner if path.rpartition(".")[2] == name]
        near = next(iter(same), None) or nearest(name, self.names)
        if "prompt_index" in self.names and "rollout" in self.names:
            return ScoreError(f"{self.origin} has no column `{name}`",
                              f"the spec reads `{owner}.{name}`; the log of a run keeps the prompt and the target fields.",
                              f"declare `{name}` as `target` in a further run, or score a file that has it")
        readers = [entry.name for entry in self.plan.values if entry.name in self.plan.rewards]
        column = near or "COLUMN"
        if not self.is_file:
            return ScoreError(f"the rows have no column `{name}`",
                              f"the spec reads `{owner}.{name}` for {listed(readers)}; they have {listed(self.names)}.",
                              f"put `{name}` into each row, or say at the start which column it is: `--map {name}={column}`, from "
                              f'Python `maps={{"{name}": "{column}"}}`')
        return ScoreError(f"{self.origin} has no column `{name}`",
                          f"the spec reads `{owner}.{name}` for {listed(readers)}; the file has {listed(self.names)}.",
                          f"`--map {name}={column}`")


def _inner(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The dotted paths within the objects of the first rows, one level deep and one more."""
    found: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            for inner, deeper in (value.items() if isinstance(value, Mapping) else ()):
                found[f"{name}.{inner}"] = None
                found.update(dict.fromkeys(f"{name}.{inner}.{last}" for last in
                                           (deeper if isinstance(deeper, Mapping) else ())))
    return found
