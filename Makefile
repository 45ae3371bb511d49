# Everything that a person or CI runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stages call `python`: it must be the environment's own.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Nothing of Airflow's or of the libraries' goes to the home directory.
export AIRFLOW_HOME ?= $(CURDIR)/build/airflow
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
# Where it is set, every process compiles its libraries again.
unexport PYTHONDONTWRITEBYTECODE

INSTALLED := $(VENV)/installed
# Where pip is told to look for packages, as options of uv, which reads no settings of pip's; like pip it takes the best
# version of all of them.
PIP_SOURCES = --index-strategy unsafe-best-match $$($(BIN)/python -m pip config list \
	| sed -nE "s/^[^.]*\.(find-links|index-url|extra-index-url)='(.*)'$$/\1 \2/p" \
	| awk '!seen[$$1]++ {for (i = 2; i <= NF; i++) print "--" $$1, $$i}')
# The versions to install; with hashes.txt each file is one of those whose hash is there.
CONSTRAINTS ?= constraints.txt
# Tools that are fetched for the moment.
LICENCES := pip-licenses==5.5.5
AUDIT := pip-audit==2.10.1
# Spark is an extra of hundreds of megabytes that most do without.
SPARK := $(VENV)/spark-installed
# So are the readers of tables of Delta Lake and Iceberg.
LAKES := $(VENV)/lakes-installed
# The torch wheels that pip's find-links offers.
TORCH_WHEELS = $$(find $$($(BIN)/python -m pip config list | sed -nE "s/^[^.]*\.find-links='(.*)'$$/\1/p") \
	-maxdepth 1 -name "torch-$$(sed -nE 's/^torch==//p' constraints.txt)*.whl" 2> /dev/null | sort -u)
TAXONOMY ?=
ENCODER ?=
SEEDS ?= 1 2 3
STUDIED = $(if $(TAXONOMY),--taxonomy "$(abspath $(TAXONOMY))") \
	$(if $(ENCODER),--encoder "$(if $(wildcard $(ENCODER)),$(abspath $(ENCODER)),$(ENCODER))") --seeds $(SEEDS)
PORT ?= 8080
# What `make serve` serves: the models of the last run; and what its page shows beside it.
MODEL ?= models
BESIDE ?=
# What the performance benchmark measures against has an environment of its own: it needs what the project does not.
PEERS := build/peers-venv
METRICS_PEERS := build/metrics-peers-venv
BENCH ?=
# So have the peers of the quality benchmark: PECOS needs NumPy 1.
QUALITY_PEERS := build/quality-venv

.DEFAULT_GOAL := help
.PHONY: help install spark lakes demo airflow serve secrets taxonomy seeds screenshots pictures overhead bench bench-metrics bench-quality \
	bench-serving bench-scale bench-engines test test-all chaos fuzz lint format clean constraints hashes licences audit

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: $(INSTALLED) ## make the environment in .venv with the pinned versions

$(INSTALLED): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	mkdir -p build
	sed -n '/^uv==/,/[^\\]$$/p' hashes.txt > build/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement build/uv.txt
	@echo "installing the versions of $(CONSTRAINTS) into $(VENV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PIP_SOURCES) --constraint $(CONSTRAINTS) --editable ".[dev]"
	touch $@

spark: $(SPARK) ## Spark beside DuckDB, for engine.name: spark; 450 MB, and it wants Java 17

$(SPARK): $(INSTALLED)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PIP_SOURCES) --constraint $(CONSTRAINTS) --editable ".[spark]"
	touch $@

lakes: $(LAKES) ## the readers of Delta Lake and Iceberg, for ingest.source: lake; 190 MB

$(LAKES): $(INSTALLED)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PIP_SOURCES) --constraint $(CONSTRAINTS) --editable ".[delta,iceberg]"
	touch $@

demo: install ## synthetic log -> trained, evaluated and judged models: the whole pipeline
	python -m q2pt_tasks resolve
	dvc repro
	python -m q2pt_tasks summary

airflow: install ## Airflow on this machine, on http://127.0.0.1:PORT; Ctrl-C ends it
	python -m q2pt_tasks.orchestration.local --port $(PORT)

serve: install ## the last model over HTTP, with a page to try it, on http://127.0.0.1:PORT; MODEL=, BESIDE=folder or prod
	python -m q2pt_tasks serve --model "$(MODEL)" $(if $(BESIDE),--beside "$(BESIDE)") --port $(PORT)

secrets: ## write new secrets for docker-compose.yml to .env.secrets
	$(PYTHON) deploy/make_secrets.py .env.secrets

taxonomy: install ## the pipeline on Google's product taxonomy, once per seed: TAXONOMY=folder ENCODER=folder or name; SEEDS="1 2 3"
	python -m q2pt_tasks study google_taxonomy $(STUDIED)

seeds: install ## the pipeline on three synthetic logs: small stores, words that differ by store
	python -m q2pt_tasks study synthetic_seeds --seeds $(SEEDS)

screenshots: install ## pictures of a running system for docs/screenshots; wants Chromium, and half an hour
	python tests/screenshots.py

pictures: install ## pictures of the last report and of the page to try the model, for docs/screenshots; wants Chromium
	python tests/report_pictures.py
	python tests/serving_pictures.py

overhead: install ## what Airflow costs beside dvc repro; wants PostgreSQL and Redis, and a quiet machine
	PYTHONPATH=tests python -m benchmarks.overhead

bench: install $(PEERS)/installed ## speed and memory beside Hugging Face's: TAXONOMY=folder ENCODER=folder; an hour of a quiet machine
	python -m benchmarks.performance --taxonomy "$(TAXONOMY)" --encoder "$(ENCODER)" $(BENCH)

$(PEERS)/installed: $(INSTALLED) benchmarks/performance/peers.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python $(PIP_SOURCES) --constraint constraints.txt --requirement benchmarks/performance/peers.txt
	touch $@

bench-metrics: install $(METRICS_PEERS)/installed ## exact curves of 1,000,000 queries beside scikit-learn and torchmetrics; 6 GB of disk
	python -m benchmarks.metrics --peers $(METRICS_PEERS)/bin/python

$(METRICS_PEERS)/installed: $(INSTALLED) benchmarks/metrics/peers.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(METRICS_PEERS)
	@$(BIN)/uv pip install --quiet --python $(METRICS_PEERS)/bin/python $(PIP_SOURCES) --constraint constraints.txt --requirement benchmarks/metrics/peers.txt
	touch $@

bench-quality: install $(QUALITY_PEERS)/installed ## recall of the models of `make taxonomy` beside TF-IDF, fastText and PECOS: TAXONOMY, ENCODER, SEEDS as there; an hour after it
	python -m benchmarks.quality $(STUDIED) $(BENCH)

$(QUALITY_PEERS)/installed: $(INSTALLED) benchmarks/quality/peers.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(QUALITY_PEERS)
	@$(BIN)/uv pip install --quiet --python $(QUALITY_PEERS)/bin/python $(PIP_SOURCES) --requirement benchmarks/quality/peers.txt
	touch $@

bench-serving: install ## the service under load; after `make demo` and `make bench`, half an hour of a quiet machine
	python -m benchmarks.serving $(BENCH)

bench-scale: install ## ingest to split on 1 and 10 million events beside plain pandas and hand-written SQL; 3 GB of disk
	python -m benchmarks.scale

bench-engines: install $(SPARK) ## ingest to split on 1 million events by DuckDB and by Spark, with an executor lost; 1 GB of disk
	PYTHONPATH=tests python -m benchmarks.engines

test: install ## the fast tests: under five minutes, no network
	pytest -n 2 --dist loadfile -m "not slow" --disable-socket --allow-unix-socket

test-all: install $(SPARK) $(LAKES) ## the slow and the integration tests too; of the crashes of services, only `make chaos` runs the long ones
	pytest -n 2 --dist loadfile -m "not long" --disable-socket --allow-unix-socket

chaos: install ## the tests that break something on purpose, slow ones too: docs/reliability.md lists the faults
	pytest -n 2 --dist loadfile -m chaos --disable-socket --allow-unix-socket

fuzz: install ## what reads from outside, with new hostile examples: FUZZ_SECONDS=60 a target
	PYTHONPATH=tests python -m fuzzing

lint: install ## ruff and mypy strict, and no half of a merge left in any file
	ruff check .
	ruff format --check .
	mypy
	! git grep -nE '^(<<<<<<<|>>>>>>>) '

format: install ## mend what ruff can mend
	ruff check --fix .
	ruff format .

constraints: install $(SPARK) $(LAKES) ## write the installed versions to constraints.txt; take a pin out first to renew it
	mkdir -p build
	(grep '^#' constraints.txt; python -m pip freeze --exclude-editable \
		| grep -viE '^(nvidia|cuda|triton|pip|setuptools)' | sed -E 's/^(torch==[^+]*)\+.*/\1/') > build/constraints.txt
	mv build/constraints.txt constraints.txt

hashes: install ## write the hashes of what constraints.txt pins to hashes.txt; wants the network
	mkdir -p build
	(sed -n '/^#/p' hashes.txt; $(BIN)/uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate \
		--python $(BIN)/python constraints.txt) > build/hashes.txt
	for wheel in $(TORCH_WHEELS); do \
		hash=$$(sha256sum "$$wheel" | cut -d ' ' -f 1); \
		grep -q "$$hash" build/hashes.txt || sed -i "/^torch==/a\    --hash=sha256:$$hash \\\\" build/hashes.txt; \
	done
	mv build/hashes.txt hashes.txt

licences: install $(SPARK) $(LAKES) ## the licence of every pinned package into docs/licences-table.md; wants the network
	mkdir -p build
	$(BIN)/uvx --quiet --from $(LICENCES) pip-licenses --python $(BIN)/python --with-system --ignore-packages q2pt pip setuptools \
		--order=license --format=markdown > build/licences-table.md
	mv build/licences-table.md docs/licences-table.md

audit: install ## the known vulnerabilities of the pinned versions; wants the network
	$(BIN)/uvx --quiet --from $(AUDIT) pip-audit --strict --requirement hashes.txt --disable-pip --require-hashes

clean: ## remove what was made, but not the data
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
