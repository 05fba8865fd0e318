"""What of a spec can be scored on texts and data, what it needs of the file, and why the rest cannot. Reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rldsl.graph.expanding import made_below
from rldsl.graph.model import (
    Foreign,
    Leaf,
    Node,
    Pick,
    Position,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Scan,
    Shift,
    Size,
    SourceKind,
)
from rldsl.graph.spec import DataSpec, FieldSpec, NamedValue, ParamSpec, ResponseSpec, Role, Schedule, Spec
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.engine.inline import GROUPED, INLINE
from rldsl.scores.faults import ScoreError
from rldsl.types import BATCH, Axis, Element, Level

READABLE = frozenset({Role.SCORER, Role.EMBEDDER})


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that cannot be scored here, and why, in a sentence."""

    name: str
    is_reward: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`values` are scored, `keys` are all nodes below them. `response` is whose texts the completions are; `data` the data
    set that its prompts come from, of which `fields` are read, and of each completion those in `own`. `prompt_field` is the one
    that is the prompt itself. `needs_finished` and `needs_length` ask for what only a rollout records. `whole` names a value for
    which all completions have to be held at once, None where groups are enough."""

    spec: Spec
    response: ResponseSpec
    data: DataSpec | None
    values: tuple[NamedValue, ...]
    rewards: frozenset[str]
    refused: tuple[Refused, ...]
    keys: frozenset[int]
    fields: tuple[FieldSpec, ...]
    own: tuple[FieldSpec, ...]
    prompt_field: str | None
    needs_finished: bool
    needs_length: bool
    whole: str | None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What has to be computed, in the order of the graph."""
        return tuple(node for node in self.spec.graph.nodes if node.key in self.keys)

    @property
    def calls(self) -> tuple[Node, ...]:
        """What is kept: calls on the host, model reads, and of vectors the numbers that are made of them."""
        return tuple(node for node in self.nodes if self._is_kept(node))

    def _is_kept(self, node: Node) -> bool:
        if node.type.element is Element.VECTOR:
            return False
        if any(self.spec.graph[key].type.element is Element.VECTOR for key in node.inputs):
            return True
        return isinstance(node.operation, Foreign | Read) and not is_inline(node)


def is_inline(node: Node) -> bool:
    """Whether it is `else skip`, `else stop` or a majority: the engine's own, not a call."""
    return isinstance(node.operation, Foreign) and node.operation.name in INLINE


def plan_scores(spec: Spec, rollout: str | None = None) -> Plan:
    """Choose what is scored. Raises `ScoreError` where that is nothing, or not clear."""
    if not spec.rewards:
        raise ScoreError(f"`{spec.source.name}` has no reward", "there is nothing to score.",
                         "`reward correct = verify.equal(y.text, problems.answer)`")
    response = _chosen(spec, rollout)
    named = [*spec.rewards, *spec.lets]
    rewards = frozenset(entry.name for entry in spec.rewards)
    reasons = {entry.name: _reason(spec, response, entry.key) for entry in named}
    kept = tuple(entry for entry in named if reasons[entry.name] is None)
    refused = tuple(Refused(name, name in rewards, reason) for name, reason in reasons.items() if reason is not None)
    if not any(entry.name in rewards for entry in kept):
        first = next(entry for entry in refused if entry.is_reward)
        raise ScoreError(f"no reward of `{spec.source.name}` can be scored on texts alone",
                         f"`{first.name}` {first.reason}.", "score on verifiers, rubrics, functions or scorers")
    named_keys = [entry.key for entry in kept]
    keys = below(spec, [*named_keys, *made_below(spec.graph, named_keys)])
    return _plan(spec, response, kept, rewards, refused, keys)


def narrow(plan: Plan, key: int) -> Plan:
    """The part of a plan that one value is made of: its named values, and the fields that they read."""
    keys = below(plan.spec, [key])
    kept = tuple(entry for entry in plan.values if entry.key in keys)
    rewards = plan.rewards & {entry.name for entry in kept}
    return _plan(plan.spec, plan.response, kept, rewards, (), keys)


def _plan(spec: Spec, response: ResponseSpec, kept: tuple[NamedValue, ...], rewards: frozenset[str],
          refused: tuple[Refused, ...], keys: frozenset[int]) -> Plan:
    data = next((entry for entry in spec.data if entry.axis == response.prompt_axis), None)
    if any(isinstance(spec.graph[key].operation, Read) for key in keys) or not response.is_sampled:
        texts = [key for key in (response.prompt, response.text) if key is not None]
        keys |= below(spec, texts)
    leaves = [node.operation for node in map(spec.graph.by_key.__getitem__, keys) if isinstance(node.operation, Leaf)]
    read = {leaf.field for leaf in leaves if leaf.kind is SourceKind.DATA}
    recorded = {leaf.field for leaf in leaves if leaf.kind is SourceKind.RECORDED}
    prompt = spec.graph[response.prompt].operation
    is_field = isinstance(prompt, Leaf) and prompt.kind is SourceKind.DATA
    whole = next((entry.name for entry in kept if _meets_batch(spec, entry.key)), None)
    fields = data.fields if data is not None else ()
    return Plan(spec, response, data, kept, rewards, refused, keys, tuple(field for field in fields if field.name in read),
                tuple(field for field in fields if field.each and field.name in recorded),
                prompt.field if isinstance(prompt, Leaf) and is_field else None,
                "finished" in recorded, _needs_tokens(spec, response, keys), whole)


def below(spec: Spec, keys: Iterable[int]) -> frozenset[int]:
    """Some nodes and everything that they are made of."""
    waiting, found = list(keys), set[int]()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(spec.graph[key].inputs)
    return frozenset(found)


def _chosen(spec: Spec, rollout: str | None) -> ResponseSpec:
    """Whose texts the completions are."""
    known = {entry.name: entry for entry in spec.responses}
    if rollout is not None and rollout not in known:
        raise ScoreError(f"there is no rollout `{rollout}`", f"the spec has {listed(known)}." if known else "it has none.",
                         did_you_mean(rollout, known) or "`--rollout` names one of them", exit_status=2)
    if rollout is not None:
        return known[rollout]
    keys = below(spec, [entry.key for entry in spec.rewards])
    read = {owner for key in keys for owner in _owners(spec.graph[key]) if owner in known}
    drawn = [name for name in known if name in read and known[name].is_sampled]
    given = [name for name in known if known[name].text in keys]
    candidates = drawn or given
    if not candidates:
        raise ScoreError("no reward reads the text of a rollout", "there is nothing that completions could be.",
                         "`reward correct = verify.equal(y.text, problems.answer)`")
    if len(candidates) > 1:
        raise ScoreError(f"the rewards read the texts of {listed(candidates)}", "completions belong to one of them.",
                         f"`--rollout {candidates[0]}`", exit_status=2)
    return known[candidates[0]]


def _owners(node: Node) -> Iterator[str]:
    match node.operation:
        case Leaf(kind=SourceKind.RECORDED, owner=owner) | Read(response=owner):
            yield owner
        case _:
            pass
    yield from (axis.owner for axis in node.type.axis.chain())


# ------------------------------------------------------------------ what cannot be scored
def _reason(spec: Spec, response: ResponseSpec, key: int) -> str | None:
    if spec.graph[key].type.element is Element.VECTOR:
        return "is a vector"
    nodes = [spec.graph[key] for key in sorted(below(spec, [key, *made_below(spec.graph, [key])]))]
    levels = {axis.level: axis for node in nodes for axis in node.type.axis.chain()}
    if Level.STEP in levels and Level.TOKEN in levels and not levels[Level.TOKEN].is_within(levels[Level.STEP]):
        return "joins steps with the tokens that they cover, which only the run that drew them has"
    return next((reason for node in nodes if (reason := _node_reason(spec, response, node)) is not None), None)


def _node_reason(spec: Spec, response: ResponseSpec, node: Node) -> str | None:
    match node.operation:
        case Read(kind=kind, model=model):
            return _read_reason(spec, kind, model)
        case Leaf(kind=SourceKind.RECORDED, owner=owner, field=field):
            return _recorded_reason(spec, response, owner, field)
        case Leaf(kind=SourceKind.DATA, owner=owner, field=field) if owner != response.prompt_axis.owner:
            return f"reads `{owner}.{field}`, and the completions are of `{response.prompt_axis.owner}`"
        case Leaf(kind=SourceKind.GIVEN, owner=owner):
            return f"reads `{owner}`, which belongs to a test"
        case _:
            return _axis_reason(response, node.type.axis)


def _read_reason(spec: Spec, kind: ReadKind, model: str) -> str | None:
    role = next(entry.role for entry in spec.models if entry.name == model)
    if kind in (ReadKind.SCORE, ReadKind.HIDDEN) and role in READABLE:
        return None
    what = {ReadKind.VALUE: "values of states", ReadKind.HIDDEN: "states"}.get(kind, "log-probabilities")
    return f"reads {what} of `{model}`, and scoring loads no policy: only `rldsl run` has them"


def _recorded_reason(spec: Spec, response: ResponseSpec, owner: str, field: str) -> str | None:
    if field in ("logp", "uniform", "ids", "prompt_ids"):
        return f"reads `{owner}.{field}`, which only the run that drew a text has"
    own = {entry.name for data in spec.data if data.axis == response.prompt_axis for entry in data.fields if entry.each}
    if owner == response.name and field in ("text", "finished", *own):
        return None
    return f"reads `{owner}.{field}`, and the completions are those of `{response.name}` (`--rollout` chooses)"


def _axis_reason(response: ResponseSpec, axis: Axis) -> str | None:
    if axis.level is Level.BATCH or response.prompt_axis in axis.chain() or axis in response.prompt_axis.chain():
        foreign = axis.owner not in ("", response.name, response.prompt_axis.owner)
        return f"is of `{axis}`, and the completions are those of `{response.name}`" if foreign else None
    return f"is of `{axis}`, and the completions are of `{response.prompt_axis.owner}`"


# ------------------------------------------------------------------ what has to be known at once
def _needs_tokens(spec: Spec, response: ResponseSpec, keys: frozenset[int]) -> bool:
    nodes = (spec.graph[key] for key in keys)
    return any(response.token_axis in node.type.axis.chain()
               or (isinstance(node.operation, Size) and node.operation.axis == response.token_axis) for node in nodes)


def _meets_batch(spec: Spec, key: int) -> bool:
    """Whether completions of several prompts meet in a value."""
    return _meets_on(spec, key, frozenset({BATCH}))


def meets_others(plan: Plan, key: int) -> bool:
    """Whether a value of one completion depends on others, of its prompt or of the batch."""
    above = frozenset(plan.response.sample_axis.chain()[1:])
    return _meets_on(plan.spec, key, above)


def _meets_on(spec: Spec, key: int, axes: frozenset[Axis]) -> bool:
    """Whether places of some axes bring together what lies below them, in anything that a value is made of."""
    names = {axis.name for axis in axes}
    for node in (spec.graph[found] for found in below(spec, [key])):
        match node.operation:
            case Reduce(to=to) | Pick(to=to):
                meets = to in axes and any(spec.graph[found].type.axis not in axes for found in node.inputs)
            case Size(to=to) | Position(per=to):
                meets = to in axes
            case Scan(per=per) | Shift(per=per) | Rank(per=per):
                meets = per in axes
            case Foreign(name=name, settings=settings) if name in GROUPED:
                meets = dict(settings).get("per") in names
            case _:
                meets = node.type.axis.among in axes
        if meets:
            return True
    return False


def is_number(element: Element) -> bool:
    """Whether values of the element have a distribution."""
    return element in (Element.REAL, Element.INT, Element.BOOL)


def scalar_leaf(plan: Plan, leaf: Leaf) -> list[float] | None:
    """Parameters and states as they are at the start; progress is 0."""
    match leaf.kind:
        case SourceKind.PARAM:
            return [_number(next(entry for entry in plan.spec.params if entry.name == leaf.owner))]
        case SourceKind.STATE:
            return [next(entry.initial for entry in plan.spec.states if entry.name == leaf.owner)]
        case SourceKind.PROGRESS:
            return [0.0]
        case _:
            return None


def _number(param: ParamSpec) -> float:
    return param.value.start if isinstance(param.value, Schedule) else float(param.value)
