"""What judges would take for a scoring, before any is asked. Sends nothing, writes nothing but what `keep` keeps."""

from __future__ import annotations

from collections.abc import Iterable

from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.expanding import is_expanding
from rldsl.graph.model import Foreign, Node, Read
from rldsl.rewards.engine.foresight import Foresight
from rldsl.rewards.foreseeing import ForeseenCalls, is_unknown
from rldsl.rewards.hosting import JUDGED, kinds_of
from rldsl.rewards.judging.forecast import Estimate, Tally
from rldsl.rewards.outcome import Outcome
from rldsl.scores.groups import Batch
from rldsl.scores.host import Evaluator, Heard, batch_layout, leaves_of, observed_of, take_given
from rldsl.scores.lengths import Lengths
from rldsl.scores.plan import Plan


def asks_judges(plan: Plan) -> bool:
    """Whether something that is scored asks a judge."""
    return not kinds_of(node.operation for node in plan.nodes).isdisjoint(JUDGED)


def estimate_batches(evaluator: Evaluator, batches: Iterable[Batch]) -> Estimate:
    """What judges would take for these batches, one after the other. Raises `ScoreError` where lengths cannot be had."""
    if not asks_judges(evaluator.plan):
        return Estimate(())
    with Estimator(evaluator) as estimator:
        for batch in batches:
            estimator.add(batch)
        return estimator.estimate


class Estimator:
    """Goes over batches as an `Evaluator` does, with stand-ins for its judges, and runs nothing that is dear. Close it, or use it
    in `with`."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.plan, plan = evaluator.plan, evaluator.plan
        self.reads = [node for node in plan.nodes if isinstance(node.operation, Read)]
        at_tokens = evaluator.models.tokens_of if evaluator.models is not None else None
        self.lengths = Lengths(plan, evaluator.project, at_tokens) if plan.needs_length else None
        self.tally = Tally(evaluator.judges, plan.spec.models)
        self.host = ForeseenCalls(plan.spec, evaluator.project, self.tally, evaluator.keep)
        self.demanded, self.observed = evaluator.demanded, observed_of(plan)
        self._not_run: dict[str, None] = {}

    def __enter__(self) -> Estimator:
        return self

    def __exit__(self, *leaving: object) -> None:
        self.host.close()

    @property
    def estimate(self) -> Estimate:
        """Of all batches so far."""
        return Estimate(self.tally.forecasts, tuple(self._not_run))

    def add(self, batch: Batch) -> None:
        """Count what one batch would ask."""
        layouts = [batch_layout(self.plan, batch.counts)]

        def grow(node: Node, outcome: Outcome) -> None:
            layouts.append(extended(layouts[-1], node.type.axis, Expanded.of(outcome)))

        run = Foresight(self.plan.spec.graph, self.host, Heard({}), lambda: layouts[-1], dict(leaves_of(self.plan, batch)), grow,
                        is_unknown=is_unknown, before=self.tally.before, has_guessed=self.tally.take_guess)
        take_given(self.plan, run, batch)
        if self.lengths is not None:
            layouts.append(extended(layouts[-1], self.plan.response.token_axis,
                                    Expanded([], self.lengths.of(batch.completions))))
        for node in self.reads:
            run.leave_read(node.key)
        run.run(self.demanded, self.observed)
        self._note(run)

    def _note(self, run: Foresight) -> None:
        """What was not run though it may spare a call, and what judges would be asked about texts that are not known."""
        graph = self.plan.spec.graph
        for operation in (graph[key].operation for key in sorted(run.sparing)):
            if isinstance(operation, Foreign) and kinds_of([operation]).isdisjoint(JUDGED):
                self._not_run[self.host.shown(operation)] = None
            elif isinstance(operation, Read):
                self._not_run[operation.model] = None
        for key, count in run.untold.items():
            for name in _judges_at(self.plan, graph[key]):
                self.tally.counted(name).untold += count


def _judges_at(plan: Plan, node: Node) -> set[str]:
    """The judge of a call; of one that makes an axis those that are asked about its places."""
    judged = [entry for entry in plan.nodes if isinstance(entry.operation, Foreign)
              and not kinds_of([entry.operation]).isdisjoint(JUDGED)]
    makes_axis = is_expanding(plan.spec.graph, node)
    found = [entry.operation for entry in judged if entry.key == node.key
             or (makes_axis and node.type.axis in entry.type.axis.chain())]
    return {str(dict(operation.settings)["judge"]) for operation in found if isinstance(operation, Foreign)}
