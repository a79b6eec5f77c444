# What people, hooks and CI call. `make repro` and `make test` need only Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# DVC, its stages and the tests must find this environment's python and tools first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup repro ui test test-slow fuzz check format bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## create .venv with the pinned packages

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing the pinned packages into $(VENV) (a few minutes without a cache)"
	@$(BIN)/python -m pip install --quiet --no-compile -c requirements.lock torch
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps -r requirements.lock
	@$(BIN)/python -m pip check --quiet
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV) src pipeline || true  # pip uses one core
	@touch $@

repro: $(READY)  ## run the pipeline; print the result and how to look at it
	@dvc repro
	@layerline results

ui: $(READY)  ## open the MLflow UI on http://127.0.0.1:5000
	@layerline ui

test: $(READY)  ## the test-suite without what is marked slow
	@python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(READY)  ## the slow tests alone
	@python -m pytest -m slow

fuzz: $(READY)  ## 105,000 damaged inputs through every reader (5 to 20 minutes)
	@LAYERLINE_FUZZ_EXAMPLES=5000 python -m pytest tests/sources/reading/fuzzing -n 2 --dist load

check: $(READY)  ## ruff, mypy --strict, import-linter, codespell
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports
	@codespell src pipeline benchmarks docs recipes *.md *.yaml

format: $(READY)  ## format the code
	@ruff check --fix .
	@ruff format .

bench: $(READY)  ## speed and quality, as tables in benchmarks/results
	@python benchmarks/quality.py

clean:  ## remove what the stages made, not the registry and not DVC's cache
	rm -rf data/raw data/validated data/scaled models/preprocessor models/network reports runs
