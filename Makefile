# make run | test | check | nightly | bench | docs | fmt: each sets up what it needs.
PY := .venv/bin/python
READY := .venv/.ready

.PHONY: run test check nightly bench docs fmt lock setup

setup: $(READY)
$(READY): requirements.lock pyproject.toml scripts/setup
	bash scripts/setup && touch $@

run: $(READY)
	.venv/bin/quorate up --dir quorate-data

test: $(READY)
	$(PY) -m pytest -n 2

check: $(READY)
	.venv/bin/ruff format --check src tests scripts examples && .venv/bin/ruff check src tests scripts examples && .venv/bin/mypy && $(PY) -m pytest -n 2 -m "not slow"

nightly: $(READY)
	QUORATE_SEEDS=100000 $(PY) -m pytest -n 2 && $(PY) benchmarks/campaigns.py && $(PY) scripts/docs.py

bench: $(READY)
	bash scripts/peers && .venv/bin/quorate bench simulate && .venv/bin/quorate bench check --plot benchmarks/results/check.svg && .venv/bin/quorate bench cost --json > benchmarks/results/cost.json && .venv/bin/python benchmarks/viewer.py && .venv/bin/quorate bench service --etcdload benchmarks/peers/etcdload/etcdload

docs: $(READY)
	$(PY) scripts/docs.py

fmt: $(READY)
	.venv/bin/ruff format src tests scripts examples && .venv/bin/ruff check --fix src tests scripts examples

lock: $(READY)
	$(PY) -m pip install -q uv
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --group dev --all-extras pyproject.toml -o requirements.lock
