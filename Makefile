# `make` lists the commands. Each one first makes .venv and installs what is missing, so there is nothing to do before.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo quick test test-faults test-gpu docs bench bench-scale zoo aims study lint lock clean always cluster-up cluster-status cluster-down

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first Python that runs and has a supported version; a name on the path may be a shim that leads nowhere.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c '$(SUPPORTED)' 2>/dev/null && echo $$name && break; done)

# uv reads its own variable for folders of wheels, wants commas, and refuses a folder that does not exist.
comma := ,
space := $(subst ,, )
WHEELS := $(foreach link,$(PIP_FIND_LINKS),$(or $(filter http://% https://%,$(link)),$(wildcard $(link))))
WHEELS := $(subst $(space),$(comma),$(strip $(WHEELS)))

# uv picks the torch that fits the machine (CPU or GPU), unless wheels at hand say which it is. Set it to choose: cpu, cu130, ...
TORCH_BACKEND ?= $(if $(PIP_FIND_LINKS),,auto)

# Python keeps what it compiled beside the packages, whatever the environment says: else each process takes 4 s longer.
export PYTHONDONTWRITEBYTECODE :=

QUIET := $(if $(MAKE_TERMOUT),,-q)
UV_INSTALL := UV_FIND_LINKS="$(WHEELS)" $(BIN)/uv pip install $(QUIET) -p $(VENV) -c requirements.lock -e '.[test,docs]'
IMPORTED := issodask.warm, issodask.stages.run, issodask.service.manager, mostlyai.engine, mostlyai.qa, pytest
PIP_INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv and install everything into it (skipped while nothing changed)
	@echo "$(VENV) is ready"

demo: $(STAMP) ## Synthesise a real table, from training to the report, in a few minutes
	@$(BIN)/issodask run examples/flat.toml

# A core for each of the two: threads of scikit-learn that wait for one another take five times as long.
test: $(STAMP) ## Run the tests, two files at a time
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quick: $(STAMP) ## Run the tests that matter for most changes, in about a minute: no trainings, no clusters, nothing slow
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --quick $(TESTS)

test-faults: $(STAMP) ## Kill workers, nannies, schedulers and drivers in every stage; the results must be the same bytes
	@$(BIN)/python -m tests.faults $(FAULTS)

# On an image that has torch, with wheels of what is missing: PYTHONPATH=FOLDER python3 -m tests.gpu
test-gpu: $(STAMP) ## Try a GPU: train, sample, a whole job, beside the processor; a few minutes, no network
	@$(BIN)/python -m tests.gpu $(GPU)

docs: $(STAMP) ## Build the documentation into site/: run its tutorials, where these or the program changed; warnings fail
	@$(BIN)/python -m tests.docs pages
	@$(BIN)/python -m tests.docs tutorials
	@$(BIN)/python -m zensical build --clean --strict

bench: $(STAMP) ## Measure time, memory and accuracy, compare them with NumPy and pandas, write the table in docs/bench.md
	@$(BIN)/python -m tests.bench run $(BENCH)

bench-scale: $(STAMP) ## Select from up to 100,000,000 rows, write docs/scale.md: half an hour and 15 GB of disk, resumable
	@$(BIN)/python -m tests.bench.scale

aims: $(STAMP) ## Compare what subsets can aim at, on the zoo's trained pools (make zoo), write docs/aims.md
	@$(BIN)/python -m tests.zoo.aims run $(AIMS)

study: $(STAMP) ## Try ten ways to make rows on six real tables, and sizes of tables, write docs/study.md: an hour on two cores, resumable
	@$(BIN)/issodask benchmark examples/study.toml
	@$(BIN)/issodask benchmark examples/sizes.toml
	@$(BIN)/python -m tests.docs study

zoo: $(STAMP) ## Select from pools of all kinds for 32 real tables, write docs/zoo.md: an hour on two cores, resumable
	@$(BIN)/python -m tests.zoo run $(ZOO)

cluster-up: $(STAMP) ## Start a Dask cluster on this machine: WORKERS=4 MEMORY=4GB (of each), both optional
	@$(BIN)/issodask cluster up $(if $(WORKERS),--workers $(WORKERS)) $(if $(MEMORY),--memory $(MEMORY))

cluster-status: $(STAMP) ## Show its addresses and processes
	@$(BIN)/issodask cluster status

cluster-down: $(STAMP) ## Stop it
	@$(BIN)/issodask cluster down

lint: $(STAMP) ## Check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: $(STAMP) ## Choose the newest versions anew (requirements.lock)
	@env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile -q --universal --python-version 3.11 --extra test --extra docs \
		--no-annotate --no-header pyproject.toml -o $(VENV)/new.lock
	@grep -vE '^(nvidia|cuda|triton|torchvision|torchaudio)' $(VENV)/new.lock > requirements.lock && rm $(VENV)/new.lock

clean: ## Remove .venv and all caches; runs stay
	@rm -rf $(VENV) build dist site *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp holds the folder it was made in: a .venv that was copied or moved still points to the old place.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): always
endif

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || \
		{ echo "$(or $(PYTHON),Python on the path) will not do: issodask needs Python 3.11 to 3.13 (make PYTHON=/path/to/one)"; exit 2; }
	@echo "Installing issodask and what it needs into $(VENV): about 2 GB, a minute or, with downloads, some"
	@if [ -e $@ ] && [ "$$(cat $@)" != "$(CURDIR)" ]; then rm -rf $(VENV); fi
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@if $(PIP_INSTALL) uv; then $(install_with_uv); else false; fi || { $(install_with_pip); }
	@$(BIN)/python -c 'import $(IMPORTED)'
	@echo "$(CURDIR)" > $@

# Where the index of torch's builds can't be reached, the usual index has one too.
define install_with_uv
$(if $(TORCH_BACKEND),$(UV_INSTALL) --torch-backend $(TORCH_BACKEND) || { echo "Trying the usual index for torch"; $(UV_INSTALL); },$(UV_INSTALL))
endef

# --no-deps, because of the packages that [tool.uv] in pyproject.toml leaves out.
define install_with_pip
echo "Trying without uv"; \
$(PIP_INSTALL) torch -c requirements.lock && \
$(PIP_INSTALL) --no-deps -r requirements.lock && \
$(PIP_INSTALL) --no-deps -e .
endef
