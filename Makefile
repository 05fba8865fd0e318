# Everything works from a fresh clone: `make run` trains, `make test` tests. Both set up what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
# Such as `--index-url URL`, for another build of torch than the one that pip takes by itself.
TORCH_OPTIONS ?=
# The environment of `make oracles`: that of development, and on top of it the peers that the library is compared with. What has no
# present version of a peer any more is compared with the last one that had it, in a folder of its own.
ORACLES ?= .venv-oracles
PEERS := verl==0.9.1 liger-kernel==0.8.5 openrlhf==0.11.2 torchrl==0.14.1 skyrl==0.3.0 areal==1.0.4 scoringrules==0.10.0 \
         ms-swift==4.6.0 choix==0.4.1 torchmetrics==1.9.0 lightning-utilities==0.15.3
OLDER_PEERS := trl-1.0.0 openrlhf-0.8.11
SPEC ?= examples/quickstart.rl
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
SEED ?= 0
# Several processes; tests/conftest.py gives each one thread. One that dies ends the run: in its place another one would begin, and
# xdist 3.8 then waits for tests of whole files that it has handed out twice. All tests take 5 GB a process.
PYTEST := $(BIN)/python -m pytest tests --dist loadfile --max-worker-restart 0

.PHONY: help setup run check test fast lint types golden bench gpu docs oracles clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# torch comes first and by itself, so that nothing else decides which build of it is taken.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rldsl needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)" $(TORCH_OPTIONS)
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

setup: $(VENV)/.ready  ## a virtual environment with everything that development needs

run: setup  ## train the quickstart policy, about a minute on two CPU cores (SPEC=… SEED=…)
	$(BIN)/rldsl run $(SPEC) --seed $(SEED) --out runs/$(basename $(notdir $(SPEC)))-$(SEED)-$$(date +%m%d-%H%M%S)

check: setup  ## check and format-check every example and library module
	$(BIN)/rldsl check examples/*.rl examples/methods/*.rl stdlib/*.rl
	$(BIN)/rldsl fmt --check examples/*.rl examples/methods/*.rl stdlib/*.rl

test: setup  ## the tests that CI runs
	$(PYTEST) -n 2

fast: setup  ## a case or two of each kind of test, on every core: three minutes of the processor, six the first time
	$(PYTEST) -n auto -m "not slow"

lint: setup  ## ruff
	$(BIN)/ruff check rldsl tests benchmarks examples

types: setup  ## mypy --strict
	$(BIN)/mypy

golden: setup  ## rewrite the golden files
	$(BIN)/python -m pytest tests --update-golden

# On the machine of the GPU as it is: its own Python, its build of torch and Triton. OUT names a folder for the numbers (gpu.json).
gpu:  ## the tests that run on a GPU, then what it takes for, against limits and peers; under ten minutes (GPU_PYTHON=… GPU_OPTIONS=--rehearse)
	$(GPU_PYTHON) -m benchmarks gpu $(GPU_OPTIONS)

bench: setup  ## every benchmark, as ratios against named alternatives
	$(BIN)/python -m benchmarks

docs: setup  ## regenerate the pages that come from the code
	$(BIN)/python -m rldsl.docs

# Peers come without what they ask for beside it (`--no-deps`: GPU libraries, another torch); `.[oracles]` has what their losses import.
$(ORACLES)/.ready: pyproject.toml Makefile $(VENV)/.ready
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
		{ echo "verl wants Python below 3.13: make oracles PYTHON=python3.12 VENV=.venv312"; exit 1; }
	$$($(BIN)/python -c 'import sys; print(sys._base_executable)') -m venv $(ORACLES)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(ORACLES)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/development.pth"
	$(BIN)/python -m pip list --format=freeze --exclude-editable | grep -E '^(torch|transformers|numpy|numba)==' > $(ORACLES)/constraints.txt
	$(ORACLES)/bin/python -m pip install --quiet -c $(ORACLES)/constraints.txt -e ".[oracles]"
	$(ORACLES)/bin/python -m pip install --quiet --no-deps $(PEERS)
	for peer in $(OLDER_PEERS); do \
		$(ORACLES)/bin/python -m pip install --quiet --no-deps --target $(ORACLES)/$$peer "$${peer%-*}==$${peer##*-}" || exit 1; done
	@touch $@

oracles: $(ORACLES)/.ready  ## the library against the code of TRL, verl and other peers; writes docs/oracles.md (WORDS=… compares a part)
	$(ORACLES)/bin/python -W ignore -m tests.oracles $(WORDS)

clean:  ## caches and the virtual environment
	rm -rf $(VENV) $(ORACLES) .pytest_cache .mypy_cache .ruff_cache dist build
