# `make demo` and `make test` are all the set-up there is: both make the environment first, and do nothing for it when
# the lock has not changed.
.DEFAULT_GOAL := help
.PHONY: help demo dev test coverage check docs bench soak mutation clean lock

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PEERS := .venv-peers/.installed
# No part of the project or of its libraries may report anything to anybody.
export DO_NOT_TRACK = 1
export NML_DISABLE_USAGE_LOGGING = 1
export DAGSTER_DISABLE_TELEMETRY = 1
export MLFLOW_DISABLE_TELEMETRY = true

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

$(STAMP): requirements.lock pyproject.toml
	@echo "Environment: installing what requirements.lock names into .venv (once, some minutes) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# --no-deps: the lock names everything, and pip refuses an extra of a hashed package as not pinned. --no-compile: of
	@# 270 MB of Python text a small part is ever imported, and is compiled then.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## the main job: four models from rows to champion, card and monitoring verdicts
	@$(BIN)/mlops demo

dev: $(STAMP) ## Dagster on port 3000, MLflow on port 5000 and the pages on port 3001, on what the demo left behind
	@$(BIN)/mlops dev

# Two processes share the files, the long ones first (mlops_assets_tests/units.py), so that both end at about the same
# time. One thread for each, because there are as many processes as cores.
TESTS = -m pytest -n 2
test coverage soak: export OMP_NUM_THREADS = 1
test coverage soak: export OPENBLAS_NUM_THREADS = 1

test: $(STAMP) ## all tests, on two cores
	@$(BIN)/python $(TESTS)

coverage: $(STAMP) ## all tests, and which lines and branches none of them runs (half as long again)
	@rm -rf .coverage-data && mkdir .coverage-data
	@COVERAGE_FOLDER=$(CURDIR)/.coverage-data $(BIN)/coverage run $(TESTS)
	@COVERAGE_FOLDER=$(CURDIR)/.coverage-data $(BIN)/coverage combine --quiet
	@COVERAGE_FOLDER=$(CURDIR)/.coverage-data $(BIN)/coverage report

check: $(STAMP) ## formatter, linter, types, import contract, declarations, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/dg check defs
	@$(MAKE) --no-print-directory docs

# The variable silences a notice about MkDocs 2, which the theme's versions in the lock exclude.
docs: $(STAMP) ## the documentation site, into .site/index.html: reference from the code, no warning, no dead link
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(PEERS): benchmarks/peers/requirements.txt | $(STAMP)
	@test -x .venv-peers/bin/python || $(BIN)/uv venv --quiet --python 3.11 .venv-peers
	@$(BIN)/uv pip install --quiet --python .venv-peers -r benchmarks/peers/requirements.txt
	@touch $(PEERS)

# Sizes meant for half an hour on two cores. The full ones, from which docs/benchmarks.md has its figures, are named in
# each file's first lines.
BENCHMARKS = \
  'drift_speed.py --rows 100000 --peer-rows 100000 --large 0' \
  'drills.py --quick' \
  'false_alarms.py --quick' \
  'fleet_false_alarms.py --periods 20' \
  'restless_streams.py --streams 4' \
  'published_streams.py --before 2 --after 1 --variants 03' \
  'trait_streams.py --streams 1' \
  'fleet.py --models 4' \
  'orchestration.py --models 20' \
  'fairness_bootstrap.py' \
  'governance_cost.py --runs 1' \
  'ledger_verify.py --records 200000' \
  'gate_mutations.py --every 20'

bench: $(STAMP) $(PEERS) ## benchmarks, side by side with the peers, at small sizes (about half an hour)
	@for run in $(BENCHMARKS); do \
	  echo "== $$run"; PYTHONPATH=. $(BIN)/python benchmarks/$$run || failed="$$failed; $$run"; \
	done; test -z "$$failed" || { echo "missed an aim or broke off:$${failed#;}"; exit 1; }

mutation: $(STAMP) ## change each comparison of the gates in turn: do their tests notice?
	@PYTHONPATH=. $(BIN)/python benchmarks/gate_mutations.py

soak: $(STAMP) ## the long forms: drawn examples, two years of a bank in minutes, processes killed at random, simulated lives
	@MLOPS_ASSETS_SOAK=1 $(BIN)/python -m pytest -m soak -vv --durations=0 --durations-min=1
	@$(BIN)/python -m mlops_assets_tests.soak.races
	@$(BIN)/python -m mlops_assets_tests.soak.lives
	@$(BIN)/python -m mlops_assets_tests.soak.noise
	@$(BIN)/python -m mlops_assets_tests.soak.year --in-process

lock: ## compile requirements.lock again, with hashes and without index addresses
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header --no-emit-index-url -o requirements.lock

clean: ## remove the environment and everything a run left behind
	rm -rf .venv .venv-peers .mlops .coverage-data .site
