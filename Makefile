# The four commands people need: setup, demo, test, check. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test check bench lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## a virtual environment with locked dependencies; leaves .venv/bin/bailiwick

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## real inference manifests against the real webhook, no cluster needed
	@$(BIN)/bailiwick demo

check: setup ## format, lint, types, layers, docs, chart
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m policies.kinds.crds --check charts/bailiwick/crds
	$(BIN)/python -m policies.geography.compile --check
	$(BIN)/python -m policies.workloads.compile --check
	$(BIN)/python -m keymgmt.kms.compile --check

test: check ## everything: checks, then the suite, with real servers where they can be had
	$(BIN)/python -m pytest

bench: setup ## benchmarks: ratios against a baseline in the same run
	$(BIN)/python tests/bench/__main__.py

lock: setup ## write requirements.lock anew, with hashes and no index address
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --group dev --all-extras pyproject.toml --output-file requirements.lock

clean: ## remove what setup and the tests made
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
