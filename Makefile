# Everything runs in .venv, which each target sets up for itself. PYTHON= chooses the interpreter, ARGS= is passed on.

VENV := .venv
BIN := $(VENV)/bin
STATE := $(VENV)/make
SOURCES := qunfa workflows activities worker.py tests examples
# Twice quiet: errors are shown, and no warning about a package that is none of ours.
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
LOCK := $(BIN)/uv --quiet pip compile --no-config --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-emit-find-links --no-emit-build-options --custom-compile-command "make lock"

# A process for each core and some for those that wait (tests/conftest.py); a test goes to whichever is free, but those
# that share a set-up stay together.
PYTEST := $(BIN)/pytest -q -n $(or $(JOBS),auto) --dist loadgroup --no-loadscope-reorder --durations 10

# The newest Python of at least 3.11 that can make environments, from all of PATH: a version manager's shim or a
# distribution's Python without venv may stand in front of one that works.
define FIND_PYTHON
find_python() { \
	for name in $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3); do \
		for candidate in $$(IFS=:; for dir in $$PATH; do printf '%s\n' "$$dir/$$name"; done) "$$name"; do \
			"$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
				&& { printf '%s\n' "$$candidate"; return; }; \
		done; \
	done; \
	echo 'No Python of at least 3.11 with venv and ensurepip was found$(if $(PYTHON), as $(PYTHON)).' >&2; \
	echo 'Install one (Debian and Ubuntu: apt-get install python3-venv), or name it: make setup PYTHON=/path/to/python3' >&2; \
	return 1; \
}
endef

# Hundreds of processes, and as many sandboxes of workflows, import the same modules: they are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo rehearse test test-all simulate mutate chaos bench histories pictures generators messages docs check format lock wheel clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  make %-9s %s\n' "$$target" "$$text"; done

setup: $(STATE)/dev  ## Set up .venv with all that development needs

demo: $(STATE)/demo  ## Run everything on this machine and send a message to a simulated WeChat (ARGS="--help")
	@$(BIN)/qunfa demo $(ARGS)

rehearse: $(STATE)/dev  ## Play what operators meet against a simulated WeChat, in half a minute (ARGS="-s" shows each step)
	@$(BIN)/pytest -v tests/rehearsal $(ARGS)

test: $(STATE)/dev  ## Prove the product on its real parts, in eight minutes on two cores (ARGS="-k name", JOBS=2)
	@$(PYTEST) -m "not long" $(ARGS)

test-all: $(STATE)/dev  ## Run every test, which takes ten minutes on two cores (ARGS=, JOBS=)
	@$(PYTEST) $(ARGS)

simulate: $(STATE)/dev  ## Play SEEDS=1000 lives of sends without a server, other ones each time (SEED=, STEPS=, CONTROL=, JOBS=)
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --jobs $(or $(JOBS),2) $(if $(SEED),--seed $(SEED)) \
		$(if $(STEPS),--steps $(STEPS)) $(if $(CONTROL),--control $(CONTROL)) $(ARGS)

mutate: $(STATE)/mutate  ## Change the core in each place, and tell which change no test misses (MODULE=, SAMPLE=, JOBS=)
	@$(BIN)/python -m tests.mutation $(MODULE) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

chaos: $(STATE)/dev  ## Kill and break at random while N=200 sends run (SEED=, CONTROL=, ARGS=); any broken promise is told
	@$(BIN)/python -m tests.chaos --sends $(or $(N),200) $(if $(SEED),--seed $(SEED)) \
		$(if $(CONTROL),--control $(CONTROL)) $(ARGS)

bench: $(STATE)/dev $(STATE)/demo  ## Measure what sends, uploads and the receiver cost (ARGS="--seconds 10 --rounds 5", ARGS=--json)
	@$(BIN)/python -m tests.bench $(ARGS)

histories: $(STATE)/dev  ## Record the paths that this version's histories lack (see CONTRIBUTING)
	@rm -rf $(STATE)/histories && mkdir -p $(STATE)/histories
	@$(BIN)/pytest -q tests/workflows -m history --record-histories $(STATE)/histories $(ARGS)
	@$(BIN)/python -m tests.histories.keep $(STATE)/histories

pictures: $(STATE)/dev  ## Draw docs/pictures anew, by what Temporal's UI shows in Chromium
	@$(BIN)/pytest -q tests/ui --screenshots docs/pictures $(ARGS)

generators: $(STATE)/generators  ## Make types of the schemas in TypeScript and Python, as callers do; needs npm
	@npm install --silent --no-package-lock --prefix tests/contract/generators
	@$(BIN)/pytest -q tests/contract/test_generators.py $(ARGS)

messages: $(STATE)/dev  ## Renew the Chinese catalogue and the guides' tables; what lacks a translation is told
	@$(BIN)/python -m tests.project.messages
	@$(BIN)/python -m tests.project.guide

docs: $(STATE)/docs  ## Build the documentation site into site/ (ARGS="-q")
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean $(ARGS)
	@echo "Look at it: $(BIN)/python -m http.server --directory site"

check: $(STATE)/dev  ## Lint, check formats and types, and keep the import table true
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/pytest -q tests/project/test_imports.py

format: $(STATE)/dev  ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STATE)/dev  ## Renew requirements/*.txt from pyproject.toml
	$(LOCK) pyproject.toml --extra demo --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra demo --group build -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) pyproject.toml --extra worker --extra receiver --extra simulator -c requirements/dev.txt -o requirements/run.txt
	$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) --group mutate -c requirements/dev.txt -o requirements/mutate.txt
	$(LOCK) --group docs -c requirements/dev.txt -o requirements/docs.txt
	$(LOCK) --group generators -c requirements/dev.txt -o requirements/generators.txt

wheel: $(STATE)/demo  ## Build dist/*.whl
	$(BIN)/python -m hatchling build -t wheel

clean:  ## Remove .venv and all that was built
	rm -rf $(VENV) dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(wildcard qunfa workflows activities tests) -name __pycache__ -prune -exec rm -rf {} +

# An environment made by hand is kept, if its Python works.
$(STATE)/venv:
	@$(BIN)/python -c '' 2>/dev/null || { $(FIND_PYTHON); python=$$(find_python) && \
		echo "Making $(VENV) with $$python ($$("$$python" -V))" && "$$python" -m venv --clear $(VENV); }
	@mkdir -p $(STATE) && touch $@

# dev.txt pins what demo.txt pins, so that one environment serves both.
$(STATE)/dev $(STATE)/demo: $(STATE)/%: requirements/%.txt pyproject.toml | $(STATE)/venv
	@echo "Installing requirements/$*.txt into $(VENV)"
	@$(PIP) --require-hashes -r requirements/$*.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# These stand beside dev.txt, and pin what it pins.
$(STATE)/mutate $(STATE)/docs $(STATE)/generators: $(STATE)/%: requirements/%.txt $(STATE)/dev
	@echo "Installing requirements/$*.txt into $(VENV)"
	@$(PIP) --require-hashes -r requirements/$*.txt
	@touch $@
