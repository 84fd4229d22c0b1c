# Needs Python 3.11 or later, git and make. uv is fetched into .tools where it is missing.

UV := $(or $(shell command -v uv),.tools/bin/uv)
RUN := $(UV) run --locked --quiet
PYTEST := $(RUN) pytest --quiet --numprocesses auto --maxprocesses 4 --dist loadgroup

.PHONY: help demo test check agent once containers tools mutation long bench fuzz detached middleware matrix covering lock upgrade docs alerts release

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(UV) ## scaffold an agent, start it, talk to it, stop it
	$(RUN) python -m tests.programs.demo

test: $(UV) lint ## lint, render and update tests, and the archetypes built, tested and run in containers
	$(PYTEST)

check: $(UV) lint ## the quick loop: all but what builds or updates variants, and the slow
	$(PYTEST) -m "not agent and not container and not update and not mutation and not long and not slow"

agent: $(UV) ## build, test and update variants; make agent VARIANT=company for one
	$(PYTEST) -m "(agent or update) and not long" --no-loadscope-reorder $(if $(VARIANT),-k "[$(VARIANT)]")

once: $(UV) ## what takes long and is of no variant: an owner's month of work, the rules, the API, manifests, a walk-through
	$(PYTEST) -m "(slow or (agent or update) and not variant) and not long"

tools: $(UV) ## hold manifests and dashboards to the schemas and checks of others, fetched for it
	$(PYTEST) -m "agent and not long" tests/deploy/test_manifests.py tests/deploy/test_monitoring.py

mutation: $(UV) ## break the template in ten ways and the rules in all, and see the tests and checks catch each
	$(PYTEST) -m mutation

containers: $(UV) ## build the image and run the whole service on Docker; with ROWS=1 every variant's image, and Celery's service
	$(PYTEST) -m "container$(if $(ROWS),, and not long)"

long: $(UV) ## the long tests of a rendered project: processes killed at random, again and again
	$(PYTEST) -m "long and not container"

bench: $(UV) ## measure how long a project takes to render, and write docs/speed.md
	$(RUN) python -m tests.programs.bench --write

detached: $(UV) ## take away each metric, header and limit of a project in turn; tells those that its tests do not miss
	$(RUN) python -m tests.programs.detached $(WORDS)

middleware: $(UV) ## measure what stands before a route, all of it and without each part; prints the figures of docs/testing.md
	$(RUN) python -m tests.programs.middleware

fuzz: $(UV) ## schemathesis over the API of a rendered project: as a user, as an administrator, and as nobody
	$(PYTEST) tests/build/test_fuzz.py

matrix: $(UV) ## the variants that `make agent` knows, as JSON for CI
	@$(RUN) python -m tests.support.variants

covering: $(UV) ## search for fewer variants in which every pair of choices occurs, after a change of the questions
	$(RUN) python -m tests.programs.covering

lock: $(UV) ## bring template/uv.lock.jinja in step with template/pyproject.toml.jinja
	$(RUN) python -m tests.programs.lock

upgrade: $(UV) ## move the template's lock, and that of its tooling, to the newest versions in range
	$(RUN) python -m tests.programs.lock --upgrade
	$(UV) lock --upgrade

release: $(UV) ## make a release: make release VERSION=1.2.0 (docs/releasing.md)
	$(RUN) python -m tests.programs.releases $(VERSION)

docs: $(UV) ## write docs/questions.md from copier.yml
	$(RUN) python -m tests.programs.documentation

alerts: $(UV) ## write the Prometheus Operator's form of the alert rules
	$(RUN) python -m tests.programs.alerts

.PHONY: lint
lint: $(UV)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

# Python on Debian may lack venv or pip, and pip there may refuse to install anywhere but in a folder of its own.
.tools/bin/uv: wanted = $(shell sed -n 's/.*"\(uv==[0-9.]*\)".*/\1/p' pyproject.toml)
.tools/bin/uv:
	@echo "uv is missing: fetching $(wanted) into .tools"
	@{ python3 -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check $(wanted); } >/dev/null 2>&1 \
	|| python3 -m pip install --quiet --disable-pip-version-check --upgrade --target .tools $(wanted) \
	|| { echo "Cannot fetch uv: install Python's venv or pip, or uv itself (https://docs.astral.sh/uv/)."; exit 1; }
