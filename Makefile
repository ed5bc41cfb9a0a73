# make run starts everything, make test tests everything; both install what they need into .venv first.

PYTHON ?= python3
BIN := .venv/bin
SYNC := $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes

# Compiled modules are what makes the second start fast.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run worker test test-next check bench bench-faults bench-log lock
.DEFAULT_GOAL := help

help:
	@echo "make run      start Mailadmin: web server and worker, on http://127.0.0.1:8000 (PORT=8001 make run: another port)"
	@echo "make worker   start one more worker alone"
	@echo "make test     run all tests"
	@echo "make test-next   run what depends most on Django with the newest Django, on the newest Python that is installed"
	@echo "make check    look at the code: format, lint, types, imports between apps, migrations, templates, deployment"
	@echo "make bench    measure; one JSON line a figure"
	@echo "make bench-faults   kill and stop workers hundreds of times and count the mails; takes half an hour"
	@echo "make bench-log   search, export and prune a log of a million mails on both databases; takes most of an hour (ROWS=200000: fewer)"
	@echo "make lock     renew the pinned versions in requirements/"

run: .venv/.run
	@exec $(BIN)/python -m config.startup.serve

worker: .venv/.run
	@exec $(BIN)/python -m config.startup.serve --worker-only

test: .venv/.test
	@$(BIN)/pytest -n 2 $(PYTEST_ARGS)

# What depends most on Django: its messages, pages, forms and sessions, what is sent and stored.
NEXT_TESTS := $(wildcard tests/mailadmin/test_*.py) $(addprefix tests/mailadmin/,delivery http_api message outbox views) \
	tests/config/startup/test_start.py tests/config/web tests/maillog/queue tests/maillog/views tests/secrets_app/views \
	tests/templates_app/views tests/users
NEXT_PYTHON ?= $(shell .ci/newest-python)

test-next: $(if $(NEXT_PYTHON),.venv-next/.installed)
ifeq ($(NEXT_PYTHON),)
	@echo "Not tested with Django 6.1: it needs Python 3.12 or newer, which is not installed. Name one: NEXT_PYTHON=/path/to/python3"
else
	@.venv-next/bin/python -c 'import django, sys; print("With Django", django.__version__, "on Python", sys.version.split()[0])'
	@.venv-next/bin/pytest -n 2 -m "not browser" $(NEXT_TESTS) $(PYTEST_ARGS)
endif

check: .venv/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	git ls-files -z '*/templates/*.html' ':!templates_app/builtin' | xargs -0 -r $(BIN)/djade --check --target-version 5.2
	$(BIN)/python manage.py makemigrations --check --dry-run --settings config.settings_test
	DEBUG=false BASE_URL=https://mail.example.com $(BIN)/python -W error manage.py check --deploy --fail-level WARNING

bench: .venv/.test .venv-peers/.installed
	@set -e; for file in $(filter-out %/bench_faults.py %/bench_log.py,$(wildcard benchmarks/bench_*.py)); do \
		$(BIN)/python -m "benchmarks.$$(basename "$$file" .py)"; done

bench-faults: .venv/.test
	@$(BIN)/python -m benchmarks.bench_faults

bench-log: .venv/.test .venv-peers/.installed
	@$(BIN)/python -m benchmarks.bench_log --rows $(or $(ROWS),1000000) $(BENCH_ARGS)

# ---------------------------------------------------------------- what is installed

# Each list of pins contains the one before it. What was installed for the tests or the checks stays when only `make run`
# is wanted, so going back and forth installs nothing again.
.venv/.run: requirements/run.txt | $(BIN)/uv
	@$(SYNC) requirements/$(lastword run $(patsubst .venv/.%,%,$(wildcard .venv/.test .venv/.check))).txt
	@touch $@

.venv/.test: requirements/test.txt | $(BIN)/uv
	@$(SYNC) requirements/$(lastword test $(patsubst .venv/.%,%,$(wildcard .venv/.check))).txt
	@touch .venv/.run $@

.venv/.check: requirements/check.txt | $(BIN)/uv
	@$(SYNC) requirements/check.txt
	@touch .venv/.run .venv/.test $@

.venv-next/.installed: requirements/django-next.txt | $(BIN)/uv
	@$(BIN)/uv venv --quiet --clear --python $(NEXT_PYTHON) .venv-next
	@$(BIN)/uv pip sync --quiet --python .venv-next/bin/python --require-hashes requirements/django-next.txt
	@touch $@

# What the benchmarks measure beside us must not mix with what we run on.
.venv-peers/.installed: requirements/peers.txt | $(BIN)/uv
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	@$(BIN)/uv pip sync --quiet --python .venv-peers/bin/python --require-hashes requirements/peers.txt
	@touch $@

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Mailadmin needs Python 3.11 or newer. Name one: PYTHON=/path/to/python3 make run"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

# ---------------------------------------------------------------- what is pinned

PIN := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --python-version 3.11 --upgrade
WANTED := pyproject.toml --extra postgres --extra redis

# Two versions of Django are supported. People run the older one, which gets fixes for longer, on every Python.
lock: | $(BIN)/uv
	$(PIN) $(WANTED) --constraint requirements/django-lts.in -o requirements/run.txt
	$(PIN) $(WANTED) --group test --constraint requirements/run.txt -o requirements/test.txt
	$(PIN) $(WANTED) --group test --group check --constraint requirements/test.txt -o requirements/check.txt
	$(subst 3.11,3.12,$(PIN)) $(WANTED) --group test --constraint requirements/django-next.in -o requirements/django-next.txt
	$(PIN) requirements/peers.in -o requirements/peers.txt
	echo uv | $(PIN) - -o requirements/uv.txt
