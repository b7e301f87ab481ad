# The verbs of this checkout. `make help` lists them; docs/developing.md says what each does inside.
SHELL := /bin/bash
.DEFAULT_GOAL := help
INVENTORY ?= inventories/local
PLAYBOOK = .venv/bin/ansible-playbook -i $(INVENTORY)
USERS ?= 5
# molecule and antsibull look for the other Ansible programs on PATH
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?= python3
# tests/conftest.py says what goes to which worker; the longest first
TWO = .venv/bin/pytest -n 2 --no-loadscope-reorder
STAMP = .venv/.installed

.PHONY: help site verify destroy test lint unit bundle bench docs test-isolation test-keycloak spawn-check sanity venv

help: ## list these verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.txt requirements-dev.txt tools/make_venv.py
	$(PYTHON) tools/make_venv.py

venv: $(STAMP) ## set up .venv: Ansible, its collections and the test tools

site: $(STAMP) ## make the site: from a plain machine to a JupyterHub you can log in to
	$(PLAYBOOK) site.yml $(ARGS)

verify: $(STAMP) ## log in, spawn, run, save, stop, start, read back, log out, as a browser would
	$(PLAYBOOK) playbooks/verify-site.yml $(ARGS)

destroy: $(STAMP) ## take the local site away, its demo users' files too; keeps only the bundle cache
	$(PLAYBOOK) playbooks/destroy-site.yml -e destroy_site_confirm=$(notdir $(INVENTORY)) $(ARGS)

spawn-check: $(STAMP) ## log in USERS=5 demo users at once and run a cell in each
	.venv/bin/python -m tests.spawn_check --users $(USERS) $(ARGS)

lint: $(STAMP) ## ruff, yamllint, mypy, ansible-lint, ansible-test sanity
	.venv/bin/pytest tests/lint

sanity: $(STAMP) ## ansible-test sanity alone
	.venv/bin/python tools/run_sanity.py

unit: $(STAMP) ## the tests that need no machine (3 minutes)
	$(TWO) tests/unit tests/contract

test-keycloak: $(STAMP) ## the contract tests on the test server and on a real Keycloak (5 minutes, the first time 8; fetches 180 MB once, needs 1 GB of memory)
	.venv/bin/pytest tests/contract --backend both $(ARGS)

bundle: $(STAMP) ## build every program and image, or what is missing of them
	$(PLAYBOOK) site.yml --tags bundle $(ARGS)

test: bundle ## everything: lint, unit, roles and the whole site on real machines
	$(TWO) tests/e2e tests/lint tests/integration tests/contract tests/unit

test-isolation: $(STAMP) ## probe from real notebooks what they must not reach; writes the table in docs/security.md
	ISOLATION_DOCS=1 .venv/bin/pytest tests/e2e/test_2_isolation.py

bench: $(STAMP) ## measure: bundle, site, spawn, storage, memory; writes docs/benchmarks.md
	.venv/bin/python -m tests.bench $(ARGS)

docs: $(STAMP) ## build the module and role reference as HTML into .cache/docs
	.venv/bin/python tools/build_docs.py
