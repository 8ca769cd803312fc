# What people and CI type. `make demo` needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

# uv leaves compiling to the first import, which must be kept then: tests start hundreds of processes, and
# one that compiles Dagster anew takes twice as long. Compiling all of it takes half a minute and 190 MB.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-dev check demo ui test lint types bench soak lock clean

help:                    ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# An environment with uv, and with what builds this package: both as the development lock names them, so
# that pip verifies them, too. Only uv may be missing: some platforms have no wheel of it.
TOOLS := $(VENV)/.tools
$(TOOLS): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@sed -n '/^setuptools==/,/[^\]$$/p' requirements-dev.lock > $(VENV)/setuptools.lock
	@sed -n '/^uv==/,/[^\]$$/p' requirements-dev.lock > $(VENV)/uv.lock
	@$(PIP) install --require-hashes --requirement $(VENV)/setuptools.lock
	@-$(PIP) install --require-hashes --only-binary :all: --requirement $(VENV)/uv.lock
	@touch $@

# uv does not read pip's configuration, so it is told which index pip is configured with, if any.
PIP_INDEX = $(BIN)/python -m pip config list | sed -nE "s/^(global|install)\.index-url='(.*)'$$/\2/p" | tail -n 1
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PIP_INDEX))}}" $(BIN)/uv --quiet

# Both verify every hash.
define install_locked
	@echo 'Installing what $(1) names into $(VENV).'
	@$(UV) pip install --python $(BIN)/python --require-hashes --requirement $(1) || { \
		echo 'uv could not do it, so pip does the same: that takes minutes instead of seconds.'; \
		$(PIP) install --require-hashes --requirement $(1); }
	@$(PIP) install --no-deps --no-build-isolation --editable .
endef

RUNTIME := $(VENV)/.runtime
$(RUNTIME): $(TOOLS) requirements.lock pyproject.toml
	$(call install_locked,requirements.lock)
	@touch $@

DEV := $(VENV)/.dev
$(DEV): $(TOOLS) requirements-dev.lock pyproject.toml
	$(call install_locked,requirements-dev.lock)
	@touch $@ $(RUNTIME)

install: $(RUNTIME)      ## the environment alone, with what runs

install-dev: $(DEV)      ## with what develops, too

check: lint types        ## before each commit: lint, types and the fast tests
	$(BIN)/python -m pytest -n auto -m fast

demo: $(RUNTIME)         ## build the example, run everything over it, end with a report
	$(BIN)/enrollment demo

ui: $(RUNTIME)           ## Dagster's UI on the same data, at http://127.0.0.1:3000
	$(BIN)/enrollment ui

# Coverage costs half of the tests' time again; COVERAGE=1 asks for it.
test: $(DEV)             ## all tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder \
		$(if $(COVERAGE),--cov --cov-report=term:skip-covered)

# Drawn histories, kills, malformed files, a daemon that is killed, a mail server that fails: the same tests
# with many repetitions, some 40 minutes on two cores.
soak: $(DEV)             ## the long reliability runs
	ENROLLMENT_SOAK=1 $(BIN)/python -m pytest -q -s --durations=0 --durations-min=5 -m long

lint: $(DEV)             ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)            ## mypy, strict
	$(BIN)/mypy

# make bench OULAD=folder also measures the real registrations of examples/open_university
bench: $(DEV)            ## several minutes; bench/README.md holds the last results
	$(BIN)/python bench/import_time.py
	$(BIN)/python bench/event_log.py
	$(BIN)/python bench/install.py
	$(BIN)/python bench/daily_run.py
	$(BIN)/python bench/large_day.py
	$(BIN)/python bench/isolated_reading.py
	$(BIN)/python bench/volatile_column.py
	$(BIN)/python bench/range_run.py
	$(BIN)/python bench/insight.py
	$(BIN)/python bench/report_and_mail.py
	$(BIN)/python bench/anomaly_faults.py
	$(BIN)/python bench/planted_faults.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python bench/database_read.py
	$(BIN)/python bench/forecast_series.py
	@test ! -d "$(OULAD)" || $(BIN)/python bench/real_registrations.py "$(OULAD)"
	@test ! -d "$(OULAD)" || $(BIN)/python bench/forecast_accuracy.py "$(OULAD)"

# Each file holds for every Python and platform, and what runs has the same versions in both. Extras stay
# named because pip, unlike uv, refuses a locked file without them.
COMPILE = $(UV) pip compile --upgrade --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-annotate --no-strip-extras --custom-compile-command 'make lock' pyproject.toml

lock: $(TOOLS)           ## resolve the newest allowed versions anew
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --extra dev --constraints requirements.lock --output-file requirements-dev.lock

clean:                   ## remove the environment and everything that was made
	rm -rf $(VENV) .dagster* data examples/*/snapshots examples/*/data
