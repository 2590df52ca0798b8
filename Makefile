# Set-up needs python3 and make; uv is fetched into .tools/ when it is not on the PATH, and brings
# Python 3.13 where the machine has none.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen

# Trust what the system trusts: behind a company's proxy, uv's own certificates are not enough.
export UV_SYSTEM_CERTS ?= 1

.PHONY: setup lint test prove requirements local run train replay

# Folder of the public data sets, one folder each (training/README.md says where to get them).
MILLWRIGHT_DATA ?= ../shared/data

setup: .venv/.ready

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv

.venv/.ready: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	$(UV) sync --frozen --quiet
	@touch $@

lint: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) pyright
	$(RUN) lint-imports

test: lint
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

# make prove, or make prove KILLS=60 EXAMPLES=500: what is too long for the tests. Writes docs/proof.md.
prove: setup
	$(if $(EXAMPLES),EXAMPLES=$(EXAMPLES)) $(RUN) python -m tests.journeys.prove $(if $(KILLS),--kills $(KILLS))

# What Azure installs beside the code: the lock without the groups that are never deployed.
requirements: setup
	$(UV) export --frozen --quiet --no-default-groups --no-hashes --no-annotate --no-emit-project --output-file requirements.txt

local: setup
	$(RUN) python -m local up

# make run, or make run SECONDS=60
run: setup
	$(RUN) python -m local run $(if $(SECONDS),--seconds $(SECONDS))

train: setup
	OMP_NUM_THREADS=1 $(RUN) python -m training --data $(MILLWRIGHT_DATA)

# make replay, or make replay DATASET=DIR LIMIT=100 JSON=1 KEEP=DIR (docs/replay.md)
DATASET ?= $(MILLWRIGHT_DATA)/azure_pdm
replay: setup
	@$(RUN) python -m local replay $(DATASET) $(if $(LIMIT),--limit $(LIMIT)) $(if $(JSON),--json) $(if $(KEEP),--dir $(KEEP))

# What follows from docs/cost.md and prices: the tables in docs/deploy.md and docs/scaling.md.
.PHONY: sizes
sizes: setup
	$(RUN) python -m infra.bill --write
	$(RUN) python -m infra.scale --write

# What a security scanner says of the Bicep as prod deploys it, what another says of the workflows, and whether a
# dependency has a known weakness. Needs the package index, and the advisories at pypi.org.
.PHONY: scan
scan: setup
	$(RUN) python infra/scan.py $(UV) tool run checkov@3.3.30
	$(UV) tool run zizmor@1.32.0 --offline .github
	$(UV) tool run pip-audit@2.10.1 --strict --requirement requirements.txt --no-deps --disable-pip

# make bench, or make bench ARGS="--only fold --seconds 20"
.PHONY: bench
bench: setup
	$(RUN) python -m bench $(ARGS)
