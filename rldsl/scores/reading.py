"""Completions out of files: jsonl, csv, parquet, the rollouts of a run; one record for each. Groups and scores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rldsl.data.arrow import read_parquet
from rldsl.data.errors import DataErrors, Enough, Problems
from rldsl.data.lines import read_csv, read_jsonl
from rldsl.data.table import Place
from rldsl.data.values import CONVERTERS, WrongValue, from_cell
from rldsl.graph.spec import FieldSpec
from rldsl.scores.columns import MISSING, PAIR, Columns, find_columns, value_at
from rldsl.scores.faults import ScoreError
from rldsl.scores.plan import Plan
from rldsl.train.rollout_log import list_files
from rldsl.types import Element

FIRST = 20           # rows that tell which columns there are
STEP_SEPARATOR = "\n"  # what TRL puts between the steps of a stepwise row
KINDS = (".jsonl", ".jsonl.gz", ".csv", ".parquet")

_InRow = tuple[str | int, ...]
_Text = tuple[str, str | None]  # with its side


@dataclass(frozen=True, slots=True)
class Given:
    """Where completions come from and how they are read: the command's arguments. `steps` joins stepwise rows. Of
    `maps` that are shared with another spec some may be of no use here. `rows` are there already: then `path` is what they
    are called."""

    path: Path
    maps: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    limit: int | None = None
    steps: str = STEP_SEPARATOR
    is_shared: bool = False
    rows: tuple[Mapping[str, Any], ...] | None = None


@dataclass(slots=True)
class Completion:
    """One completion. `row` counts the rows of the file from 0; `key` is equal for those of one group; `side` is `chosen` or
    `rejected` where a row has both; `place` the row as it is shown, by its line where it has one. `values` are the fields of its
    row, `own` those of this completion."""

    row: int
    text: str
    prompt: str
    values: tuple[Any, ...]
    key: Any
    finished: bool | None = None
    length: int | None = None
    side: str | None = None
    place: str = ""
    own: tuple[Any, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads the same completions each time it is iterated. `mended` counts texts that had half of a surrogate pair, which no
    file can hold: U+FFFD stands for it."""

    plan: Plan
    given: Given
    columns: Columns = field(init=False)
    mended: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        with _faults(self.given, problems):
            first = [row for row, _ in islice(self._rows(problems), FIRST)]
            if problems.found and not first:
                raise Enough
        if not first:
            raise ScoreError(f"there are no completions in {self.given.path}", "there is nothing to score.",
                             "give a file with one row for each completion, or for each prompt")
        self.columns = find_columns(self.plan, first, self.given.maps, self.given.group, str(self.given.path),
                                    is_shared=self.given.is_shared, is_file=self.given.rows is None)

    @property
    def is_csv(self) -> bool:
        """Whether values are the texts of cells."""
        return self.given.path.suffix == ".csv"

    def __iter__(self) -> Iterator[Completion]:
        """Raises `DataErrors` with the first faults of the file, each with its line, once they are all seen."""
        problems = Problems()
        self.mended = 0
        with _faults(self.given, problems):
            records = (record for number, (row, place) in enumerate(self._rows(problems))
                       for record in self._records(number, row, place, problems))
            yield from islice(records, self.given.limit)
            if problems.found:
                raise Enough

    # ------------------------------------------------------------------ rows
    def _rows(self, problems: Problems) -> Iterator[tuple[Mapping[str, Any], Place]]:
        path = self.given.path
        if self.given.rows is not None:
            return ((row, (str(path), None, number + 1)) for number, row in enumerate(self.given.rows))
        if path.is_dir():
            return self._rollouts(path, problems)
        if not path.exists():
            raise ScoreError(f"there is no file {path}", fix="check the path", exit_status=2)
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            return read_jsonl(path, str(path), problems)
        if path.suffix == ".csv":
            return read_csv(path, str(path), ",", problems)
        if path.suffix == ".parquet":
            return _parquet(path, problems)
        raise ScoreError(f"{path.name} is of no kind that can be read", f"there are {', '.join(KINDS)} and folders of runs.",
                         "save it as one of them", exit_status=2)

    def _rollouts(self, path: Path, problems: Problems) -> Iterator[tuple[Mapping[str, Any], Place]]:
        files = [file for _, file in list_files(path)]
        if not files:
            raise ScoreError(f"there are no rollouts in {path}", "a run's folder has `rollouts/iteration-000001.parquet`.",
                             f"name a run's folder, or a file: {', '.join(KINDS)}", exit_status=2)
        rows = chain.from_iterable(_parquet(file, problems) for file in files)
        return ((row, place) for row, place in rows if row.get("rollout") == self.plan.response.name)

    # ------------------------------------------------------------------ records
    def _records(self, number: int, row: Mapping[str, Any], place: Place, problems: Problems) -> Iterator[Completion]:
        try:
            values = tuple(self._value(row, path, spec.element, spec.name)
                           for path, spec in zip(self.columns.fields, self.plan.fields, strict=True))
            prompt, key = self._prompt(row), self._key(row, values)
            for (text, side), own in self._with_own(row, list(self._texts(row))):
                yield Completion(number, self._mended(text), prompt, values, key, self._finished(row), self._length(row), side,
                                 _shown(place), own)
        except WrongValue as wrong:
            file, line, count = place
            problems.add(str(wrong) if count is None else f"row {count}: {wrong}", file, line)

    def _with_own(self, row: Mapping[str, Any], texts: Sequence[_Text]) -> Iterator[tuple[_Text, tuple[Any, ...]]]:
        """The completions of a row, each with the fields that are its own."""
        columns = [self._own(row, paths, spec, texts) for paths, spec in zip(self.columns.own, self.plan.own, strict=True)]
        yield from ((text, tuple(column[place] for column in columns)) for place, text in enumerate(texts))

    def _own(self, row: Mapping[str, Any], paths: Sequence[_InRow], spec: FieldSpec, texts: Sequence[_Text]) -> list[Any]:
        """A field of each of a row's completions: a column for each side, a list beside a list, or the one value of one."""
        if len(paths) == len(PAIR):
            of_side = dict(zip(PAIR, paths, strict=True))
            return [self._value(row, of_side[str(side)], spec.element, spec.name) if of_side[str(side)] else str(side)
                    for _, side in texts]
        path, = paths
        if not self._is_list(row):
            return [self._value(row, path, spec.element, spec.name)]
        found = value_at(row, path)
        found = found.tolist() if hasattr(found, "tolist") else found
        if not isinstance(found, list) or len(found) != len(texts):
            said = "is missing" if found is MISSING or found is None else \
                f"has {len(found)} values" if isinstance(found, list) else f"is one {type(found).__name__}"
            raise WrongValue(f"`{spec.name}` {said}, and the row has {len(texts)} completions: a list with a value for each is "
                             "expected")
        return [self._converted(value, spec.element, spec.name) for value in found]

    def _is_list(self, row: Mapping[str, Any]) -> bool:
        """Whether the completions of a row stand in a list, and what belongs to each in another."""
        if not self.columns.texts:
            return False
        found = value_at(row, self.columns.texts[0])
        found = found.tolist() if hasattr(found, "tolist") else found
        is_chat = isinstance(found, list) and bool(found) and all(map(_is_message, found))
        return isinstance(found, list) and not is_chat and not self.columns.steps

    def _value(self, row: Mapping[str, Any], path: _InRow, element: Element, name: str) -> Any:
        return self._converted(value_at(row, path), element, name)

    def _converted(self, found: Any, element: Element, name: str) -> Any:
        try:
            if self.is_csv and found is not MISSING:
                found = from_cell(found, element)
            if found is MISSING or found is None:
                raise WrongValue("is missing")
            converted = CONVERTERS[element](found)
        except WrongValue as wrong:
            said = str(wrong)
            raise WrongValue(f"`{name}` is missing" if said == "is missing" else f"`{name}`: {said}") from None
        return self._mended(converted) if element is Element.TEXT else converted

    def _prompt(self, row: Mapping[str, Any]) -> str:
        if self.columns.prompt is None:
            return ""
        return self._mended(_shown_chat(value_at(row, self.columns.prompt)))

    def _key(self, row: Mapping[str, Any], values: tuple[Any, ...]) -> Any:
        if self.columns.group is not None:
            return repr(value_at(row, self.columns.group))
        if "prompt_index" in row and self.given.rows is None and self.given.path.is_dir():
            return row["iteration"], row["prompt_index"]
        return None if self.columns.prompt is None else (repr(value_at(row, self.columns.prompt)), values)

    def _texts(self, row: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        paths = self.columns.texts
        if not paths:
            yield "", None
        for path in paths:
            found = value_at(row, path)
            side = str(path[-1]) if len(paths) == len(PAIR) else None
            for text in self._several(found, str(path[-1])):
                yield text, side

    def _several(self, found: Any, name: str) -> list[str]:
        """The completions that stand in one cell: a text, a chat, a list of either, or the steps of one answer."""
        if hasattr(found, "tolist"):
            found = found.tolist()
        if isinstance(found, str):
            return [found]
        if found is MISSING or found is None:
            raise WrongValue(f"`{name}` is missing")
        if not isinstance(found, list):
            raise WrongValue(f"`{name}`: expected a text or a list of texts, found {type(found).__name__}")
        if found and all(_is_message(item) for item in found):
            return [_answer(found, name)]
        if self.columns.steps and all(isinstance(item, str) for item in found):
            return [self.given.steps.join(found)]
        return [item if isinstance(item, str) else _answer(item, name) for item in found]

    def _finished(self, row: Mapping[str, Any]) -> bool | None:
        if self.columns.finished is None:
            return None
        return bool(self._value(row, self.columns.finished, Element.BOOL, f"{self.plan.response.name}.finished"))

    def _length(self, row: Mapping[str, Any]) -> int | None:
        if self.columns.length is None:
            return None
        return int(self._value(row, self.columns.length, Element.INT, f"{self.plan.response.name}.length"))

    def _mended(self, text: str) -> str:
        if text.isascii():
            return text
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            self.mended += 1
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text


def _shown(place: Place) -> str:
    file, line, count = place
    return f"{file}:{line}" if line is not None else f"row {count} of {file}"


class _faults:
    """Turns what a reader collected into one `DataErrors`."""

    def __init__(self, given: Given, problems: Problems) -> None:
        self.given, self.problems = given, problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, Enough):
            raise DataErrors(str(self.given.path), self.problems.in_order(), len(self.problems.found) >= FIRST) from None


def _parquet(path: Path, problems: Problems) -> Iterator[tuple[Mapping[str, Any], Place]]:
    import pyarrow.parquet as pq
    names: list[str] = []
    try:
        names = pq.read_schema(path).names
    except Exception:  # damaged: the reader below says so in words
        names = []
    count = 0
    for batch in read_parquet(path, str(path), names, problems):
        for row in batch.to_pylist():
            count += 1
            yield row, (str(path), None, count)


def _is_message(item: Any) -> bool:
    return isinstance(item, Mapping) and "role" in item and "content" in item


def _answer(found: Any, name: str) -> str:
    """The text of a completion that is a chat of one message of the assistant."""
    if isinstance(found, list) and len(found) == 1 and _is_message(found[0]) and isinstance(found[0]["content"], str):
        return str(found[0]["content"])
    if isinstance(found, list) and found and all(map(_is_message, found)):
        roles = ", ".join(str(item["role"]) for item in found[:4])
        raise WrongValue(f"`{name}`: a chat of {len(found)} messages ({roles}); `--map completion={name}.-1.content` takes the "
                         "last")
    raise WrongValue(f"`{name}`: expected a text or a chat, found {type(found).__name__}")


def _shown_chat(found: Any) -> str:
    """A prompt for people and for scorers: its text, or its messages by role."""
    match found:
        case str():
            return found
        case list() if found and all(map(_is_message, found)):
            if len(found) == 1 and isinstance(found[0]["content"], str):
                return str(found[0]["content"])
            return "\n".join(f"{item['role']}: {item['content']}" for item in found)
        case _ if found is MISSING or found is None:
            raise WrongValue("`prompt` is missing")
        case _:
            raise WrongValue(f"`prompt`: expected a text or a chat, found {type(found).__name__}")
