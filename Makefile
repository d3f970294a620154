# prefmill: `make help` lists the targets. Everything runs in a virtual environment under .venv.
PYTHON ?= python3
BIN := .venv/bin
MIXTURE ?= mixtures/basereward.toml
export DAGSTER_HOME := $(CURDIR)
export PYTHONWARNINGS := ignore::UserWarning

.DEFAULT_GOAL := help
.PHONY: help install demo test ui curate train lint types bench-demo bench-ingest bench-images bench-planted bench-duplicates bench-curation bench-publish bench-stability bench-scale bench-scoring bench-training bench-search bench-ablation clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: .venv/.installed ## make the virtual environment with the locked packages

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: install ## run the whole graph on generated native files; ends with a summary
	@$(BIN)/prefmill free-slots
	@$(BIN)/dagster job execute -m pipelines -j demo
	@$(BIN)/prefmill summary mixtures/demo.toml

test: install ## run the tests, as many files at a time as there are cores
	$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile

ui: install ## open Dagster on http://localhost:3000
	@$(BIN)/prefmill free-slots
	$(BIN)/dagster dev

curate: install ## curate real sources: make curate MIXTURE=mixtures/basereward.toml
	@$(BIN)/prefmill free-slots
	@$(BIN)/prefmill run-config $(MIXTURE) > .dagster-run.yaml
	@$(BIN)/dagster job execute -m pipelines -j curate -c .dagster-run.yaml
	@$(BIN)/prefmill summary $(MIXTURE)

train: install ## train and evaluate a reward model on a published mixture: make train MIXTURE=...
	@$(BIN)/prefmill free-slots
	@$(BIN)/prefmill run-config $(MIXTURE) > .dagster-run.yaml
	@$(BIN)/dagster job execute -m pipelines -j train -c .dagster-run.yaml
	@$(BIN)/prefmill summary $(MIXTURE)

lint: install ## ruff: style, imports, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## mypy, strict on pairs/
	$(BIN)/python -m mypy

bench-demo: install ## wall time, peak memory, planted defects found, accuracy with and without curation
	$(BIN)/python -m bench.demo

bench-ingest: install ## rows and MB per second of the reader, beside datasets.map
	$(BIN)/python -m bench.ingest

bench-images: install ## picture groups, hashing and the search for near hashes
	$(BIN)/python -m bench.images

bench-planted: install ## planted contradictions, cycles and leaks found; what real sources share with benchmarks
	$(BIN)/python -m bench.planted

bench-duplicates: install ## near-duplicate texts: quality, and speed beside other tools
	$(BIN)/python -m bench.duplicates

bench-curation: install ## what each curation rule is worth on real data with planted noise
	$(BIN)/python -m bench.curation

bench-publish: install ## writing and reading a published mixture, beside datasets and pyarrow; its peak memory
	$(BIN)/python -m bench.publish

bench-stability: install ## how many rows of a mixture move when sources and rows are added
	$(BIN)/python -m bench.stability

bench-scale: install ## time and peak memory of every step of a curation, at one and five times the rows
	$(BIN)/python -m bench.scale

bench-scoring: install ## speed of scoring, and what sharing prompts between completions is worth
	$(BIN)/python -m bench.scoring

bench-training: install ## tokens per second of training on image pairs, and share of the peak
	$(BIN)/python -m bench.training

bench-search: install ## what a search for source weights is worth, beside uniform, proportional and one source
	$(BIN)/python -m bench.search

bench-ablation: install ## what each rule and each source of mixtures/real.toml is worth; writes docs/ablation.md
	$(BIN)/python -m bench.ablation

clean: ## remove the store, the run history and the environment
	rm -rf .venv .prefmill .dagster .dagster-run.yaml
