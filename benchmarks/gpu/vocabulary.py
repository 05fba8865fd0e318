"""The rows of the table that read the vocabulary: from logits, from hidden states, sequences, divergences, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from benchmarks.gpu import ours, peers
from benchmarks.gpu.contest import Answer, Contest, Peer, Variant, row
from benchmarks.gpu.eager import loss_of_logits
from benchmarks.gpu.figures import Figure, Found, PeerFigure
from benchmarks.gpu.memory import counted
from benchmarks.gpu.ours import Ours
from benchmarks.gpu.peers import differentiated
from benchmarks.gpu.predicted import limit_ms, model_tile, predicted_ms
from benchmarks.gpu.problems import SPREAD, Problem, make_problem
from benchmarks.gpu.situation import Situation
from benchmarks.gpu.specs import objective
from rldsl.plan.work import Sizes
from rldsl.triton_tuning import tune

OWN = "CompiledObjective.piece and finish"
TWIN = 0.6  # how far a second policy lies from the first, of the spread of its hidden states


def logits(situation: Situation) -> Iterator[Found]:
    """The full objective against eager torch, `torch.compile` and TRL; Liger's own loss against Liger."""
    for key, name in (("logits", "token"), ("logits, Liger's loss", "plain")):
        yield row(key, partial(_from_logits, situation, key, name))
        situation.place.forget()


def _from_logits(situation: Situation, key: str, name: str) -> Figure:
    """Liger's logits have a row more in each sample: ours says at which rows it scores."""
    place, shapes = situation.place, situation.shapes
    spare = 1 if name == "plain" else 0
    samples = shapes.tokens // shapes.length
    given = place.normal(samples * (shapes.length + spare), shapes.logits, scale=SPREAD, seed=7)
    rows = torch.arange(len(given), device=place.device).view(samples, -1)[:, : shapes.length].reshape(-1)
    problem = make_problem(place, shapes.tokens, shapes.length, lambda part: given[rows[part]])
    used = given.clone().requires_grad_()

    def restore() -> None:
        own.clear()
        used.detach().copy_(given)

    def reference() -> Answer:
        leaf = given.float().requires_grad_()
        return differentiated(loss_of_logits(name, leaf[rows] if spare else leaf, problem), leaf)

    sizes = Sizes(situation.asked.tokens, situation.asked.logits)
    own = ours.from_logits(objective(name), name, problem, used, rows if spare else None)
    others = [peers.liger_logits(problem, used)] if spare else \
        [*peers.eager_logits(place, name, problem, used), peers.trl_logits(problem, used), _untuned(situation, own, sizes)]
    settings = f"{OWN}, in place{_tuned(situation, own)}"
    return Contest(key, situation.clock, Variant(settings, own), others, reference, restore, own.release,
                   limit_ms(name, sizes, situation.machine, situation.ceilings),
                   predicted_ms(name, sizes, situation.machine)).figure()


def _untuned(situation: Situation, own: Ours, sizes: Sizes) -> Peer:
    """Ours where nobody has measured tiles."""
    tile = model_tile(own.name, sizes, situation.machine)
    plain = replace(own, objective=objective(own.name, tile=tile))
    return Peer("ours, untuned", (Variant(f"tile {tile}, which the model chooses", plain),))


def _tuned(situation: Situation, own: Ours) -> str:
    """Measure tiles of the row kernels, as `rldsl.triton_tuning` does for whoever asks."""
    if situation.place.rehearses:
        return ""
    try:
        found = tune(own.objective, own.rows)
    except Exception as fault:  # the row is still worth having with the model's tile
        return f", tiles could not be measured ({type(fault).__name__}: {str(fault)[:100]})"
    return "".join(f", tile {measured.tile.shape} measured" for measured in found.values() if measured is not None)


# ------------------------------------------------------------------ from hidden states
class Projected:
    """Hidden states, a projection, and perhaps a second policy's, of one of the two sizes."""

    def __init__(self, situation: Situation, size: int, *, second: bool = False) -> None:
        self.situation, shapes = situation, situation.shapes
        width, vocabulary = shapes.hidden[size]
        place = situation.place
        self.hidden = place.normal(shapes.tokens, width, seed=8)
        self.weight = place.normal(vocabulary, width, scale=SPREAD / width**0.5, seed=9).requires_grad_()
        apart = place.normal(shapes.tokens, width, scale=TWIN, seed=10)
        self.other = (self.hidden + apart, self.weight.detach().clone()) if second else None
        asked = situation.asked
        self.sizes = Sizes(asked.tokens, asked.hidden[size][1], asked.hidden[size][0])

    def problem(self, *, per_sample: bool = False, without_reference: bool = False) -> Problem:
        """On these logits."""
        return make_problem(self.situation.place, self.situation.shapes.tokens, self.situation.shapes.length,
                            lambda part: (self.hidden[part] @ self.weight.detach().t()), per_sample=per_sample,
                            without_reference=without_reference)

    def leaf(self) -> Tensor:
        """The hidden states, to differentiate by."""
        return self.hidden.detach().requires_grad_()

    def contest(self, key: str, name: str, problem: Problem, others: Sequence[Peer]) -> Contest:
        """Ours against these."""
        def reference() -> Answer:
            hidden, weight = (entry.detach().float().requires_grad_() for entry in (self.hidden, self.weight))
            other = None if self.other is None else self.other[0].float() @ self.other[1].float().t()
            return differentiated(loss_of_logits(name, hidden @ weight.t(), problem, other), hidden, weight)

        own: Ours = ours.from_hidden(objective(name), name, problem, self.hidden, self.weight, self.other)
        situation = self.situation
        return Contest(key, situation.clock, Variant(OWN, own, ours.as_one), others, reference, own.clear, own.release,
                       limit_ms(name, self.sizes, situation.machine, situation.ceilings),
                       predicted_ms(name, self.sizes, situation.machine))


def hidden_wide(situation: Situation) -> Iterator[Found]:
    """H = 4,096, V = 128,256."""
    return _hidden(situation, 0, "4096")


def hidden_narrow(situation: Situation) -> Iterator[Found]:
    """H = 1,536, V = 151,936."""
    return _hidden(situation, 1, "1536")


def _hidden(situation: Situation, size: int, label: str) -> Iterator[Found]:
    given = Projected(situation, size)
    place, leaf, problem = situation.place, given.leaf(), given.problem()
    full = given.contest(f"hidden {label}", "token", problem, [
        *peers.eager_hidden(place, "token", problem, leaf, given.weight, traced=size == 0),
        peers.verl_hidden("token", problem, leaf, given.weight), peers.trl_hidden("token", problem, leaf, given.weight)])
    plain = given.contest(f"hidden {label}, Liger's loss", "plain", problem,
                          [peers.liger_hidden(place, "plain", problem, leaf, given.weight)])
    yield row(full.key, full.figure)
    yield row(plain.key, plain.figure)
    yield row(f"memory {label}", lambda: _memory(situation, f"memory {label}", full, given))


def _memory(situation: Situation, key: str, contest: Contest, given: Projected) -> Figure:
    """In MB, beyond the gradients by hidden states and weight (`benchmarks.gpu.memory`). In ours the latter is summed in float32,
    in others it is bf16."""
    megabyte = 1e6
    by_hidden = given.hidden.nbytes

    def beyond(peak: float | None, bytes_each: int) -> float | None:
        return None if peak is None else (peak - by_hidden - bytes_each * given.weight.numel()) / megabyte

    peaks = contest.peaks()
    beside = tuple(PeerFigure(name, contest.chosen[name].settings, beyond(peak, given.weight.element_size()))
                   for name, peak in peaks.items() if name != "ours")
    model = counted("token", given.sizes, situation.machine)
    return Figure(key, beyond(peaks["ours"], 4), predicted=model.ours / megabyte, settings=str(model), peers=beside,
                  rehearsed=situation.place.rehearses)


def sequence(situation: Situation) -> Iterator[Found]:
    """GSPO and DPO."""
    given = Projected(situation, 0)
    place, leaf = situation.place, given.leaf()

    def gspo() -> Figure:
        problem = given.problem(per_sample=True)
        return given.contest("gspo", "gspo", problem, [
            *peers.eager_hidden(place, "gspo", problem, leaf, given.weight, traced=False),
            peers.liger_hidden(place, "gspo", problem, leaf, given.weight)]).figure()

    def dpo() -> Figure:
        problem = given.problem(without_reference=True)
        return given.contest("dpo", "dpo", problem, [
            *peers.eager_hidden(place, "dpo", problem, leaf, given.weight, traced=False),
            peers.liger_pairs(place, problem, leaf, given.weight)]).figure()

    yield row("gspo", gspo)
    yield row("dpo", dpo)


def divergence(situation: Situation) -> Iterator[Found]:
    """Exact KL and JS to a second policy with a projection of its own."""
    given = Projected(situation, 0, second=True)
    place, leaf, other = situation.place, given.leaf(), given.other
    assert other is not None
    problem = given.problem()
    for name in ("kl", "js"):
        yield row(name, given.contest(name, name, problem, [
            *peers.eager_hidden(place, name, problem, leaf, given.weight, other, traced=False),
            peers.liger_distillation(place, name, problem, leaf, given.weight, other)]).figure)
