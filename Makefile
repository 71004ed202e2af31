# make demo      fresh machine: engine, one lab host, a real fault, and its cure, step by step
# make test      fresh machine: every check and every test
# make lab-up    practice hosts (HOSTS=2); make lab-down removes them
# make bench     how fast, against the commands typed by hand
# make lint      the checks alone
# make docs      docs/incidents/ from the cards; make matrix: docs/triage-matrix.md from the drills

PYTHON ?= python3
HOSTS ?= 1
VENV := .venv
BIN := $(VENV)/bin
LAB := tests/lab/lab
# Tests that need no practice host; that need both at once; and that break one of them, and nothing
# else: as many of these at a time as there are hosts.
HOSTLESS := tests/unit tests/record tests/pages
TOGETHER := $(addprefix tests/,lab incidents/test_runs.py incidents/test_secrets.py operations/test_operations.py)
ALONE := tests/incidents tests/operations
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup engine lab-up lab-down demo test lint unit bench docs matrix clean

setup: $(READY)

# The wheel would put a copy of the collection there; in a checkout it is a link, so that the same
# names resolve to what is being worked on. It must not be there while pip writes its copy.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	place=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/oncall && \
	rm -rf "$$place/runbook" && \
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]' && \
	rm -rf "$$place/runbook" && mkdir -p "$$place" && \
	ln -s "$(CURDIR)" "$$place/runbook"
	touch $(READY)

engine: setup
	$(LAB) engine

lab-up: engine
	$(LAB) up $(HOSTS)

lab-down:
	$(LAB) down

demo: lab-up
	tests/lab/demo

lint: setup
	ruff check .
	ruff format --check .
	mypy
	ansible-lint --offline

unit: setup
	pytest tests/unit

test: lint
	$(MAKE) lab-up HOSTS=2
	tests/pages/browser
	pytest -n 2 $(HOSTLESS)
	pytest $(TOGETHER)
	pytest -n 2 $(ALONE) $(TOGETHER:%=--ignore %)

bench: lab-up
	pytest -s tests/bench

docs: setup
	for card in roles/*/vars/main.yml; do \
		incident=$$(basename $$(dirname $$(dirname $$card))); \
		! grep -q "^$${incident}_card:" $$card || \
		runbook show $$incident --format markdown > docs/incidents/$$incident.md; \
	done

matrix: setup
	$(LAB) up 2
	pytest -n 2 tests/incidents/test_faults.py --matrix docs/triage-matrix.md

clean: lab-down
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
