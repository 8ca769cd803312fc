# What people and CI type. `make demo` needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo ui test soak lint types bench lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing the locked packages into $(VENV): a few minutes, once.'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(STAMP)

demo: install            ## build the example, run everything over it, end with a report
	$(BIN)/enrollment demo

ui: install              ## Dagster's UI on the same data, at http://127.0.0.1:3000
	$(BIN)/enrollment ui

test: install
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

# The same tests with many repetitions: some 40 minutes on two cores.
soak: install            ## drawn histories, kills, malformed files, a daemon that is killed, a mail server that fails
	ENROLLMENT_SOAK=1 $(BIN)/python -m pytest -q -s --durations=0 --durations-min=5 \
		enrollment_assets_tests/test_any_order.py enrollment_assets_tests/test_kills.py \
		enrollment_assets_tests/test_malformed.py enrollment_assets_tests/test_daemon.py \
		enrollment_assets_tests/test_mail.py::test_a_server_that_fails_at_random_points_loses_no_mail_and_doubles_none_but_in_doubt

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# make bench OULAD=folder also measures the real registrations of examples/open_university
bench: install           ## several minutes; bench/README.md holds the last results
	$(BIN)/python bench/import_time.py
	$(BIN)/python bench/event_log.py
	$(BIN)/python bench/demo.py
	$(BIN)/python bench/daily_run.py
	$(BIN)/python bench/range_run.py
	$(BIN)/python bench/insight.py
	$(BIN)/python bench/report_and_mail.py
	$(BIN)/python bench/anomaly_faults.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python bench/database_read.py
	$(BIN)/python bench/forecast_series.py
	@test ! -d "$(OULAD)" || $(BIN)/python bench/real_registrations.py "$(OULAD)"
	@test ! -d "$(OULAD)" || $(BIN)/python bench/forecast_accuracy.py "$(OULAD)"

lock:                    ## resolve the newest allowed versions anew
	rm -rf $(VENV)/lock && $(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet '.[dev]'
	{ echo '# Exact versions of everything, made by `make lock`.'; \
	  $(VENV)/lock/bin/python -m pip freeze --exclude enrollment-assets; } > requirements.lock
	rm -rf $(VENV)/lock

clean:
	rm -rf $(VENV) .dagster data examples/*/snapshots examples/*/data
