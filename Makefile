# make demo      fresh machine: engine, one lab host, a real fault, and its cure, step by step
# make test      fresh machine: every check and every test
# make lab-up    practice hosts (HOSTS=4); make lab-down removes them
# make compat    the tests, and a cure, with every Python and ansible-core that can be had
# make bench     how fast, against the commands typed by hand
# make lint      the checks alone; make galaxy: the collection as Galaxy imports it
# make site      the documentation as a site of its own, in site/
# make dist      wheel, sdist, collection and wheelhouse, with checksums, in dist/
# make lock      requirements.lock anew, which make setup installs
# make docs      pages, READMEs and specs from the cards and the stubs of the actions
# make matrix    docs/triage-matrix.md from the drills

PYTHON ?= python3
HOSTS ?= 1
VENV := .venv
BIN := $(VENV)/bin
LAB := tests/lab/lab
# Tests that need no host; and those that need hosts, or their images. Of these as many run at a time
# as there are workers, each with a host of its own, and one host more is for tests that need two. They
# mostly wait: four workers keep two processors busy.
WORKERS ?= 4
HOSTLESS := tests/unit tests/pages
ON_HOSTS := $(addprefix tests/,operations incidents fleet stacks lab record)
# Its tests share what lies in /dev/shm: one at a time.
SHARING := tests/unit/plugins/test_lock.py
# Tests of the shell functions that run on hosts, which know more than one shell.
IN_SHELLS := $(shell grep -l 'from shells import' tests/unit/test_*.py)
DRILL := pytest -n $(WORKERS) --dist worksteal
READY := $(VENV)/.ready

# $(call part,NAME,COMMAND): run it, and say how long that took.
part = begin=$$(date +%s); code=0; { $(2); } || code=$$?; \
	echo "== $(1): $$(($$(date +%s) - begin)) s"; exit $$code

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup engine lab-up lab-down demo test hostless checks lint galaxy unit compat drills bench docs site matrix dist lock clean

setup: $(READY)

# The wheel would put a copy of the collection there; in a checkout it is a link, so that the same
# names resolve to what is being worked on. It must not be there while pip writes its copy. What is
# installed as a checkout pip does not compile: each start of runbook would.
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	place=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/oncall && \
	rm -rf "$$place/runbook" && \
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable . && \
	rm -rf "$$place/runbook" && mkdir -p "$$place" && \
	ln -s "$(CURDIR)" "$$place/runbook"
	$(BIN)/python -m compileall -q runner
	touch $(READY)

engine: setup
	$(LAB) engine

lab-up: engine
	@$(call part,practice hosts,$(LAB) up $(HOSTS))

lab-down:
	$(LAB) down

demo: lab-up
	tests/lab/demo

lint: setup
	@$(call part,lint,ruff check . && ruff format --check . && mypy && ansible-lint --offline && \
		shellcheck $$(find plugins roles -name '*.sh') && \
		shellcheck .ci/run ci/run-in-container/build ci/run-in-container/entry ci/run-in-container/named tools/compat tools/dist tools/importer tools/sanity tools/site tests/lab/lab tests/lab/demo tests/lab/images/host/start-dockerd \
			$$(find tests/lab -name '*.sh'))
	@$(call part,the collection as ansible-test sees it,tools/sanity)

galaxy: setup
	@$(call part,the collection as Galaxy imports it,tools/importer)

# What has the time is checked with the time that the drills leave: a session is an "autogroup" of the
# kernel's, whose share of the processors can be bound. The importer would give up on a lint as slow as that.
checks: setup
	@setsid -w sh -c '(echo 19 >/proc/self/autogroup) 2>/dev/null; exec nice -n 19 $(MAKE) --no-print-directory hostless lint'
	@$(MAKE) --no-print-directory galaxy
	@$(call part,the documentation has no dead link,tools/site $(VENV)/pages)
	@$(call part,the newest ansible-core and Python,tools/compat newest core)
	@$(call part,shell functions in busybox,nice -n 19 env RUNBOOK_TEST_SHELL="busybox sh" pytest -q $(IN_SHELLS))

unit: setup
	pytest tests/unit

compat: lab-up
	tools/compat all unit
	tools/compat all sanity
	tools/compat all hosts

test: engine
	@$(call part,all,tests/pages/browser && \
		$(MAKE) --no-print-directory lab-up HOSTS=$$(($(WORKERS) + 1)) && \
		$(MAKE) --no-print-directory -j 2 --output-sync=line drills checks)

hostless: setup
	@$(call part,tests without a host,pytest -n 2 --durations=10 --ignore=$(SHARING) $(HOSTLESS) && pytest $(SHARING))

drills: setup
	@$(call part,tests on practice hosts,$(DRILL) --durations=10 $(ON_HOSTS))

bench: lab-up
	pytest -s tests/bench

docs: setup
	for card in roles/*/card.yml; do \
		incident=$$(basename $$(dirname $$card)); \
		runbook show $$incident --format markdown > docs/incidents/$$incident.md; \
	done
	python tools/write_docs.py

matrix: setup
	$(LAB) up $(WORKERS)
	$(DRILL) tests/incidents/test_faults.py --matrix docs/triage-matrix.md

site: setup
	tools/site

dist: setup
	tools/dist

# What `make setup` installs, each release with its hashes: made anew when pyproject.toml asks for more.
lock:
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --extra dev pyproject.toml -o requirements.lock

clean: lab-down
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
