# Everything works from a fresh clone: `make run` trains, `make test` tests. Both set up what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0

.PHONY: help setup run check test test-all lint types golden bench docs clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# torch comes first and by itself, so that nothing else decides which build of it is taken.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet -e ".[dev]"
	@touch $@

setup: $(VENV)/.ready  ## a virtual environment with everything that development needs

run: setup  ## train the quickstart policy, about a minute on two CPU cores
	$(BIN)/rldsl run examples/quickstart.rl

check: setup  ## check every example and library module
	$(BIN)/rldsl check examples/*.rl stdlib/*.rl

test: setup  ## the tests that CI runs
	$(BIN)/python -m pytest tests

fast: setup  ## the tests that take under a minute
	$(BIN)/python -m pytest tests -m "not slow"

lint: setup  ## ruff
	$(BIN)/ruff check rldsl tests benchmarks examples

types: setup  ## mypy --strict
	$(BIN)/mypy

golden: setup  ## rewrite the golden files
	$(BIN)/python -m pytest tests --update-golden

bench: setup  ## every benchmark, as ratios against named alternatives
	$(BIN)/python -m benchmarks

docs: setup  ## regenerate the pages that come from the code
	$(BIN)/python -m rldsl.docs

clean:  ## caches and the virtual environment
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build
