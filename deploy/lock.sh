#!/bin/sh
# Writes requirements.lock: every package of every member and of the dev group, for any platform and Python >= 3.11, with
# hashes and without the address of a registry. `make lock` runs it; further words go to uv (such as --upgrade).
set -eu
cd "$(dirname "$0")/.."

members=$(find libs services -mindepth 2 -maxdepth 2 -name pyproject.toml | sort)
own=$(sed -n 's/^name = "\(packhouse-[a-z-]*\)"$/--no-emit-package \1/p' $members)

# shellcheck disable=SC2086  the lists are words
.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-annotate --custom-compile-command "make lock" $own --output-file requirements.lock "$@" \
    --group dev $members

if grep -nE 'https?://|file://' requirements.lock; then
    echo "requirements.lock names a host" >&2
    exit 1
fi
