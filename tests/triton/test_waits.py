"""What the host waits for while an update is computed on a device: path by path, on a device that is not there.

Allowed is one thing: which rows have a gradient, for the products back, which are that much shorter. While the host waits for
that, the device has something to do, but behind the last chunk of a kernel that reads, weighs and writes at once, whose mask
is known when everything else is done. At the end of an update, loss and metrics are waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl import triton_backend
from rldsl.certify import certify, random_layout
from rldsl.emit.triton.load import interprets
from rldsl.kernels.adapter import Adapter, Shard
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.train.vectors import Products
from rldsl.triton_module import TritonModule, TritonOptions, load_objective
from tests.head.objectives import Batch, as_logits, close, compiled, gradients, ragged, reference
from tests.train.specs import spec_of
from tests.train.test_vectors import HIDDEN, MATCHES, TASKS
from tests.triton.pretended import DEVICE, Pretended, on_device, on_host, pretended
from tests.triton.standin import standin

COLUMNS, TOKENS = 320, 43  # of a buffer, for a vocabulary of 300
TILE = (128, 1, 1)
INTERPRETED = pytest.mark.skipif(not interprets(), reason="launches kernels on tensors that only say that they lie on a GPU")
COVERED, LATE = True, False  # whether the device has something to do while the host waits for a mask


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """It is there, and the stand-in of row kernels runs on it."""
    with pretended(monkeypatch) as found:
        def load(staged: Any, *, fast: bool = False) -> TritonModule:
            with torch._C.DisableTorchFunction():
                module = standin(staged)
            return replace(module, functions=SimpleNamespace(**{
                name: found.launched(name, function) for name, function in vars(module.functions).items()}))

        monkeypatch.setattr(triton_backend, "load_objective", load)
        monkeypatch.setattr(TritonOptions, "chosen_device", lambda options: DEVICE)
        yield found


def objective_of(name: str, rows: int = 1000, **options: Any) -> CompiledObjective:
    """With chunks of so many rows."""
    given = TritonOptions(chunk_bytes=rows * 4 * COLUMNS, least_rows=1, tile=TILE, **options)
    return CompiledObjective(compiled(name).staged, "triton", options=given)


def sent(batch: Batch, dtype: torch.dtype | None = None) -> Batch:
    """On the device; what several rows share, they share there too."""
    known: dict[int, Tensor] = {}

    def there(given: Any) -> Any:
        if given is None:
            return None
        if isinstance(given, tuple):
            return tuple(there(part) for part in given)
        floats = dtype is not None and given.is_floating_point()
        return known.setdefault(id(given), on_device(given.detach().to(dtype).requires_grad_(given.requires_grad)
                                                     if floats else given))

    return replace(batch, rows={key: replace(
        entry, targets=there(entry.targets), hidden=there(entry.hidden), weight=there(entry.weight), bias=there(entry.bias),
        logits=there(entry.logits), places=there(entry.places), others={name: there(other) for name, other in entry.others.items()})
        for key, entry in batch.rows.items()})


def formed(objective: CompiledObjective, batch: Batch, rows: int = 1000, *, in_place: bool = False,
           direct: dict[int, Tensor] | None = None) -> list[Tensor]:
    """An update as `rldsl run` does it, up to where its numbers are asked for: gradients by each leaf, in their order."""
    update = objective.batch(batch.layout, batch.inputs)
    runs = objective.pieces(update, rows=rows)
    micro = [{key: entry if len(runs) == 1 else entry[run.tokens[key[1]]] for key, entry in batch.rows.items()} for run in runs]
    if runs.passes == 2:
        for run, part in zip(runs, micro, strict=True):
            objective.read_piece(update, run, part, direct)
    parts = [objective.piece(update, run, part, direct, in_place=in_place).pairs
             for run, part in zip(runs, micro, strict=True)]
    pairs = [*(pair for part in parts for pair in part), *update.sums.take()]
    wanted = [tensor for tensor in batch.leaves() + list((direct or {}).values()) if tensor.requires_grad]
    found = [[gradient for given, gradient in pairs if given is tensor] for tensor in wanted]
    if len(runs) > 1:  # slices of hidden states, run by run
        found = [[torch.cat([part[0][1] for part in parts])], *found[1:]]
    return [on_host(torch.stack(entry).sum(0)) for entry in found if entry]  # several groups may go through one


def exactly(name: str, batch: Batch, found: list[Tensor]) -> bool:
    """Whether they are the gradients of the float64 reference, of rows on the host."""
    return close(found, gradients(reference(name), batch))


# ------------------------------------------------------------------ rows that leave
@pytest.mark.parametrize("name", ["plain", "sample", "prompt"])
def test_the_host_waits_for_masks_alone_while_the_device_goes_on(name: str, device: Pretended) -> None:
    """Of bf16 projections, whose logits lie apart from their gradients: those of the next chunk are computed meanwhile. Only the
    mask of the last chunk of a kernel that does everything at once has nothing behind it."""
    formed(objective_of(name, 15), sent(ragged(name), torch.bfloat16))
    fused = [entry.name for entry in device.asked if entry.what == "launch" and entry.name.startswith("fused")]
    assert device.waits == []
    assert bool(fused) == (name == "plain") and len(device.masks) >= 3
    assert device.masks == [COVERED] * (len(device.masks) - bool(fused)) + [LATE] * bool(fused)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["token", "exact", "pairs", "generalised"])
def test_nobody_waits_where_no_row_can_be_without_gradient(name: str, dtype: torch.dtype, device: Pretended) -> None:
    """An entropy bonus, a divergence and a preference pull at every row: -0.01 / 43, 1 / 43 and a sigmoid are never 0."""
    batch = ragged(name)
    assert all(compiled(name).staged.pulls_every_row(group) for group in compiled(name).staged.groups)
    found = formed(objective_of(name, 15), sent(batch, dtype))
    assert device.waits == [] and not {"mask", "arrived"} & {entry.what for entry in device.asked}
    assert dtype is torch.bfloat16 or exactly(name, batch, found)


@pytest.mark.parametrize(("name", "always"), [
    ("token", [True]), ("pairs", [True, True]), ("exact", [True]), ("plain", [False]), ("sample", [False]), ("batch", [False])])
def test_the_graph_says_whether_a_row_may_be_without_gradient(name: str, always: list[bool]) -> None:
    """Clipped and unclipped surrogates are 0 for an answer without advantage, a term with `where:` is for what it leaves out."""
    staged = compiled(name).staged
    assert [staged.pulls_every_row(group) for group in staged.groups] == always


def test_a_chunk_whose_logits_pass_waits_behind_the_first_of_the_next(device: Pretended) -> None:
    """Chunks of 22 and 21 rows, logits of 5 at a time."""
    formed(objective_of("plain", 22, block_rows=5), sent(ragged("plain"), torch.bfloat16))
    asked = [entry.what for entry in device.asked]
    behind = asked[asked.index("mask") + 1 : asked.index("arrived")]
    assert device.waits == [] and device.masks == [COVERED, LATE]
    assert behind == ["product"] and asked.count("launch") == 1 + 5 + 5


@pytest.mark.parametrize(("name", "masks"), [("plain", LATE), ("sample", COVERED)])
def test_gradients_over_their_logits_wait_before_the_next_chunk(name: str, masks: bool, device: Pretended) -> None:
    """Of float32 projections: a mask that sets out before the kernel that writes arrives while it runs; one behind it does not."""
    batch = ragged(name)
    there = sent(batch)
    found = formed(objective_of(name, 15), there)
    assert device.waits == [] and len(device.masks) >= 3 and set(device.masks) == {masks}
    assert exactly(name, batch, found)


def test_a_mask_is_not_looked_at_before_it_has_arrived(device: Pretended) -> None:
    """Until then the host sees rows without a gradient, of which none would be multiplied."""
    batch = ragged("plain")
    quiet = np.where(np.arange(9) % 2 == 0, 0.0, batch.inputs["advantage"])
    batch = replace(batch, inputs={**batch.inputs, "advantage": quiet})
    found = formed(objective_of("plain", 15), sent(batch))
    assert found[0].any() and (found[0] == 0).all(1).sum() > 10
    assert exactly("plain", batch, found)


def test_a_second_pass_of_one_call_begins_with_the_logits_that_lie_there(device: Pretended) -> None:
    """All 43 tokens are one piece, which no chunk holds. One mask is waited for, of all; meanwhile the last chunk is written."""
    batch = ragged("batch")
    found = formed(objective_of("batch", 7), sent(batch))
    launches = [entry.name for entry in device.asked if entry.what == "launch"]
    assert device.waits == [] and device.masks == [COVERED]
    assert launches.index("write0") == launches.index("combined") + 1
    assert launches.count("read0") == 7 + launches.count("write0") - 1
    assert exactly("batch", batch, found)


def test_runs_of_a_second_pass_wait_for_one_mask_in_all(device: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets out when the last run was read. Before its gradient is asked for, a model computes the run once more."""
    batch = ragged("batch")
    piece = CompiledObjective.piece

    def behind_a_model(*arguments: Any, **keywords: Any) -> Any:
        torch.mm(on_device(torch.ones(2, 2)), on_device(torch.ones(2, 2)))
        return piece(*arguments, **keywords)

    monkeypatch.setattr(CompiledObjective, "piece", behind_a_model)
    found = formed(objective_of("batch"), sent(batch), rows=15)
    launches = [entry.name for entry in device.asked if entry.what == "launch"]
    assert launches.count("combined") == 1 and launches.count("write0") == 3
    assert device.waits == [] and device.masks == [COVERED]
    assert exactly("batch", batch, found)


@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_logits_that_are_given_wait_for_nothing(name: str, device: Pretended) -> None:
    for in_place in (False, True):
        batch = as_logits(ragged(name))
        found = formed(objective_of(name), sent(batch), in_place=in_place)
        assert device.waits == [] and device.masks == []
        assert exactly(name, batch, found)


# ------------------------------------------------------------------ what else an update may hold
@pytest.mark.parametrize("softcap", [None, 2.5])
@pytest.mark.parametrize("given", ["hidden", "logits"])
@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_supports_go_up_and_nobody_waits(name: str, given: str, softcap: float | None, device: Pretended) -> None:
    """In a second pass too, whose rows the host knows by then."""
    plain = ragged(name) if given == "hidden" else as_logits(ragged(name))
    rng = np.random.default_rng(3)

    def restricted(entry: Rows) -> Rows:
        inside = rng.random((len(entry.targets), 300)) < 0.1
        inside[np.arange(len(entry.targets)), entry.targets.numpy()] = True
        return replace(entry, support=Support.of(inside), softcap=softcap)

    batch = replace(plain, rows={key: restricted(entry) for key, entry in plain.rows.items()})
    found = formed(objective_of(name, 9), sent(batch))
    assert device.waits == []
    assert LATE not in device.masks and bool(device.masks) == (given == "hidden" and name != "token")
    assert exactly(name, batch, found)


@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_adapters_places_biases_and_caps_wait_for_nothing_more(name: str, device: Pretended) -> None:
    """Rows at places out of order among twenty that nothing is scored at."""
    drawn, plain = torch.Generator().manual_seed(5), ragged(name, bias=True)
    order = torch.randperm(TOKENS + 20, generator=drawn)[:TOKENS]
    down, up = torch.randn(3, 16, generator=drawn), torch.randn(300, 3, generator=drawn).mul_(0.3)

    def changed(entry: Rows, adapter: Adapter) -> Rows:
        assert entry.hidden is not None
        spread = torch.zeros(TOKENS + 20, 16).index_copy(0, order, entry.hidden.detach()).requires_grad_()
        return replace(entry, hidden=spread, places=order, adapter=adapter, softcap=2.5)

    adapter = Adapter(down.clone().requires_grad_(), up.clone().requires_grad_(), 0.5)
    batch = replace(plain, rows={key: changed(entry, adapter) for key, entry in plain.rows.items()})
    there = sent(batch)
    far = Adapter(on_device(adapter.down), on_device(adapter.up), 0.5)
    there = replace(there, rows={key: replace(entry, adapter=far) for key, entry in there.rows.items()})
    found = formed(objective_of(name, 15), there, direct={-1: far.down, -2: far.up})
    assert device.waits == []
    wanted = [*gradients(reference(name), batch), adapter.down.grad, adapter.up.grad]
    assert close(found, [gradient for gradient in wanted if gradient is not None]) and len(found) == 5


def shared(batch: Batch, twice: bool = False) -> Batch:
    """Win and lose at rows of one tensor of logits; `twice`: one row is of both."""
    rows = {key: entry.logits.detach() for key, entry in batch.rows.items() if entry.logits is not None}
    logits, start, found = torch.cat([*rows.values(), torch.ones(2, 300)]).requires_grad_(), 0, {}
    for key, entry in batch.rows.items():
        places = torch.arange(start, start + len(entry.targets))
        found[key] = Rows(entry.targets, logits=logits, places=places.flip(0) if twice and start else places)
        start += len(entry.targets) - int(twice)
    return replace(batch, rows=found)


def test_groups_in_place_in_the_same_logits_are_looked_at_in_the_end(device: Pretended) -> None:
    batch = shared(as_logits(ragged("pairs")))
    found = formed(objective_of("pairs"), sent(batch), in_place=True)
    assert device.waits == []
    assert exactly("pairs", batch, found)


def test_a_row_of_two_groups_is_said_in_the_end(device: Pretended) -> None:
    batch, objective = sent(shared(as_logits(ragged("pairs")), twice=True)), objective_of("pairs")
    update = objective.batch(batch.layout, batch.inputs)
    objective.piece(update, objective.pieces(update, rows=1000).runs[0], batch.rows, in_place=True)
    assert device.waits == []
    with pytest.raises(ValueError, match="1 rows of logits are scored twice and cannot become two gradients in place; gradients of "
                                         "this update are wrong"):
        objective.values(update)


def test_values_of_a_critic_are_read_where_they_are(device: Pretended) -> None:
    """On the device nobody waits; where they are given on the host, their gradient has to come back, once."""
    staged = compiled("value").staged
    layout = ragged("token").layout
    inputs = {given.name: np.ones(layout.size(given.axis.name)) for given in staged.inputs}
    value = torch.linspace(-2, 2, TOKENS)
    for given, waits in ((on_device(value.requires_grad_()), []), (value.clone().requires_grad_(), ["copy to the host"])):
        found, = formed(objective_of("value"), Batch(layout, inputs, {}), direct={staged.direct[0].key: given})
        assert device.waits == waits
        torch.testing.assert_close(found, 2 * (value.detach() - 1) / TOKENS)


@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_numbers_are_waited_for_when_they_are_asked_for(name: str, device: Pretended) -> None:
    """Loss and metrics in one copy, and in another, which is there by then, ids that may lie outside of the vocabulary."""
    batch, objective = sent(ragged(name)), objective_of(name, 7)
    update = objective.batch(batch.layout, batch.inputs)
    objective.piece(update, objective.pieces(update, rows=1000).runs[0], batch.rows)
    objective.deliver(update)
    assert device.waits == []
    assert np.isfinite(objective.values(update)["loss"])
    assert device.waits == ["tolist", "tolist"]


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", ["token", "sample", "prompt", "batch", "pairs", "exact", "value"])
def test_an_objective_is_certified_on_a_device(name: str, device: Pretended) -> None:
    """Whatever a certificate tries, in one piece and in runs: no tensor of the host stands beside one of the device, and the
    numbers are those of the reference."""
    objective = objective_of(name, 15)
    objective.meaning = compiled(name).meaning
    report = certify(objective, seed=1)
    assert report.passed, str(report)
    assert any(entry.what == "launch" for entry in device.asked)


@INTERPRETED
def test_a_vocabulary_in_shards_waits_for_masks_alone(device: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one process, with the kernels of shards; what processes tell each other is queued like everything else."""
    def load(staged: Any, *, fast: bool = False) -> TritonModule:
        with torch._C.DisableTorchFunction():
            module = load_objective(staged)
        names = ("prepare", "coefficients", "values", "partition0", "finish0", "write0")
        return replace(module, functions=SimpleNamespace(**{
            name: device.launched(name, getattr(module.functions, name)) for name in (*names, "read0")}))

    monkeypatch.setattr(triton_backend, "load_objective", load)
    monkeypatch.setattr(Partners, "of", staticmethod(lambda shard: None if shard is None else Alone(None)))
    batch = ragged("sample")
    there = sent(batch)
    there = replace(there, rows={key: replace(entry, shard=Shard(0, 300)) for key, entry in there.rows.items()})
    found = formed(objective_of("sample", 20), there)
    assert device.waits == [] and len(device.masks) >= 2 and set(device.masks) == {COVERED}
    assert exactly("sample", batch, found)


class Alone(Partners):
    """A single process."""

    @property
    def count(self) -> int:
        return 1

    def add(self, values: Tensor) -> None:
        assert values.is_cuda

    def gather(self, values: Tensor) -> Tensor:
        return values[None]


# ------------------------------------------------------------------ vectors
@pytest.mark.parametrize("text", [HIDDEN, MATCHES], ids=["means and pairs of a group", "ends of texts of the batch"])
def test_products_of_vectors_are_computed_where_the_states_are(text: str, tmp_path: Path, device: Pretended) -> None:
    """Nobody waits, forward or back, and the numbers are those of the host."""
    (tmp_path / "tasks.py").write_text(TASKS)
    spec = spec_of(text, tmp_path)
    staged, drawn = compile_objective(spec, spec.objectives[0]), torch.Generator().manual_seed(3)
    layout, entry = random_layout(staged, np.random.default_rng(4), largest=5), Products.of(spec, staged)
    for key, _ in entry.live:  # tokens, which the objective itself does not know where it reads texts by their last one
        axis = spec.graph[key].type.axis
        if axis.name not in layout.offsets and axis.parent is not None:
            counts = [1 + place % 3 for place in range(layout.size(axis.parent.name))]
            layout = layout.with_places(axis.name, axis.parent.name, counts)
    states = {key: torch.randn(layout.size(spec.graph[key].type.axis.name), 4, generator=drawn).requires_grad_()
              for key, _ in entry.live}
    known = {key: torch.randn(layout.size(axis.name), 4, generator=drawn).numpy() for key, axis in entry.known}
    wanted = entry.computed(spec, layout, states, known)
    slopes = [torch.randn(len(value), generator=drawn).masked_fill(torch.isnan(value.detach()), 0.0) for value in wanted.values()]
    by_host = torch.autograd.grad([*wanted.values()], [*states.values()], slopes)
    assert sum(map(len, slopes)) > 5 and any(gradient.any() for gradient in by_host)
    there = [on_device(state) for state in states.values()]
    found = entry.computed(spec, layout, dict(zip(states, there, strict=True)), known)
    by_device = torch.autograd.grad([*found.values()], there, [on_device(slope) for slope in slopes])
    assert device.waits == [] and all(value.is_cuda for value in found.values())
    for key, value in wanted.items():
        torch.testing.assert_close(on_host(found[key]), value.detach(), equal_nan=True)
    for ours, theirs in zip(by_device, by_host, strict=True):
        torch.testing.assert_close(on_host(ours), theirs)
