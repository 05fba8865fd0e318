"""What others offer for the same losses, where it is installed or lies on PYTHONPATH.

Modules are imported without the packages that they lie in: those ask for much beside torch and triton that the losses do not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.contest import Answer, Peer, Variant
from benchmarks.gpu.eager import loss_of_logits, loss_of_reads
from benchmarks.gpu.place import Place
from benchmarks.gpu.problems import Problem
from benchmarks.gpu.specs import BETA, DPO_BETA, HIGH, LOW

VOCABULARY_CHUNK = 32_768  # of TRL's own trainers


def alone(name: str) -> ModuleType:
    """A module, without running the packages above it. Raises `ImportError`."""
    path: list[str] | None = None
    parts = name.split(".")
    for depth in range(1, len(parts)):
        package = ".".join(parts[:depth])
        if package not in sys.modules:
            found = PathFinder.find_spec(package, path)
            if found is None or found.submodule_search_locations is None:
                raise ImportError(f"{package} is not installed")
            stand_in = ModuleType(package)
            stand_in.__path__ = list(found.submodule_search_locations)
            stand_in.__spec__ = found
            sys.modules[package] = stand_in
        path = list(sys.modules[package].__path__)
    return import_module(name)


def peer(name: str, module: str, attribute: str, choices: Callable[[Any], Iterable[tuple[str, Callable[[], Answer]]]]) -> Peer:
    """Its settings, each a text and a call; or why it is not there."""
    try:
        found = getattr(alone(module), attribute)
    except (ImportError, AttributeError) as fault:
        return Peer(name, note=f"not here: {fault}")
    return Peer(name, tuple(Variant(settings, run) for settings, run in choices(found)))


def compiled(place: Place, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """By `torch.compile`; in a rehearsal traced alone, since its kernels would take longer to make than all else."""
    return torch.compile(function, dynamic=False, fullgraph=True, backend="eager" if place.rehearses else "inductor")


def differentiated(loss: Tensor, *leaves: Tensor) -> Answer:
    """The loss, and its gradients by autograd."""
    return loss.detach(), torch.autograd.grad(loss, leaves)


# ------------------------------------------------------------------ from logits
def eager_logits(place: Place, name: str, problem: Problem, logits: Tensor) -> list[Peer]:
    """torch itself."""
    traced = compiled(place, lambda rows: loss_of_logits(name, rows, problem))
    return [Peer("eager", (Variant("log_softmax of float32, autograd",
                                   lambda: differentiated(loss_of_logits(name, logits, problem), logits)),)),
            Peer("torch.compile", (Variant("the same, static shapes", lambda: differentiated(traced(logits), logits)),))]


def trl_logits(problem: Problem, logits: Tensor) -> Peer:
    """TRL's kernel for log-probabilities and entropies."""
    def choices(function: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        def run() -> Answer:
            logp, entropy = function(logits, problem.targets)
            return differentiated(loss_of_reads("token", logp, entropy, problem), logits)
        yield "selective_log_softmax_and_entropy", run
    return peer("TRL", "trl.kernels.logprob_entropy", "selective_log_softmax_and_entropy", choices)


def liger_logits(problem: Problem, logits: Tensor) -> Peer:
    """Liger's Triton GRPO; its logits have a row more in each sample, which nobody scores."""
    def choices(function: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        shaped = logits.view(problem.samples, problem.length + 1, -1)
        mask = torch.ones(problem.samples, problem.length, device=logits.device)
        given = [problem.by_sample(values).contiguous() for values in (problem.old, problem.ref, problem.targets)]

        def run() -> Answer:
            loss, *_ = function.apply(shaped, *given, problem.advantage, mask, 1.0, BETA, 1 - LOW, HIGH - 1, True, "bnpo")
            return differentiated(loss, logits)
        yield "GrpoLossFunction, in place, bnpo", run
    return peer("Liger", "liger_kernel.ops.grpo_loss", "GrpoLossFunction", choices)


# ------------------------------------------------------------------ from hidden states
def eager_hidden(place: Place, name: str, problem: Problem, hidden: Tensor, weight: Tensor,
                 other: tuple[Tensor, Tensor] | None = None, *, traced: bool = True) -> list[Peer]:
    """torch itself; logits in the dtype of the weight."""
    def loss(own: Tensor, projection: Tensor) -> Tensor:
        beside = None if other is None else other[0] @ other[1].t()
        return loss_of_logits(name, own @ projection.t(), problem, beside)

    found = [Peer("eager", (Variant("all logits at once, log_softmax of float32, autograd",
                                    lambda: differentiated(loss(hidden, weight), hidden, weight)),))]
    if traced:
        optimised = compiled(place, loss)
        found.append(Peer("torch.compile", (Variant("the same, static shapes", lambda: differentiated(
            optimised(hidden, weight), hidden, weight)),)))
    return found


def verl_hidden(name: str, problem: Problem, hidden: Tensor, weight: Tensor) -> Peer:
    """verl's Triton kernel for log-probabilities and entropies."""
    def choices(function: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        def run() -> Answer:
            logp, entropy = function(hidden, weight, problem.targets, 1.0, "none")
            return differentiated(loss_of_reads(name, logp, entropy, problem), hidden, weight)
        yield "linear_cross_entropy, its default backward (split over the vocabulary)", run
    return peer("verl", "verl.utils.kernel.linear_cross_entropy", "linear_cross_entropy", choices)


def trl_hidden(name: str, problem: Problem, hidden: Tensor, weight: Tensor) -> Peer:
    """TRL's chunked log-probabilities and entropies. Its backward asks its trainers' module, which imports much else, to gather
    DeepSpeed's shards: nothing is gathered here, as without DeepSpeed."""
    def gathered(*parameters: object) -> nullcontext[None]:
        return nullcontext()

    stand_in = ModuleType("trl.trainer.utils")
    stand_in.__dict__["maybe_gather_lm_head_ctx"] = gathered
    sys.modules.setdefault("trl.trainer.utils", stand_in)

    def choices(function: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        asked = ("entropy",) if name == "token" else ()
        for width in sorted({min(width, len(weight)) for width in (VOCABULARY_CHUNK, len(weight))}):
            def run(width: int = width) -> Answer:
                logp, entropy, *_ = function.apply(hidden, weight, None, problem.targets, 1.0, width, None, 1.0, asked)
                return differentiated(loss_of_reads(name, logp, entropy, problem), hidden, weight)
            yield f"ChunkedLogProbFunction, {width:,} columns a chunk", run
    return peer("TRL", "trl.kernels.chunked_logprob", "ChunkedLogProbFunction", choices)


def liger_hidden(place: Place, name: str, problem: Problem, hidden: Tensor, weight: Tensor) -> Peer:
    """Liger's chunked GRPO, of tokens or of whole sequences."""
    def choices(loss_class: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        shaped, targets, old, ref = (problem.by_sample(values) if values.ndim == 1 else
                                     values.view(problem.samples, problem.length, -1)
                                     for values in (hidden, problem.targets, problem.old, problem.ref))
        mask = torch.ones(problem.samples, problem.length, device=hidden.device)
        level = ("grpo", "sequence", 0.0) if name == "gspo" else ("bnpo", "token", BETA)
        for count in sorted({problem.samples} if name == "gspo" else {1, problem.samples}):
            loss = loss_class(beta=level[2], compiled=not place.rehearses, use_ref_model=level[2] > 0, chunk_size=count,
                              epsilon_low=1 - LOW, epsilon_high=HIGH - 1, loss_type=level[0],
                              importance_sampling_level=level[1])

            def run(loss: Any = loss) -> Answer:
                value, _ = loss(shaped, weight, targets, mask, problem.advantage, ref_per_token_logps=ref if level[2] else None,
                                old_per_token_logps=old)
                return differentiated(value, hidden, weight)
            yield f"LigerFusedLinearGRPOLoss, compiled, {count} samples a chunk", run
    return peer("Liger", "liger_kernel.chunked_loss.grpo_loss", "LigerFusedLinearGRPOLoss", choices)


def liger_pairs(place: Place, problem: Problem, hidden: Tensor, weight: Tensor) -> Peer:
    """Liger's chunked DPO, without a reference, whose log-probabilities it would compute anew."""
    def choices(loss_class: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        shaped = hidden.view(problem.samples, problem.length, -1)
        targets = problem.by_sample(problem.targets)
        count = problem.samples // 2  # one chunk: a sum of `dW` in the weight's size is added for each
        loss = loss_class(beta=DPO_BETA, compiled=not place.rehearses, use_ref_model=False, average_log_prob=False,
                          chunk_size=count)

        def run() -> Answer:
            value, _ = loss(weight, shaped, targets)
            return differentiated(value, hidden, weight)
        yield f"LigerFusedLinearDPOLoss, compiled, {count} pairs a chunk", run
    return peer("Liger", "liger_kernel.chunked_loss.dpo_loss", "LigerFusedLinearDPOLoss", choices)


def liger_distillation(place: Place, name: str, problem: Problem, hidden: Tensor, weight: Tensor,
                       other: tuple[Tensor, Tensor]) -> Peer:
    """Liger's chunked distillation loss."""
    def choices(loss_class: Any) -> Iterable[tuple[str, Callable[[], Answer]]]:
        rows = min(4096, len(hidden))
        loss = loss_class(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=1.0 if name == "kl" else 0.5,
                          compiled=not place.rehearses, chunk_size=rows)

        def run() -> Answer:
            return differentiated(loss(hidden, weight, *other, problem.targets), hidden, weight)
        yield f"LigerFusedLinearJSDLoss, compiled, {rows} rows a chunk", run
    return peer("Liger", "liger_kernel.chunked_loss.jsd_loss", "LigerFusedLinearJSDLoss", choices)
