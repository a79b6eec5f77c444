# For people, hooks and CI. `make repro` and `make test` need only Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := .venv-tools
FUZZER := build/fuzzer
FAULTS ?= 1000

# DVC, its stages and the tests must find this environment's python and tools first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup repro ui test test-slow faults fuzz fuzz-guided studies check docs audit format lock sbom bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## create .venv with the pinned packages

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing the pinned packages into $(VENV) (a few minutes without a cache)"
	@$(BIN)/python -m pip install --quiet --no-compile -c requirements.in torch  # any build of it
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip check --quiet
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV) src pipeline || true  # pip uses one core
	@touch $@

repro: $(READY)  ## run the pipeline; print the result
	@dvc repro
	@layerline results

ui: $(READY)  ## open the MLflow UI on http://127.0.0.1:5000
	@layerline ui

test: $(READY)  ## the tests except those marked slow
	@python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 5

test-slow: $(READY)  ## the tests marked slow
	@python -m pytest -m slow

fuzz: $(READY)  ## 300,000 damaged inputs over all readers (20 to 40 minutes)
	@LAYERLINE_FUZZ_EXAMPLES=4000 python -m pytest tests/sources/reading/fuzzing tests/fuzzing tests/serving/test_fuzzed_requests.py -n 2 --dist load

# atheris has wheels for some machines only, so it lies beside the environment, not in the lock.
fuzz-guided: $(READY)  ## 78,000 inputs that coverage chooses (atheris; some ten minutes)
	@test -d $(FUZZER)/atheris || $(BIN)/python -m pip install --quiet --no-deps --target $(FUZZER) atheris==3.0.0 \
	  || { rm -rf $(FUZZER); echo "fuzz-guided: skipped, atheris cannot be installed"; }
	@test ! -d $(FUZZER)/atheris || PYTHONPATH=$(FUZZER) python benchmarks/guided_fuzzing.py

faults: $(READY)  ## a thousand faults injected into stages and commands (about an hour)
	@python benchmarks/fault_injection.py --faults $(FAULTS)

studies: $(READY)  ## the textbook's questions again, into docs/studies; IDX=FOLDER has MNIST and FashionMNIST
	@python benchmarks/textbook.py --root $(IDX)

check: $(READY)  ## ruff, mypy --strict, import-linter, codespell, the site, known vulnerabilities
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports
	@codespell src pipeline benchmarks docs recipes *.md *.yaml
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory audit

# In an environment of its own; without a network, or without advisories, it says so and passes.
audit: $(TOOLS)/.ready  ## known vulnerabilities of the pinned packages
	@$(TOOLS)/bin/pip-audit --disable-pip --require-hashes -r requirements.lock \
	  --progress-spinner off --timeout 10 >$(TOOLS)/audit.txt 2>&1 \
	  && ! grep -q "could not be audited" $(TOOLS)/audit.txt && echo "audit: no known vulnerabilities" \
	  || if grep -q "Found [0-9]* known" $(TOOLS)/audit.txt; then cat $(TOOLS)/audit.txt; exit 1; \
	  else echo "audit: skipped, the advisories cannot be reached"; fi

sbom: $(TOOLS)/.ready  ## reports/sbom.json: the pinned packages as a CycloneDX bill of materials
	@mkdir -p reports
	@$(TOOLS)/bin/cyclonedx-py requirements requirements.lock --output-reproducible -o reports/sbom.json

lock: $(TOOLS)/.ready  ## requirements.lock from requirements.in: the sha256 of every file of each version
	@$(TOOLS)/bin/uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 requirements.in -o requirements.lock

$(TOOLS)/.ready: requirements-tools.in
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet -r requirements-tools.in && touch $@ \
	  || echo "the tools for audit, sbom and lock cannot be installed: no package index"

format: $(READY)  ## format the code
	@ruff check --fix .
	@ruff format .

docs: $(READY) $(TOOLS)/.ready  ## the documentation as a site, in build/site
	@python docs/site/make_pages.py build/pages
	@if test -x $(TOOLS)/bin/mkdocs; then NO_MKDOCS_2_WARNING=1 $(TOOLS)/bin/mkdocs build --strict --quiet && echo "docs: build/site/index.html"; \
	  else echo "docs: skipped, mkdocs cannot be installed"; fi

bench: $(READY)  ## quality, as tables in benchmarks/results
	@python benchmarks/quality.py

clean:  ## remove the stages' outputs; keep the registry and DVC's cache
	rm -rf data/raw data/validated data/scaled models/preprocessor models/network reports runs
