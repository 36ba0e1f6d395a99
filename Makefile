# The commands people need: setup, demo, test, check. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := .compiled
# As an installation of the wheel would find them: before the checkout, from wherever it is called.
AS_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(COMPILED):$(CURDIR)/tests/bench BAILIWICK_COMPILED=1

.PHONY: help setup demo test test-compiled check bench wheel lock clean

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
	$(BIN)/python -m policies.workloads.catalogue.compile --check
	$(BIN)/python -m keymgmt.kms.compile --check

test: check ## everything: checks, then the suite, with real servers where they can be had
	$(BIN)/python -m pytest
	@if test -n "$$CI" || command -v cc >/dev/null; then $(MAKE) --no-print-directory test-compiled; \
	  else echo "skipped: the tests of compiled rules, for there is no C compiler: install gcc or clang"; fi

test-compiled: $(COMPILED)/.ready ## the tests of the rules, on the rules as machine code
	$(AS_COMPILED) $(BIN)/python -m pytest tests/policies/workloads tests/policies/geography tests/policies/test_*.py \
	  tests/webhook/test_bypasses.py

bench: $(COMPILED)/.ready ## benchmarks: ratios against a baseline in the same run
	@echo "== judging, as Python"
	$(BIN)/python tests/bench/bench_judging.py || true
	$(AS_COMPILED) $(BIN)/python tests/bench/__main__.py

wheel: setup ## a wheel of this platform, its rules compiled to machine code: takes a minute, and a C compiler
	@command -v cc >/dev/null || { echo "no C compiler: install gcc or clang, or go on without a compiled wheel"; exit 1; }
	@echo "compiling the rules (a minute or two) ..."
	@rm -f dist/bailiwick-*
	@HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

$(COMPILED)/.ready: $(READY) $(shell find bailiwick.py webhook policies keymgmt audit -not -name '*.pyc' -type f)
	@$(MAKE) --no-print-directory wheel
	@rm -rf $(COMPILED)
	@$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --target $(COMPILED) dist/*-$$($(BIN)/python -c \
	  'import sys; print("cp{}{}".format(*sys.version_info))')-*.whl
	@touch $@

lock: setup ## write requirements.lock anew, with hashes and no index address
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --group dev --all-extras pyproject.toml --output-file requirements.lock

clean: ## remove what setup and the tests made
	rm -rf $(VENV) $(COMPILED) dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
