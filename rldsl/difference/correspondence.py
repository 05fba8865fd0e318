"""Which declarations of two specs are the same under other names: data sets, models, responses, states, externs.

A correspondence gives the declarations of the second spec the names of their partners in the first. What has no partner keeps
a name that nothing in the first spec has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from rldsl.canonical.meaning import Meaning, World
from rldsl.canonical.naming import Names
from rldsl.canonical.polynomial import digest_of
from rldsl.graph.spec import ExternSpec, Spec

KINDS = ("data", "models", "responses", "states", "externs")
UNPARTNERED = "other "
# Names, places in the text and in the graph: what a declaration is called and where it stands, not what it is.
_OWN = frozenset({"name", "span", "key", "next", "prompt", "text", "axis", "prompt_axis", "sample_axis", "token_axis"})


@dataclass(frozen=True, slots=True)
class Correspondence:
    """Names of the second spec's declarations, by kind, as the first spec calls them."""

    data: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    responses: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    externs: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """For digests of the second spec."""
        return Names({**self.data, **self.responses}, self.models, self.states, self.externs)


def names_first(before: Spec, after: Spec) -> Correspondence:
    """Partners by their names; what is left, by what it is, then by how it is used."""
    return _found(before, after, (_by_name, _by_definition, _by_use, _in_order, _only_ones))


def definitions_first(before: Spec, after: Spec) -> Correspondence:
    """Partners by what they are; what is left, by names, then by how it is used."""
    return _found(before, after, (_by_definition, _by_name, _by_use, _in_order, _only_ones))


# ------------------------------------------------------------------ rules
Rule = Callable[["_Pairing", str], None]


def _by_name(pairing: _Pairing, kind: str) -> None:
    free = pairing.free(0, kind)
    for name in pairing.free(1, kind):
        if name in free:
            pairing.pair(kind, name, name)


def _by_definition(pairing: _Pairing, kind: str) -> None:
    """What is declared alike; of several alike, what is used alike."""
    for first, second in pairing.groups(kind, lambda side, name: pairing.definition(side, kind, name)):
        uses = [{name: pairing.use(side, kind, name) for name in names} if len(names) > 1 else dict.fromkeys(names, "")
                for side, names in enumerate((first, second))]
        if sorted(uses[0].values()) == sorted(uses[1].values()):
            for partner, name in zip(sorted(first, key=uses[0].__getitem__), sorted(second, key=uses[1].__getitem__), strict=True):
                pairing.pair(kind, name, partner)


def _by_use(pairing: _Pairing, kind: str) -> None:
    for first, second in pairing.groups(kind, lambda side, name: pairing.use(side, kind, name)):
        for partner, name in zip(first, second, strict=True):
            pairing.pair(kind, name, partner)


def _in_order(pairing: _Pairing, kind: str) -> None:
    """What is declared alike, in the order of the declarations."""
    for first, second in pairing.groups(kind, lambda side, name: pairing.definition(side, kind, name)):
        for partner, name in zip(first, second, strict=True):
            pairing.pair(kind, name, partner)


def _only_ones(pairing: _Pairing, kind: str) -> None:
    """What is left if it is one of its sort on each side: it was renamed and changed."""
    for first, second in pairing.groups(kind, lambda side, name: pairing.sort(side, kind, name)):
        if len(first) == 1:
            pairing.pair(kind, second[0], first[0])


def _found(before: Spec, after: Spec, rules: Sequence[Rule]) -> Correspondence:
    pairing = _Pairing((before, after))
    for rule in rules:
        for kind in KINDS:
            rule(pairing, kind)
    taken = {name for kind in KINDS for name in (*_declared(before, kind), *_declared(after, kind))}
    alone = {kind: {name: _fresh(f"{UNPARTNERED}{name}", taken) for name in pairing.free(1, kind)} for kind in KINDS}
    return Correspondence(**{kind: {**pairing.partners[kind], **alone[kind]} for kind in KINDS})


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{UNPARTNERED}{name}"
    return name


def _declared(spec: Spec, kind: str) -> tuple[str, ...]:
    return tuple(entry.name for entry in getattr(spec, kind))


# ------------------------------------------------------------------ pairing
class _Pairing:
    """Two specs while their declarations are being paired. What is paired already has one name in all digests."""

    def __init__(self, specs: tuple[Spec, Spec]) -> None:
        self.specs = specs
        self.partners: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}  # of the second spec, names of the first

    def free(self, side: int, kind: str) -> list[str]:
        """The declarations without a partner, in their order."""
        taken = self.partners[kind] if side else set(self.partners[kind].values())
        return [name for name in _declared(self.specs[side], kind) if name not in taken]

    def pair(self, kind: str, name: str, partner: str) -> None:
        """Make two declarations partners."""
        self.partners[kind][name] = partner

    def groups(self, kind: str, word_of: Callable[[int, str], str]) -> list[tuple[list[str], list[str]]]:
        """Free declarations of one word, where both specs have equally many of it."""
        free = self.free(0, kind), self.free(1, kind)
        if not free[0] or not free[1]:
            return []
        words: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
        for side, names in enumerate(free):
            for name in names:
                words[side].setdefault(word_of(side, name), []).append(name)
        return [(words[0][word], words[1][word]) for word in words[0] if len(words[0][word]) == len(words[1].get(word, ()))]

    # ------------------------------------------------------------ what a declaration is
    def definition(self, side: int, kind: str, name: str) -> str:
        """A digest of what is declared, under the names of what is paired."""
        entry = next(found for found in getattr(self.specs[side], kind) if found.name == name)
        said = [f"{part.name}={self._said(side, part.name, getattr(entry, part.name))}" for part in fields(entry)
                if part.name not in _OWN]
        texts = [self._meaning(side, {}).digest(key) for key in (getattr(entry, "prompt", None), getattr(entry, "text", None))
                 if key is not None]
        return digest_of(*said, *texts)

    def sort(self, side: int, kind: str, name: str) -> str:
        """What of a definition stays where its settings change: of a model its role, of a response that it is drawn."""
        entry = next(found for found in getattr(self.specs[side], kind) if found.name == name)
        said = (getattr(entry, part, None) for part in ("role", "frozen", "is_sampled"))
        return digest_of(kind, *map(str, said))

    def _said(self, side: int, part: str, value: object) -> str:
        if part in ("base", "model") and isinstance(value, str):
            return self._word(side, "models", value)
        if part == "fields" and isinstance(value, tuple):
            return str([(column.name, column.element, column.target, column.each) for column in value])
        return repr(value)

    def use(self, side: int, kind: str, name: str) -> str:
        """A digest of all that is computed, in which this declaration is told apart from those that are not paired yet."""
        spec, meaning = self.specs[side], self._meaning(side, {(kind, name): "this"})
        roots = [entry.key for entry in (*spec.rewards, *spec.lets)]
        roots += [term.key for objective in spec.objectives for term in objective.terms]
        trained = ("this" if (kind, name) == ("models", objective.model) else self._word(side, "models", objective.model)
                   for objective in spec.objectives)
        return digest_of(*sorted(meaning.digest(key) for key in roots), "trained", *sorted(trained))

    def _word(self, side: int, kind: str, name: str) -> str:
        """A name that both specs share; `?` where there is none yet."""
        if side:
            return self.partners[kind].get(name, "?")
        return name if name in self.partners[kind].values() else "?"

    def _meaning(self, side: int, marked: Mapping[tuple[str, str], str]) -> Meaning:
        spec = self.specs[side]
        words = {kind: {name: marked.get((kind, name), self._word(side, kind, name)) for name in _declared(spec, kind)}
                 for kind in KINDS}
        return Meaning(spec.graph, world_of(spec, Correspondence(**words).names))


def world_of(spec: Spec, names: Names) -> World:
    """What the leaves of a spec's graph are."""
    samples = {response.sample_axis: _samples(dict(response.settings)) for response in spec.responses if response.is_sampled}
    return World(names, {param.name: param.value for param in spec.params},
                 {entry.name: _called(entry) for entry in spec.externs}, samples)


def _called(extern: ExternSpec) -> str:
    """What an extern is, whatever it and its parameters are called."""
    takes = ", ".join(element.value for _, element in extern.parameters)
    return f"{extern.source!r} of {takes} gives {extern.result}"


def _samples(settings: Mapping[str, object]) -> int:
    found = settings.get("samples", 1)
    return found if isinstance(found, int) else 1
