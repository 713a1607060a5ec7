# Every target sets up what it needs: an environment in $(VENV), with the exact versions of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BENCH ?= imports steps loopback throughput memory
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
TYPED = treadle $(sort $(dir $(wildcard tests/*.py examples/*.py benchmarks/*.py)))

.DEFAULT_GOAL := help
.NOTPARALLEL: # two targets would install into one environment at once
.PHONY: help demo test check lint types layers bench clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 10

demo: $(VENV)/.for-demo ## compile a small program: no key, no network
	@$(VENV)/bin/treadle demo

test: $(VENV)/.for-test ## run the tests; PYTEST_ARGS="-k graph" narrows them
	@$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: lint types layers ## what must be clean before a change goes in, beside the tests

lint: $(VENV)/.for-dev ## style: ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.for-dev ## types: mypy on everything, pyright on the files written as a user writes them
	$(VENV)/bin/mypy $(TYPED)
	$(if $(wildcard tests/typing),$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python tests/typing)

layers: $(VENV)/.for-dev ## who may import whom: import-linter
	$(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.for-bench ## measure, with DSPy installed beside; BENCH_ARGS=--quick, or BENCH=banking BENCH_ARGS="--data FOLDER"
	@for name in $(BENCH); do $(VENV)/bin/python -m benchmarks.$$name $(BENCH_ARGS) || exit; done

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist htmlcov .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf *.egg-info

$(VENV)/.for-demo: WHAT = .
$(VENV)/.for-test: WHAT = .[test]
$(VENV)/.for-dev: WHAT = .[test,dev,otel]
$(VENV)/.for-bench: WHAT = .[bench]
$(VENV)/.for-%: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time takes a minute or so."
	@$(PIP) -e '$(WHAT)'
	@touch $@

$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@"$(PYTHON)" -m venv $(VENV)
