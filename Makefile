# The commands of this house; `make` alone lists them.

BIN := .venv/bin
RATE_LIMITS ?= on
SIZE ?= s
SERVICE ?= orders
LIBS := libs/kernel/src libs/contracts/src libs/chassis/src libs/emulators/src libs/testkit/src libs/cli/src
SERVICES := $(wildcard services/*/src)
WORKERS ?= 2
# deptry cannot tell the module of a package that is installed in place.
MODULES := packhouse-kernel=kernel,packhouse-contracts=contracts,packhouse-chassis=chassis
MODULES := $(MODULES),packhouse-cli=packhouse,packhouse-testkit=testkit,packhouse-emulators=emulators
export RATE_LIMITS

.DEFAULT_GOAL := help
.PHONY: help ready demo up down status seed test test-all test-plants reliability check format lint types imports unused house fresh \
	generate repeats alone bench new-service lock vendor clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

ready: ## install what is missing: Debian's servers, and the Python environment from the lock
	@deploy/bootstrap.sh

demo: ready ## start the stack and play one trade through the gateway: two vendors, three buyers, the last units
	@$(BIN)/packhouse demo

up: ready ## start the stack, or what is missing of it (RATE_LIMITS=off for load tools)
	@$(BIN)/packhouse up

down: ready ## end every process the stack has started; the data stays
	@$(BIN)/packhouse down

status: ready ## what runs where
	@$(BIN)/packhouse status

seed: ready ## fill the market (SIZE=s, m or l)
	@$(BIN)/packhouse seed --size $(SIZE)

test: ready ## every test but the long forms
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not long"

test-all: ready ## every test, the long forms too
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup

test-plants: ready ## put known defects in place, one after another: each must make the test fail that is there for it
	@PYTHONPATH=tests-plants $(BIN)/python tests-plants/run.py

reliability: ready ## write what the fault tests saw last into the README's table
	@$(BIN)/python -m testkit.reliability README.md

check: ready format lint types imports unused house fresh ## everything that reads the code without running it

format:
	@$(BIN)/ruff format --check .

lint:
	@$(BIN)/ruff check .

types:
	@$(BIN)/mypy $(LIBS) $(SERVICES)

imports:
	@$(BIN)/lint-imports

unused:
	@for member in libs/* services/*; do \
		(cd $$member && ../../$(BIN)/deptry --no-ansi --package-module-name-map $(MODULES) src) || exit 1; \
	done
	@$(BIN)/vulture

house:
	@$(BIN)/pytest -q -vv --no-header tests-house

repeats: ready ## every run of six or more lines that stands in two services
	@$(BIN)/python tests-house/repeats.py

alone: ready ## show that a service builds, migrates, starts and passes its tests by itself (SERVICE=orders)
	@$(BIN)/python deploy/alone.py $(SERVICE)

fresh:
	@$(BIN)/packhouse generate --check

generate: ready ## write what follows from the code: event map, route table, schemas, settings
	@$(BIN)/packhouse generate

bench: ready ## measure the stack beside its floors
	@$(BIN)/python -m bench

new-service: ready ## make a service out of the template, at home everywhere in the house (S=reviews)
	@$(BIN)/packhouse new-service $(S)
	@$(MAKE) --no-print-directory ready generate

lock: ## resolve all members' dependencies anew into requirements.lock (UPGRADE=--upgrade for newer versions)
	@deploy/lock.sh $(UPGRADE)

vendor: ## bring the files that deploy/vendored.lock names out of their npm packages (needs npm)
	@deploy/vendor.sh

clean: ## remove the stack's data and the Python environment
	@if [ -x $(BIN)/packhouse ]; then $(BIN)/packhouse down --wipe; fi
	@rm -rf .venv .local
