# Each target makes what it needs: a virtual environment in .venv beside the code, with the versions
# of constraints.txt. What is there already is used.
VENV := .venv
BIN := $(VENV)/bin
INSTALL := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq
CORE := $(VENV)/.stamp-core
DEV := $(VENV)/.stamp-dev

.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench docs clean

help:
	@echo 'make demo    measure the face in a photo, rebuild its head, let it move and speak: demo/ (core only, no torch)'
	@echo 'make test    lint, types, layers, then all tests (under 15 minutes on 2 cores)'
	@echo 'make lint    ruff (rules and format) and the layers of the imports'
	@echo 'make types   pyright'
	@echo 'make bench   speed of mien analyze beside its peers; on your own video: make bench CLIP=talk.mp4'
	@echo 'make docs    the documentation site, in site/'
	@echo 'make clean   remove what these wrote, but not .venv'

demo: $(CORE)
	@$(BIN)/mien analyze docs/pictures/astronaut.jpg --out demo --format csv --annotate
	@cut -d, -f5-12 demo/faces.csv | tr , '\t'
	@$(BIN)/mien reconstruct docs/pictures/astronaut.jpg --out demo/head
	@$(BIN)/python -c 'from mien.jobs.animate import demo_motion; demo_motion().save("demo/hello.csv")'
	@$(BIN)/mien animate docs/pictures/astronaut.jpg --motion demo/hello.csv --out demo/hello.mp4
	@$(BIN)/mien animate docs/pictures/astronaut.jpg --audio docs/pictures/hello.ogg --emotion happy:0.4 \
		--size 512 --out demo/speaking.mp4
	@$(BIN)/mien provenance demo/speaking.mp4
	@echo 'In demo/: faces.csv, annotated/astronaut.jpg, head/head.glb, head/turntable.mp4, hello.mp4, speaking.mp4.'

# In two processes, which tests/conftest.py shares the tests out to.
test: lint types
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

lint: $(DEV)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache

types: $(DEV)
	@$(BIN)/pyright

bench: $(CORE)
	@$(BIN)/mien bench analyze $(if $(CLIP),--clip '$(CLIP)')

docs: $(DEV)
	@$(BIN)/python -m mien.evaluate.tables
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'Open site/index.html.'

clean:
	rm -rf demo site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(CORE): pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing mien into $(VENV) (about a minute the first time).'
	@$(INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing mien, PyTorch and the tools into $(VENV) (a few minutes the first time).'
	@$(INSTALL) -e '.[dev,docs]'
	@touch $(CORE) $@

# pip is what venv installs last: where it stands the environment is whole.
$(BIN)/pip:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || { without_venv=$$python; continue; }; \
		echo "Making $(VENV) with $$($$python --version)."; \
		exec $$python -m venv $(VENV); \
	done; \
	if [ -n "$$without_venv" ]; then \
		echo "$$without_venv lacks its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
	else \
		echo 'mien needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=/path/to/python3.12' >&2; \
	fi; \
	exit 1
