# knowngood.kube: everything a developer starts. "make help" lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help venv cluster cluster-down lint shellcheck sanity sanity-2.19 sanity-2.21 unit unit-2.19 unit-2.21 integration \
        matrix handshakes bench sast-table test demo demo-shell demo-clean build clean

NEWEST := .venv/a221-py312
LOWEST := .venv/a219-py311
LINT := .venv/lint
BENCH := .venv/bench
BENCH_SAST := .venv/bench-sast
FUZZ := .venv/fuzz
FUZZ_MINUTES ?= 10
PEERS := .venv/peers
PYTHON := $(NEWEST)/bin/python
TOOLS := tests/tools
# The tree as Python and Ansible import it.
LINK := .ac/ansible_collections/knowngood/kube
HERE := PYTHONPATH=.ac ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/.ac
# Test clusters that the integration tests use side by side; a file of tests stays on one.
CLUSTERS ?= 2
ifeq ($(USE_EXISTING_CLUSTER),true)
OURS := -m "not rig"
else
SPREAD := -n $(CLUSTERS) --dist loadfile
endif

help: ## this list
	@grep -hE '^[a-z][a-z0-9. -]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9.-]+):.*## /\1\t/' | expand -t 16

$(LINK):
	@mkdir -p $(dir $@) && ln -sfn ../../.. $@

$(NEWEST)/.done: requirements-dev.txt requirements.txt
	@$(TOOLS)/make-venv $(NEWEST) "3.12 3.13 3.14" -r requirements-dev.txt -r requirements.txt

$(LOWEST)/.done: tests/lower-bounds.txt requirements.txt
	@$(TOOLS)/make-venv $(LOWEST) "3.11" -r tests/lower-bounds.txt -r requirements.txt

$(LINT)/.done: requirements-lint.txt
	@$(TOOLS)/make-venv $(LINT) "3.12 3.13 3.14" -r requirements-lint.txt

venv: $(NEWEST)/.done $(LINK)

cluster: venv ## start the test cluster (builds it once)
	@$(PYTHON) -m tests.cluster up

cluster-down: venv ## stop the test cluster, leaving nothing behind
	@$(PYTHON) -m tests.cluster down

lint: venv $(LINT)/.done ## static checks and ansible-lint (profile production)
	@$(TOOLS)/lint $(LINT) $(NEWEST)

sanity: venv $(LOWEST)/.done ## ansible-test sanity on the oldest and the newest line
	@$(MAKE) --no-print-directory -j2 --output-sync=target sanity-2.19 sanity-2.21

shellcheck:
	@$(TOOLS)/debian-packages shellcheck=shellcheck

sanity-2.19: $(LOWEST)/.done shellcheck
	@$(TOOLS)/sanity $(LOWEST)

sanity-2.21: venv shellcheck
	@$(TOOLS)/sanity $(NEWEST)

unit: venv $(LOWEST)/.done ## unit tests on the oldest and the newest line, with coverage
	@$(TOOLS)/debian-packages openssl=openssl
	@$(MAKE) --no-print-directory -j2 --output-sync=target unit-2.19 unit-2.21

unit-2.19: $(LOWEST)/.done $(LINK)
	@$(HERE) $(LOWEST)/bin/python -m pytest tests/unit -q

unit-2.21: venv
	@mkdir -p build
	@$(HERE) COVERAGE_CORE=sysmon $(PYTHON) -m pytest tests/unit -q --cov --cov-report=term:skip-covered

integration: venv ## tests on real clusters, CLUSTERS of them side by side
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" $(PYTHON) -m pytest tests/integration -q $(OURS) $(SPREAD)

matrix: venv ## the whole fault matrix: kills after every write, API and driver faults (MATRIX="kills --lanes 2")
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" $(PYTHON) -m tests.matrix $(MATRIX)

handshakes: venv ## rotations of certificates and CAs under load, every connection counted (HANDSHAKES="leaf --only nginx")
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" $(PYTHON) -m tests.load $(HANDSHAKES)

test: ## everything
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory sanity
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration

$(BENCH)/.done: tests/bench/requirements.txt
	@$(TOOLS)/make-venv $(BENCH) "3.12 3.13 3.14" -r tests/bench/requirements.txt

bench: venv $(BENCH)/.done ## figures beside kubernetes.core and Velero, on one cluster in one run (BENCH_ARGS="--rounds 1")
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" $(PYTHON) -m tests.bench $(BENCH_ARGS)

$(PEERS)/.done: tests/corpus/requirements.txt tests/corpus/peers/package.json
	@$(TOOLS)/make-venv $(PEERS) "3.12 3.13 3.14" -r tests/corpus/requirements.txt
	@if command -v npm >/dev/null; then cp tests/corpus/peers/package.json $(PEERS)/ && \
	  npm install --silent --no-fund --no-audit --ignore-scripts --prefix $(PEERS) && \
	  chmod u+x $(PEERS)/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool; \
	else echo "npm is not installed: its peers are left out"; fi

sast-table: venv $(PEERS)/.done ## what other readers make of our corpus of reports: docs/sast_comparison.md
	@$(HERE) $(PYTHON) -m tests.corpus.compare $(PEERS)

$(BENCH_SAST)/.done: tests/bench/sast-peers.txt
	@$(TOOLS)/make-venv $(BENCH_SAST) "3.11" -r tests/bench/sast-peers.txt

# All readers on the same Python, the oldest that we support.
bench-sast: $(LOWEST)/.done $(LINK) $(BENCH_SAST)/.done ## figures of reading reports beside json.load and sarif-tools, no cluster (BENCH_ARGS="--megabytes 20")
	@$(HERE) PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" $(LOWEST)/bin/python -m tests.bench.sast $(BENCH_ARGS)

$(FUZZ)/.done: tests/fuzz/requirements.txt
	@$(TOOLS)/make-venv $(FUZZ) "3.12 3.13 3.14" -r tests/fuzz/requirements.txt

fuzz: venv $(FUZZ)/.done ## damaged reports, FUZZ_MINUTES (10) with each of two engines
	@$(HERE) $(PYTHON) -m tests.fuzz mutations --minutes $(FUZZ_MINUTES)
	@$(HERE) $(FUZZ)/bin/python -m tests.fuzz atheris --minutes $(FUZZ_MINUTES)

demo: venv ## the case study: an incident, handled on a real cluster
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" examples/shop/demo

demo-shell: venv ## a shell that looks at the cluster of the demo
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" examples/shop/demo shell

demo-clean: venv ## remove everything the demo made
	@$(HERE) PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" examples/shop/demo clean

build: venv ## the collection's archive, under dist/
	@$(PYTHON) -m ansible galaxy collection build --output-path dist --force

clean: ## remove what builds and tests wrote here (not the virtual environments)
	@rm -rf build dist .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage tests/output
