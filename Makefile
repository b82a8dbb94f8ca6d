# `make demo` and `make test` set up what they need in .venv and .demo; nothing outside the checkout changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo 'make demo   train handwritten digits on 2 workers and 2 parameter servers, as local processes'
	@echo 'make test   lint, types and every test that this machine can run'
	@echo 'make test-everyday   all of that but the part on a cluster'
	@echo 'make test-examples   every example to its end, as local processes'
	@echo 'make test-cluster    the part on a real Kubernetes: that of KUBECONFIG, else its own (on Linux, as root)'
	@echo 'make cluster-up, cluster-down   start that cluster to work with it; remove it'
	@echo 'make bench  what a job costs, 10 to 5,000 tasks, beside TFJob; an hour (on Linux, as root)'
	@echo 'make lint   format and lint only        make clean   remove .venv and .demo'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo '$(PYTHON) is older than Python 3.10; name another one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo '$(PYTHON) -m venv failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; rm -rf .venv; exit 1; }

$(STAMP)local: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[local]'
	@touch $@

$(STAMP)dev: pyproject.toml examples/requirements.txt $(STAMP)local
	$(BIN)/python -m pip install --quiet --editable '.[local,dev]'
	$(BIN)/python -m pip install --quiet --no-deps -r examples/requirements.txt
	@touch $@

.PHONY: demo
demo: $(STAMP)local
	$(BIN)/tfconfig run -f examples/digits/values.yaml --python $(BIN)/python --checkpoint .demo/digits

.PHONY: lint
lint: $(STAMP)dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

.PHONY: test test-everyday
test: test-everyday test-examples test-cluster

test-everyday: lint
	$(BIN)/python -m pytest -m 'not cluster and not examples'

# Real trainings on two cores are late now and then, like a whole cluster. A test that failed is run once more, and both
# are reported (R).
.PHONY: test-examples
test-examples: $(STAMP)dev
	$(BIN)/python -m pytest -m examples --reruns 1 -rR

.PHONY: test-cluster
test-cluster: $(STAMP)dev
	$(BIN)/python -m pytest -m cluster --reruns 1 -rR

.PHONY: cluster-up cluster-down
cluster-up cluster-down: $(STAMP)dev
	$(BIN)/python -m hack.cluster $(@:cluster-%=%)

.PHONY: bench
bench: $(STAMP)dev
	$(BIN)/python -m bench

.PHONY: clean
clean:
	rm -rf .venv .demo
