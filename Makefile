# make           build the tools
# make demo      a model's whole way, on this machine alone, to Vertex AI;
#                AIP_TARGET=ai-platform: to the service before it
# make test      everything that is tested; sets up what it needs
# make check     formatting, lints, generated documents
# make fuzz      looks for input that breaks a parser; FUZZ_SECONDS a target
# make bench     figures, against the same work in Python
# make install   PREFIX=/usr/local DESTDIR=
# make wheel     the MLflow plugin with the tools in it, below dist;
#                PROFILE=dist: smaller, slower to build
# make install-plugin   PYTHON=python3: it, in that Python's environment
#
# make RUN_ID=… version    deploys a model of MLflow. Each stage's document is
# a file in OUT, so what was done is not done again, and a stage that fails
# leaves no file. Settings are the exported variables that scripts/deploy names.

.DEFAULT_GOAL := build
# A recipe is one script, so that a shell variable lives to its end.
.ONESHELL:
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PREFIX ?= /usr/local
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN ?= $(abspath $(TARGET))/$(PROFILE)
# Two halves of the tests side by side: most of them wait.
PYTEST_FLAGS ?= -n 2 --dist loadfile
CARGO_FLAGS := $(if $(filter-out debug,$(PROFILE)),--profile $(PROFILE))
TOOLS := mlf-fetch aip-bundle aip-upload aip-model aip-version aip-predict aip-emulator
PYTHON ?= python3
DIST ?= dist

UV := .venv/bin/uv

# Wheels and the emulator's Python environments stay inside the checkout; a
# deployment of one's own keeps to one's own cache.
demo bench test test-rust test-python lock $(UV) .venv/%/ready plugin-environments: \
  export XDG_CACHE_HOME := $(CURDIR)/.venv/cache
export UV_PYTHON_DOWNLOADS := never

.PHONY: build demo test test-rust test-python check fuzz bench install wheel install-plugin clean lock

build:
	cargo build $(CARGO_FLAGS) --workspace

# Where one is missing, cargo builds them all.
$(addprefix $(BIN)/,$(TOOLS)):
	cargo build $(CARGO_FLAGS) --workspace

demo: build .venv/mlflow3/ready
	BIN=$(BIN) scripts/demo

bench: build .venv/mlflow3/ready plugin-environments
	for script in bench bench_transfer.py bench_image.py bench_serving.py bench_plugin.py; do
	  BIN=$(BIN) .venv/mlflow3/bin/python scripts/$$script
	done

test: test-rust test-python

test-rust: .venv/bin/uv
	@echo '== tests of the crates'
	PATH="$(CURDIR)/.venv/bin:$$PATH" cargo test --workspace

# With the debug build: the tests of the crates have just built most of it.
test-python: PROFILE := debug
test-python: .venv/mlflow3/ready .venv/mlflow2/ready plugin-environments
	@echo '== tests of the whole'
	cargo build --workspace
	BIN=$(abspath $(TARGET))/debug .venv/mlflow3/bin/python -m pytest tests $(PYTEST_FLAGS)

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --package xtask # is what is generated up to date?

fuzz:
	scripts/fuzz

install: build
	@rm -rf $(TARGET)/share
	cargo run $(CARGO_FLAGS) --package xtask -- man $(TARGET)/share/man
	cargo run $(CARGO_FLAGS) --package xtask -- completions $(TARGET)/share/completions
	to='$(DESTDIR)$(PREFIX)'
	install -d "$$to"/bin "$$to"/share/{man/man1,bash-completion/completions}
	install -d "$$to"/share/{zsh/site-functions,fish/vendor_completions.d}
	install -m 755 $(addprefix $(BIN)/,$(TOOLS)) "$$to"/bin
	install -m 644 $(TARGET)/share/man/*.1 "$$to"/share/man/man1
	for tool in $(TOOLS); do
	  from=$(TARGET)/share/completions
	  install -m 644 $$from/bash/$$tool.bash "$$to"/share/bash-completion/completions/$$tool
	  install -m 644 $$from/zsh/_$$tool "$$to"/share/zsh/site-functions/_$$tool
	  install -m 644 $$from/fish/$$tool.fish "$$to"/share/fish/vendor_completions.d/$$tool.fish
	done

# Shares what is compiled, but its programs do not replace the workspace's.
# Cargo calls the debug build's profile dev.
wheel: export CARGO_BUILD_BUILD_DIR := $(abspath $(TARGET))
wheel: .venv/wheel/ready
	rm -f $(DIST)/mlflow_aip-*.whl
	CARGO_TARGET_DIR=$(abspath $(TARGET)/wheel) .venv/wheel/bin/maturin build --quiet --locked \
	  --manifest-path crates/mlflow-plugin/Cargo.toml --profile $(PROFILE:debug=dev) --out $(DIST)

install-plugin: wheel
	$(UV) pip install --python $(PYTHON) --reinstall-package mlflow-aip $(DIST)/mlflow_aip-*.whl

clean:
	cargo clean
	rm -rf .venv $(DIST)

# --- Python ------------------------------------------------------------------

# Debian keeps ensurepip and pip in packages of their own.
$(UV): tests/requirements/uv.txt
	@echo '== getting uv'
	rm -rf .venv/bin .venv/lib .venv/pyvenv.cfg
	if python3 -c 'import ensurepip' 2>/dev/null; then
	  python3 -m venv .venv
	  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	elif python3 -m pip --version >/dev/null 2>&1; then
	  python3 -m pip install --quiet --target .venv -r $<
	elif ! python3 scripts/get-uv $< $@; then
	  echo 'make: Python has neither venv nor pip; on Debian: apt install python3-venv' >&2
	  exit 1
	fi
	touch $@

.venv/%/ready: tests/requirements/%.txt $(UV)
	@echo '== making the Python environment $*'
	$(UV) venv --quiet --clear --no-project --python '>=3.10,<3.14' .venv/$*
	$(UV) pip install --quiet --python .venv/$*/bin/python -r $<
	touch $@

# The plugin beside either MLflow, as anybody installs it; PROFILE is the wheel's.
.venv/plugin%/ready: tests/requirements/mlflow%.txt $(UV)
	@echo '== making the Python environment plugin$*'
	$(UV) venv --quiet --clear --no-project --python '>=3.10,<3.14' .venv/plugin$*
	$(UV) pip install --quiet --python .venv/plugin$*/bin/python -r $<
	touch $@

.PHONY: plugin-environments
plugin-environments: DIST := $(TARGET)/wheel
plugin-environments: wheel .venv/plugin2/ready .venv/plugin3/ready
	@for major in 2 3; do
	  $(UV) pip install --quiet --python .venv/plugin$$major/bin/python \
	    --reinstall-package mlflow-aip $(DIST)/mlflow_aip-*.whl
	done

lock: $(UV)
	for name in mlflow2 mlflow3 wheel; do
	  $(UV) pip compile --quiet --universal --upgrade --python-version 3.10 --no-annotate \
	    tests/requirements/$$name.in --output-file tests/requirements/$$name.txt
	done
	$(UV) pip compile --quiet --universal --upgrade --python-version 3.10 --no-annotate \
	  --generate-hashes tests/requirements/uv.in --output-file tests/requirements/uv.txt

# --- The stages --------------------------------------------------------------

.PHONY: fetch bundle upload model version predict FORCE

ifdef RUN_ID
run_id := $(RUN_ID)
endif
export run_id
OUT ?= deploy/$(or $(run_id),none)

fetch: $(OUT)/1-fetch.json
bundle: $(OUT)/2-bundle.json
upload: $(OUT)/3-upload.json
model: $(OUT)/4-model.json
version: $(OUT)/5-version.json

$(OUT)/1-fetch.json: $(OUT)/0-settings | $(BIN)/mlf-fetch
	$(BIN)/mlf-fetch >$@
# The tool itself says which of these files is not there.
templates := $(wildcard $(prediction_script) $(setup_file))
$(OUT)/2-bundle.json: $(OUT)/1-fetch.json $(templates) | $(BIN)/aip-bundle
	$(BIN)/aip-bundle <$< >$@
$(OUT)/3-upload.json: $(OUT)/2-bundle.json | $(BIN)/aip-upload
	$(BIN)/aip-upload <$< >$@
$(OUT)/4-model.json: $(OUT)/3-upload.json | $(BIN)/aip-model
	$(BIN)/aip-model create <$< >$@
$(OUT)/5-version.json: $(OUT)/4-model.json | $(BIN)/aip-version
	$(BIN)/aip-version create <$< >$@

# make predict INSTANCES=iris.json
predict: $(OUT)/5-version.json | $(BIN)/aip-predict
	@$(BIN)/aip-predict --document $< --instances '$(or $(INSTANCES),-)'

# What was made under other settings is out of date. A digest, because a
# tracking URI may hold a password.
SETTINGS := project_id production_bucket production_route run_id tracking_uri \
  prediction_script setup_file tmp_dir model_name version_name \
  MLFLOW_TRACKING_URI GOOGLE_CLOUD_PROJECT CLOUDSDK_CORE_PROJECT STORAGE_EMULATOR_HOST \
  CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE CLOUDSDK_API_ENDPOINT_OVERRIDES_ML \
  CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM GOOGLE_CLOUD_REGION CLOUDSDK_AI_REGION \
  AIP_TARGET AIP_IMAGE_REPOSITORY AIP_BASE_IMAGE
$(OUT)/0-settings: FORCE
	@mkdir -p $(@D)
	digest=$$(for name in $(SETTINGS); do echo "$$name=$${!name-}"; done | sha256sum)
	if [[ $$digest != "$$(cat $@ 2>/dev/null)" ]]; then echo "$$digest" >$@; fi
