# `make lab` and `make test` need nothing but Python 3.11 or newer: each makes .venv and installs what it uses.
# Another Python: `make lab PYTHON=python3.13`. More for JupyterLab: `make lab LAB_ARGS="--no-browser --port 9999"`.

PYTHON ?= python3
VENV ?= .venv
LAB_ARGS ?=
BIN := $(VENV)/bin
# What checks the views' JavaScript, what sets the formulas of the site, and the proxy of a JupyterHub that a test
# starts. Their Node is a Python wheel in .venv, so that no machine needs one.
JAVASCRIPT := build/javascript

.DEFAULT_GOAL := help
.PHONY: help lab test test-fast elsewhere versions lowest newest lint lessons lesson-lint teacher cheat-sheet site \
	picture dist bench gpu agreement diagnosis clean

help: ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# A learner works in a copy, so that the next `git pull` meets no changes.
lab: $(VENV)/.lab ## open the lessons in JupyterLab, in a copy of your own: my-lessons
	$(BIN)/lwlr-teach lab my-lessons $(LAB_ARGS)

# Two processes, a test file in each. In the order of their names: else the lessons, which are few and long, would
# come last, and one process would wait for the other.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

# A thread for each of them: four on two cores would wait for each other, and take three times as long.
test test-fast lowest newest: export OMP_NUM_THREADS := 1

# CI runs everything. At a desk ten minutes must do: without what is marked slow, and of the lessons the first and those
# that differ from the last commit.
ifdef CI
LESSONS := lessons
else
SOON := and not slow
CHANGED := $(shell git diff --name-only --diff-filter=d HEAD -- 'lessons/*.ipynb')
LESSONS := $(sort lessons/01-learning-rate.ipynb $(CHANGED))
endif

test: lint ## run the tests of ten minutes: lint, units, a browser, a lesson; with CI=true all that CI runs
	$(BIN)/pytest -m "not browser $(SOON)" $(PARALLEL)
	$(BIN)/pytest -m "browser $(SOON)" tests/browser $(PARALLEL)
	$(BIN)/pytest --nbval $(LESSONS) -p authoring.opened $(PARALLEL)

test-fast: $(VENV)/.test ## run the tests that need neither a browser nor patience
	$(BIN)/pytest -m "not browser and not slow" $(PARALLEL)

lint: $(VENV)/.test $(JAVASCRIPT)/.installed ## check style, format and types, of Python and of JavaScript
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/node $(JAVASCRIPT)/node_modules/oxlint/bin/oxlint
	$(BIN)/node $(JAVASCRIPT)/node_modules/typescript/bin/tsc

elsewhere: $(VENV)/.test ## run lessons and tests as if on other machines: half an hour
	$(BIN)/python authoring/elsewhere.py

lessons: $(VENV)/.test ## build lessons/*.ipynb from lessons/src/*.py
	$(BIN)/python authoring/build.py

lesson-lint: $(VENV)/.test ## say what the lessons lack
	$(BIN)/python authoring/lint.py

teacher: $(VENV)/.test ## write the teacher's pack to build/teacher
	$(BIN)/python authoring/build.py --teacher

cheat-sheet: $(VENV)/.test ## write the course on one page to build, and its PDF to docs
	$(BIN)/python -m authoring.cheat_sheet

# Runs every lesson first, ten minutes; a run is kept until the lesson or the package changes.
site: export OMP_NUM_THREADS := 1
site: $(JAVASCRIPT)/.installed ## make the course as pages without a kernel, in build/site
	$(BIN)/python -m authoring.site

dist: $(VENV)/.test ## build wheel and sdist; the wheel holds the lessons, and the site that was built before
	$(BIN)/python -m hatchling build -d dist

picture: $(VENV)/.test ## take the pictures of the README
	$(BIN)/python -m docs.picture

bench: $(VENV)/.test ## measure the speed figures of the README; DEVICE=cuda: those of a GPU
	$(BIN)/python -m benchmarks $(DEVICE:%=--device %)

gpu: $(VENV)/.test ## on a machine with a GPU: its tests, and its speed figures
	$(BIN)/pytest -m gpu
	$(BIN)/python -m benchmarks --device cuda

# The lowest in a Python that has them, the newest in any: `make newest PYTHON=python3.13`. Some GB each.
versions: lowest newest ## run the fast tests with the lowest and the newest versions that pyproject.toml allows

lowest: build/lowest.txt
lowest: CONSTRAINTS := -c build/lowest.txt
# An old package beside a new one that it depends on warns of it: a matter between the two.
lowest: WARNINGS := -W default::DeprecationWarning
lowest newest:
	$(PYTHON) -m venv --clear build/$@
	build/$@/bin/python -m pip install $(CONSTRAINTS) -e ".[test]"
	build/$@/bin/pytest -m "not browser and not slow" $(PARALLEL) $(WARNINGS)

build/lowest.txt: pyproject.toml
	@mkdir -p $(@D)
	sed -nE '/^dependencies/,/^\[project.urls/ s/^ *"([a-z0-9-]+)>=([0-9.]+).*/\1==\2/p' $< > $@

agreement: $(VENV)/.test ## measure how far each method is from its oracles: docs/agreement.md
	$(BIN)/python -m tests.optim.agreement

diagnosis: $(VENV)/.test ## measure what diagnose says of ill and healthy runs: docs/diagnosis.md
	$(BIN)/python -W ignore -m tests.runs.diagnosis

clean: ## remove .venv and everything else that was made here, except the lessons and my-lessons
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what .venv holds; a change of the dependencies or of their versions installs again.
$(VENV)/.lab: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt -e ".[test,site]"
	@touch $@ $(VENV)/.lab

# In build, because a node_modules beside package.json would be in the way of every search through the project.
$(JAVASCRIPT)/.installed: package.json package-lock.json | $(VENV)/.test
	@mkdir -p $(@D)
	cp $^ $(@D)
	NODE_OPTIONS=--use-system-ca $(BIN)/npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund
	@touch $@

# Its own package.json, so that JupyterLab's scripts do not take ours, a few folders up, for theirs.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	echo '{}' > $(VENV)/package.json
