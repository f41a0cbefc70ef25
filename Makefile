# Every verb sets up `.venv` from the lock files first, if it is not there or they changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs clean

help: ## show these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## show the whole system on this machine: a cloud, a core, three client devices
	$(BIN)/hedgerow demo $(ARGS)

test: $(READY) ## run every test (ARGS="tests/unit -k arn" runs some)
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: $(READY) ## format, lint, types and the borders between rooms; changes nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## measure speed beside mosquitto, and write bench/RESULTS.md
	$(BIN)/python -m bench.run $(ARGS)

docs: $(READY) ## write the pages of docs/ that are made: what is proven, the API, what `why` answers
	$(BIN)/python -m tools.conformance
	$(BIN)/python -m tools.api
	$(BIN)/python -m tools.why

clean: ## remove the environment, caches and build products
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) from requirements/dev.txt (a minute or two, once)"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
