# `make demo` and `make test` set up what they need in .venv and .demo; nothing outside the checkout changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-
LOCK := requirements-dev.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK)
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo 'make demo            train handwritten digits on 2 workers and 2 parameter servers, as local processes'
	@echo 'make test            lint, types and every test that this machine can run'
	@echo 'make test-here       all of them that need no cluster'
	@echo 'make lint            format, lint and types'
	@echo 'make test-everyday   lint, and every test that needs neither a cluster nor long trainings'
	@echo 'make test-examples   every example to its end, as local processes'
	@echo 'make test-cluster    the tests on a real Kubernetes: that of KUBECONFIG, else its own (on Linux, as root)'
	@echo 'make test-engines    beside other programs of a cluster: Kueue, the training operator, …; built the first time'
	@echo 'make test-guides     programs after TensorFlow'"'"'s guides, each with a silent minute; 15 minutes, Python 3.9 to 3.11'
	@echo 'make coverage        the unit and chart tests, and the lines that they do not reach'
	@echo 'make mutants         break the pure parts one small change at a time, and list what no test notices; hours'
	@echo 'make docs            the documents as a site, in build/site'
	@echo 'make bench           what a job costs, 10 to 5,000 tasks, beside TFJob; an hour (on Linux, as root)'
	@echo 'make cluster-up      start the cluster of the tests, to work with it; make cluster-down removes it'
	@echo 'make lock            pin the versions of all dependencies anew, in $(LOCK)'
	@echo 'make clean           remove .venv, .demo and build'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo '$(PYTHON) is older than Python 3.10; name another one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo '$(PYTHON) -m venv failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; rm -rf .venv; exit 1; }

$(STAMP)local: pyproject.toml $(LOCK) | $(BIN)/python
	$(PIP) --editable '.[local]'
	@touch $@

$(STAMP)dev: examples/requirements.txt $(STAMP)local
	$(PIP) --editable '.[local,dev]'
	$(PIP) --no-deps -r examples/requirements.txt
	@touch $@

# TensorFlow's servers listen on every interface: where the kernel allows it, in a network of their own.
ISOLATE = $(shell unshare --user --map-root-user --net true 2>/dev/null && echo --isolate)

.PHONY: demo
demo: $(STAMP)local
	$(BIN)/tfconfig run $(ISOLATE) -f examples/digits/values.yaml --python $(BIN)/python --checkpoint .demo/digits

.PHONY: lint
lint: $(STAMP)dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

.PHONY: test test-here test-everyday
# The cluster's tests mostly wait: all others take what they leave of the machine.
test: lint
	$(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) test-here test-cluster

test-here:
	nice $(MAKE) --no-print-directory test-everyday
	nice $(MAKE) --no-print-directory test-examples

test-everyday: lint
	$(BIN)/python -m pytest -m 'not cluster and not engines and not examples and not guides' -n 2 --dist loadfile

# Real trainings on two cores are late now and then, like a whole cluster. A test that failed is run once more, and both
# are reported (R).
.PHONY: test-examples
test-examples: $(STAMP)dev
	$(BIN)/python -m pytest -m examples --reruns 1 -rR --durations 15

.PHONY: test-cluster
test-cluster: $(STAMP)dev
	$(BIN)/python -m pytest -m cluster --reruns 1 -rR --durations 30

# Not of `make test`.
.PHONY: test-engines
test-engines: $(STAMP)dev
	$(BIN)/python -m pytest -m engines --reruns 1 -rR; ended=$$?; $(BIN)/python -m hack.engines_table && exit $$ended

# Not of `make test`. TensorFlow 2.15 has the last Estimators.
GUIDES := build/tensorflow-2.15/bin/python
$(GUIDES):
	$(PYTHON) -m venv build/tensorflow-2.15
	$@ -m pip install --quiet --disable-pip-version-check tensorflow-cpu==2.15.1 || { rm -rf build/tensorflow-2.15; exit 1; }

.PHONY: test-guides
test-guides: $(STAMP)dev $(GUIDES)
	$(BIN)/python -m pytest -m guides

.PHONY: coverage
coverage: $(STAMP)dev
	$(BIN)/coverage run -m pytest tests/unit tests/chart
	$(BIN)/coverage report

.PHONY: mutants
mutants: $(STAMP)dev
	$(BIN)/python -m hack.mutants

.PHONY: docs
docs: $(STAMP)dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.PHONY: cluster-up cluster-down
cluster-up cluster-down: $(STAMP)dev
	$(BIN)/python -m hack.cluster $(@:cluster-%=%)

.PHONY: bench
bench: $(STAMP)dev
	$(BIN)/python -m bench

# Versions that are in the file stay where they fit; `make lock UPGRADE=--upgrade` takes the newest.
.PHONY: lock
lock: | $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate $(UPGRADE) \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file $(LOCK) pyproject.toml
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --constraint $(LOCK) \
	  --output-file requirements-action.txt pyproject.toml -

.PHONY: clean
clean:
	rm -rf .venv .demo build
