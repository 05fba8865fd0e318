"""The vocabulary head against named alternatives, as ratios: `python -m benchmarks.head [--full] [--threads N]`.

One objective throughout: a clipped surrogate, an entropy bonus, a k3 penalty. From logits it runs against eager torch
and `torch.compile`; from hidden states against the three GEMMs alone (the floor), eager torch, and what TRL, verl and
Liger offer where they are installed. Variants are interleaved, medians are of repetitions after a warm-up, peak memory is
that of a fresh process for each variant.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

import rldsl
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective

SPEC = """
import std.surrogate (clipped)
import std.divergence (k3)
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("ab"))
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64, temperature: 1.0 }
reward correct = verify.equal(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)
objective bench for actor {
  maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
  maximize bonus: 0.003 * mean(entropy(actor, y))
  minimize kl: 0.001 * mean(k3(actor, ref, y))
}
"""
LENGTH, SAMPLES = 64, 8
Variant = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Data:
    """One update batch: packed tokens, per-sample advantages, log-probabilities of sampler and reference."""

    layout: Layout
    targets: Tensor
    advantage: Tensor
    old: Tensor
    ref: Tensor

    @property
    def inputs(self) -> dict[str, Tensor]:
        """As the compiled objective names them."""
        return {"advantage": self.advantage, "y_logp": self.old, "ref_logp_y": self.ref}


def make_data(rows: Tensor, targets: Tensor) -> Data:
    """From the logits of a few rows, repeated."""
    count = len(targets)
    samples = count // LENGTH
    layout = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                       {"problems": [samples // SAMPLES], "y.sample": [SAMPLES] * (samples // SAMPLES),
                        "y.token": [LENGTH] * samples})
    log_p = torch.log_softmax(rows, -1)
    exact = log_p[torch.arange(count) % len(rows), targets]
    return Data(layout, targets, torch.randn(samples), exact + 0.1 * torch.randn(count), exact + 0.1 * torch.randn(count))


def objective_of_reads(logp: Tensor, entropy: Tensor, data: Data) -> Tensor:
    """The objective in eager torch."""
    advantage = data.advantage.repeat_interleave(LENGTH)
    ratio = torch.exp(logp - data.old)
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.28) * advantage)
    k3 = torch.expm1(data.ref - logp) - (data.ref - logp)
    return -(surrogate.mean() + 0.003 * entropy.mean()) + 0.001 * k3.mean()


def eager_loss(logits: Tensor, data: Data) -> Tensor:
    """log_softmax and gather."""
    log_p = torch.log_softmax(logits, -1)
    logp = log_p.gather(1, data.targets[:, None])[:, 0]
    return objective_of_reads(logp, -(log_p.exp() * log_p).sum(-1), data)


# ------------------------------------------------------------------ from logits
def logits_variants(objective: CompiledObjective, count: int, vocabulary: int) -> tuple[dict[str, Variant], Variant]:
    """What is timed, and what restores the logits before each."""
    few = torch.randn(LENGTH, vocabulary) * 2
    logits = few.repeat(count // LENGTH, 1).requires_grad_()
    data = make_data(few, torch.randint(0, vocabulary, (count,)))
    compiled = torch.compile(eager_loss, dynamic=False)

    def restore() -> None:
        logits.grad = None
        logits.detach().view(-1, LENGTH, vocabulary).copy_(few)

    def ours(in_place: bool) -> Tensor:
        batch = objective.batch(data.layout, data.inputs)
        loss, _ = objective.loss(batch, Rows(data.targets, logits=logits), in_place=in_place)
        return torch.autograd.grad(loss, logits)[0]

    variants: dict[str, Variant] = {
        "rldsl, in place": lambda: ours(True),
        "rldsl, into a copy": lambda: ours(False),
        "eager": lambda: torch.autograd.grad(eager_loss(logits, data), logits)[0],
        "torch.compile": lambda: torch.autograd.grad(compiled(logits, data), logits)[0],
    }
    trl = optional("trl.trainer.utils", "selective_log_softmax", "entropy_from_logits")
    if trl is not None:
        select, entropy = trl
        variants["TRL"] = lambda: torch.autograd.grad(
            objective_of_reads(select(logits, data.targets), entropy(logits), data), logits)[0]
    return variants, restore


# ------------------------------------------------------------------ from hidden states
def hidden_variants(objective: CompiledObjective, count: int, vocabulary: int,
                    width: int) -> tuple[dict[str, Variant], Variant]:
    """What is timed; nothing needs restoring."""
    hidden = (torch.randn(count, width) * 0.5).requires_grad_()
    weight = (torch.randn(vocabulary, width) * 0.1).requires_grad_()
    few = (hidden[:LENGTH] @ weight.t()).detach()
    data = make_data(few, torch.randint(0, vocabulary, (count,)))
    compiled = torch.compile(lambda h, w: eager_loss(h @ w.t(), data), dynamic=False)

    def ours() -> object:
        loss, _ = objective.from_hidden(data.layout, data.inputs, hidden, weight, data.targets)
        return torch.autograd.grad(loss, (hidden, weight))

    variants: dict[str, Variant] = {
        "rldsl": ours,
        "three GEMMs alone": lambda: three_gemms(hidden.detach(), weight.detach()),
        "eager": lambda: torch.autograd.grad(eager_loss(hidden @ weight.t(), data), (hidden, weight)),
        "torch.compile": lambda: torch.autograd.grad(compiled(hidden, weight), (hidden, weight)),
    }
    variants |= hidden_peers(hidden, weight, data)
    return variants, lambda: None


def three_gemms(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The floor: the same GEMMs in the same chunks into the same kind of buffers, and nothing between them."""
    rows = max(256, (128 << 20) // (4 * len(weight)))
    if "logits" not in BUFFERS or BUFFERS["logits"].shape != (rows, len(weight)):
        BUFFERS["logits"] = torch.empty(rows, len(weight))
    buffer = BUFFERS["logits"]
    by_hidden, by_weight = torch.empty_like(hidden), torch.empty_like(weight)
    for start in range(0, len(hidden), rows):
        chunk = hidden[start : start + rows]
        logits = buffer[: len(chunk)]
        torch.mm(chunk, weight.t(), out=logits)
        if start:
            by_weight.addmm_(logits.t(), chunk)
        else:
            torch.mm(logits.t(), chunk, out=by_weight)
        torch.mm(logits, weight, out=by_hidden[start : start + rows])
    return by_hidden, by_weight


BUFFERS: dict[str, Tensor] = {}


def hidden_peers(hidden: Tensor, weight: Tensor, data: Data) -> dict[str, Variant]:
    """What others offer from hidden states, where it is installed."""
    variants: dict[str, Variant] = {}
    trl = optional("trl.trainer.utils", "_ChunkedLogProbFunction")
    if trl is not None:
        def by_trl() -> object:
            logp, entropy, *_ = trl[0].apply(hidden, weight, None, data.targets, 1.0, 8192, None, 1.0, ("entropy",))
            return torch.autograd.grad(objective_of_reads(logp, entropy.detach(), data), (hidden, weight))
        variants["TRL chunked (no entropy gradient)"] = by_trl
    verl = optional("verl.utils.experimental.torch_functional", "FusedLinearForPPO")
    if verl is not None:
        fused = verl[0](chunk_size=512)

        def by_verl() -> object:
            logp, entropy = fused(hidden, weight, data.targets)
            return torch.autograd.grad(objective_of_reads(logp, entropy, data), (hidden, weight))
        variants["verl"] = by_verl
    liger = optional("liger_kernel.chunked_loss.grpo_loss", "LigerFusedLinearGRPOLoss")
    if liger is not None:
        loss = liger[0](beta=0.001, compiled=False, use_ref_model=True, epsilon_low=0.2, epsilon_high=0.28,
                        loss_type="bnpo", temperature=1.0)

        def by_liger() -> object:
            shape = -1, LENGTH
            value, _ = loss(hidden.view(*shape, hidden.shape[1]), weight, data.targets.view(shape),
                            torch.ones(len(hidden) // LENGTH, LENGTH), data.advantage,
                            ref_per_token_logps=data.ref.view(shape), old_per_token_logps=data.old.view(shape))
            return torch.autograd.grad(value, (hidden, weight))
        variants["Liger (no entropy bonus)"] = by_liger
    return variants


@cache
def optional(module: str, *names: str) -> tuple[Callable[..., object], ...] | None:
    """The names of a module that may not be installed; says so if it is not."""
    try:
        loaded = import_module(module)
        return tuple(getattr(loaded, name) for name in names)
    except (ImportError, AttributeError) as fault:
        print(f"  ({module}: skipped, {fault})")
        return None


# ------------------------------------------------------------------ timing and memory
def timed(variants: dict[str, Variant], restore: Variant, repetitions: int) -> dict[str, list[float]]:
    """Milliseconds of each repetition, the variants taking turns after one warm-up of each."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for repetition in range(repetitions + 1):
        for name, run in list(variants.items()):
            restore()
            begin = time.perf_counter()
            try:
                kept = run()
            except Exception as fault:  # a peer that fails is left out, not the benchmark
                print(f"  {name}: failed, {type(fault).__name__}: {str(fault)[:100]}")
                del variants[name], found[name]
                continue
            if repetition:
                found[name].append(1e3 * (time.perf_counter() - begin))
            del kept
    return found


def table(title: str, times: dict[str, list[float]]) -> None:
    """Medians with their range, and the ratio to ours."""
    ours = statistics.median(next(iter(times.values())))
    print(f"\n{title}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<34} {median:9.1f} ms  [{min(values):.1f} .. {max(values):.1f}]  {median / ours:6.2f} x ours")


def peak_memory(kind: str, variant: str, count: int, vocabulary: int, width: int) -> float | None:
    """MB that one call takes at its peak above what was there, in a fresh process; None where that cannot be measured."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (kind, variant, count, vocabulary, width))


def _measure(kind: str, variant: str, count: int, vocabulary: int, width: int) -> float:
    objective = rldsl.compile(SPEC).objective()
    with redirect_stdout(None):
        variants, restore = (logits_variants(objective, count, vocabulary) if kind == "logits"
                             else hidden_variants(objective, count, vocabulary, width))
    variants[variant]()  # loads libraries, compiles
    objective.release()
    BUFFERS.clear()
    restore()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    kept = variants[variant]()
    after = _status("VmHWM")
    del kept
    return (after - before) / 1024


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(field)))


def memory_table(kind: str, names: list[str], count: int, vocabulary: int, width: int) -> None:
    """Peak of each variant; from hidden states beyond the gradients that all of them have to return."""
    needed = 4 * width * (count + vocabulary) / 2**20 if kind == "hidden" else 0.0
    print(f"  peak memory, MB{' beyond both gradients' if needed else ''}:")
    for name in names:
        found = peak_memory(kind, name, count, vocabulary, width)
        print(f"    {name:<32} " + ("not measured here" if found is None else f"{found - needed:9.0f}"))


def machine() -> str:
    """What the numbers depend on."""
    packages = ", ".join(f"{name} {installed(name)}" for name in ("numba", "trl", "verl", "liger-kernel"))
    return (f"{processor()}, {torch.get_num_threads()} threads; Python {platform.python_version()}, "
            f"torch {torch.__version__}, {packages}")


def processor() -> str:
    """Its name."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def installed(package: str) -> str:
    """Its version, or a dash."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def main(arguments: list[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="the vocabulary head against named alternatives")
    parser.add_argument("--full", action="store_true", help="the shapes of the design page, minutes each")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    print(machine())
    objective = rldsl.compile(SPEC).objective()
    from_logits = [(2048, 32000), (2048, 151936)] if chosen.full else [(512, 32000)]
    from_hidden = [(2048, 32000, 1024), (512, 151936, 1024)] if chosen.full else [(512, 32000, 512)]
    for count, vocabulary in from_logits:
        variants, restore = logits_variants(objective, count, vocabulary)
        times = timed(variants, restore, chosen.repetitions)
        table(f"from logits, T = {count}, V = {vocabulary}: forward and backward", times)
        del variants, restore
        if not chosen.no_memory:
            memory_table("logits", list(times), count, vocabulary, 0)
    for count, vocabulary, width in from_hidden:
        variants, restore = hidden_variants(objective, count, vocabulary, width)
        times = timed(variants, restore, chosen.repetitions)
        table(f"from hidden states, T = {count}, V = {vocabulary}, H = {width}: forward and backward", times)
        del variants, restore
        if not chosen.no_memory:
            memory_table("hidden", list(times), count, vocabulary, width)


if __name__ == "__main__":
    main()
