# make demo      fresh machine: engine, one lab host, a real fault, and its cure, step by step
# make test      fresh machine: every check and every test
# make lab-up    practice hosts (HOSTS=2); make lab-down removes them
# make bench     how fast, against the commands typed by hand
# make lint      the checks alone

PYTHON ?= python3
HOSTS ?= 1
VENV := .venv
BIN := $(VENV)/bin
LAB := tests/lab/lab
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup engine lab-up lab-down demo test lint unit bench clean

setup: $(READY)

# The collection is linked to where the wheel would put it, so the same names resolve.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	mkdir -p "$$site/ansible_collections/oncall" && \
	ln -sfn "$(CURDIR)" "$$site/ansible_collections/oncall/runbook"
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
	pytest

bench: lab-up
	pytest -s tests/bench

clean: lab-down
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
