# Everything here builds on `make venv`; nothing needs an activated environment.

VENV   ?= .venv
PYTHON ?=
ARGS   ?=
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
RUN    := $(abspath $(BIN))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test coverage e2e browser cluster cluster-test pictures matrix chaos check format bench bench-waiting bench-triggerer docs lock hooks clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

venv: $(STAMP) ## build .venv from the pinned constraints (again only when they change)

# uv where it is installed, else venv and pip. A half-made environment has no stamp and is finished next time.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if command -v uv >/dev/null 2>&1; then \
	    echo "Installing into $(VENV) with uv (a minute the first time)"; \
	    test -x $(BIN)/python || uv venv --quiet --seed --python '$(or $(PYTHON),>=3.11,<3.14)' $(VENV); \
	    uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	    if ! test -x $(BIN)/python; then \
	        for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	            $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue; \
	            $$python -m venv $(VENV); break; \
	        done; \
	    fi; \
	    test -x $(BIN)/python || { echo "No Python 3.11, 3.12 or 3.13 found. Install one, or: make venv PYTHON=/path/to/python3" >&2; exit 1; }; \
	    echo "Installing into $(VENV) with pip (a few minutes the first time)"; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

demo: venv ## watch a real Airflow make a clip of two photographs; options: make demo ARGS="--keep"
	@$(RUN)/kling-airflow demo $(ARGS)

test: venv ## run every test; a selection: make test ARGS="tests/gmi -k retry"
	@$(RUN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)

coverage: venv ## the same, and list the lines that no test runs (a third slower)
	@$(RUN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --cov --cov-report=term $(ARGS)

e2e: venv ## kill parts of a real Airflow on PostgreSQL, and count what was billed (Debian's PostgreSQL is installed if missing)
	@$(RUN)/python -m pytest tests/e2e -m postgres -n 3 --dist loadfile $(ARGS)

cluster: venv ## an Airflow on eight machines (Celery, no common disk), until Ctrl-C or: make cluster ARGS=down
	@$(RUN)/python -m tests.cluster $(ARGS)

cluster-test: venv ## kill, cut off and fill machines of that cluster, and count what was billed (root, Debian's Redis)
	@$(RUN)/python -m pytest tests/cluster -m cluster $(ARGS)

browser: venv ## click through the gallery of a real Airflow in Chromium (Debian's package is installed if missing)
	@$(RUN)/python -m pytest tests/browser -m browser $(ARGS)

pictures: venv ## the same, and take the docs' pictures of the UI anew
	@KLING_PICTURES=docs/img $(RUN)/python -m pytest tests/browser -m browser $(ARGS)

matrix: venv ## prove the built wheel on each supported Airflow, one environment a cell; some: make matrix ARGS="3.1.8 --brief"
	@$(RUN)/python -m tests.matrix $(ARGS)

chaos: venv ## make 100 clips while everything goes wrong, and count the money; options: make chaos ARGS="--generations 300", ARGS="--storyboard 400 --kills 20", ARGS="--cluster" (1,000 clips on eight machines; root)
	@$(RUN)/python -m tests.chaos $(ARGS)
	@KLING_STATE_MACHINE_EXAMPLES=1500 $(RUN)/python -m pytest -q tests/submission/test_state_machine.py

check: venv ## lint, formatting, types, docs
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy --strict
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

format: venv ## put the sources in the form that `make check` asks for
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: venv ## print each short benchmark's table and write benchmarks/out/*.json; some: make bench ARGS="dag_parse", ARGS="storyboard --shots 40 400"
	@$(RUN)/python -m benchmarks $(ARGS)

bench-waiting: venv ## what thousands of waiting requests cost, beside what peers do (35 min); shorter: make bench-waiting ARGS="--waiting 100 1000 --window 30"
	@$(RUN)/python -m benchmarks.bench_waiting $(ARGS)

bench-triggerer: venv ## the same in a real triggerer on PostgreSQL (ten minutes); shorter: make bench-triggerer ARGS="--waiting 60 --rescheduled 10"
	@$(RUN)/python -m benchmarks.bench_triggerer $(ARGS)

docs: venv ## serve the docs while you write them
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs serve

lock: ## pin every dependency anew for Python 3.11 to 3.13 (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links pyproject.toml -o constraints.txt

hooks: venv ## let git run ruff and mypy before each commit
	$(RUN)/pre-commit install

clean: ## remove what was built, .venv included
	rm -rf $(VENV) .matrix .cluster .demo demo-output site dist build benchmarks/out
	rm -rf .coverage .coverage.* coverage.xml htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
