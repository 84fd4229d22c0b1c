# Needs Python 3.11 or later, git and make. If uv is missing, it is installed into .tools.

UV := $(or $(shell command -v uv),.tools/bin/uv)
RUN := $(UV) run --locked --quiet
PYTEST := $(RUN) pytest --quiet --numprocesses auto --maxprocesses 4 --dist loadgroup

# Tests start Python hundreds of times: without caches, each start would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test rest check agent once containers tools mutation long bench rendering fuzz detached middleware matrix covering lock client upgrade docs site release

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(UV) ## scaffold an agent, start it, chat with it, stop it; DEMO=stay keeps it running
	$(RUN) python -m tests.programs.demo

test: $(UV) lint ## lint; render every variant; build and test the default one; update an owner's project; plant violations
	$(PYTEST) --no-loadscope-reorder -m "((not agent and not container and not update and not mutation and not slow) or essential) and not long and not matrix"

rest: export SUITE = uv run pytest --no-cov # before Python 3.14, tracing takes most of the time; `make agent` measures
rest: $(UV) ## what `make test` leaves out: the other archetypes, most updates, containers, mutations, fuzzing
	$(PYTEST) --no-loadscope-reorder -m "(agent or container or update or mutation or slow) and not essential and not long and not matrix"

check: $(UV) lint ## the quick tests: nothing that builds or updates variants
	$(PYTEST) -m "not agent and not container and not update and not mutation and not long and not slow"

agent: $(UV) ## build, test and update variants; VARIANT=company selects one
	$(PYTEST) -m "(agent or update) and not long" --no-loadscope-reorder $(if $(VARIANT),-k "[$(VARIANT)]")

once: $(UV) ## the slow tests of no single variant: an owner's month of work, rules, API, manifests, walk-through
	$(PYTEST) -m "(slow or (agent or update) and not variant) and not long"

tools: $(UV) ## check manifests and dashboards against published schemas and linters, downloading them
	$(PYTEST) -m "agent and not long" tests/deploy/test_manifests.py tests/deploy/test_monitoring.py

mutation: $(UV) ## plant ten defects in the template and a violation of each rule, and check that each is caught
	$(PYTEST) -m mutation

containers: $(UV) ## build the image and run the service on Docker; ROWS=1 builds every variant's image and runs Celery's service
	$(PYTEST) -m "container$(if $(ROWS),, and not long)"

long: $(UV) ## the long tests of a rendered project, which kill processes at random
	$(PYTEST) -m "long and not container"

bench: $(UV) ## measure the default agent against services written by hand, and write docs/benchmarks.md
	$(RUN) python -m benchmarks --write

rendering: $(UV) ## measure rendering and write docs/speed.md
	$(RUN) python -m benchmarks.rendering --write

detached: $(UV) ## remove each metric, header and limit of a project in turn, and list those that no test misses
	$(RUN) python -m tests.programs.detached $(WORDS)

middleware: $(UV) ## measure the middleware, whole and without each part: the figures of docs/testing.md
	$(RUN) python -m benchmarks.middleware

fuzz: $(UV) ## schemathesis over the API of a rendered project: as a user, as an administrator, without a token
	$(PYTEST) tests/build/test_fuzz.py

matrix: $(UV) ## print the variants of `make agent` as JSON for CI
	@$(RUN) python -m tests.support.variants

covering: $(UV) ## after a change of the questions, search for fewer variants that cover every pair of choices
	$(RUN) python -m tests.programs.covering

lock: $(UV) ## regenerate template/uv.lock.jinja from template/pyproject.toml.jinja
	$(RUN) python -m tests.programs.lock

client: $(UV) ## regenerate the types and the lock of the TypeScript client, which needs npm
	$(RUN) python -m tests.programs.client

upgrade: $(UV) ## upgrade both locks, the template's and its tooling's, to the newest versions in range
	$(RUN) python -m tests.programs.lock --upgrade
	$(UV) lock --upgrade

release: $(UV) ## make a release, as in make release VERSION=1.2.0 (docs/releasing.md)
	$(RUN) python -m tests.programs.releases $(VERSION)

docs: $(UV) ## regenerate docs/questions.md from copier.yml
	$(RUN) python -m tests.programs.documentation

site: $(UV) ## build the documentation site, with its reference from the sources, and check every link
	$(RUN) python -m tests.programs.site

.PHONY: dashboards
dashboards: $(UV) ## draw the dashboards of an agent under load into docs/images, by a real Prometheus
	.ci/prometheus
	$(RUN) --group dashboards python -m tests.programs.dashboards

.PHONY: screenshots
screenshots: $(UV) ## photograph the chat page into docs/images, in Chromium
	SCREENSHOTS=keep $(RUN) pytest --quiet -m agent tests/build/test_chat_page.py -k view

.PHONY: lint
lint: $(UV)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

# Python on Debian may lack venv or pip, and its pip may refuse to install outside a target folder.
.tools/bin/uv: wanted = $(shell sed -n 's/.*"\(uv==[0-9.]*\)".*/\1/p' pyproject.toml)
.tools/bin/uv:
	@echo "uv is missing: fetching $(wanted) into .tools"
	@{ python3 -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check $(wanted); } >/dev/null 2>&1 \
	|| python3 -m pip install --quiet --disable-pip-version-check --upgrade --target .tools $(wanted) \
	|| { echo "Cannot fetch uv: install Python's venv or pip, or uv itself (https://docs.astral.sh/uv/)."; exit 1; }
