#!/bin/sh
# Makes a work tree ready: Debian's servers where they are missing, and .venv with exactly what requirements.lock names.
# Harmless to repeat: when nothing has changed it ends at once. Works on Debian 12 with its Python 3.11, and with newer Pythons.
set -eu
cd "$(dirname "$0")/.."

SERVERS="postgresql postgresql-15-postgis-3 redis-server rabbitmq-server"
POLICY=/usr/sbin/policy-rc.d
download_seconds=0

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# Which Debian packages are missing, one word each.
missing_packages() {
    [ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || echo postgresql
    [ -n "$(ls /usr/share/postgresql/*/extension/postgis.control 2>/dev/null)" ] || echo "$(postgis_package)"
    command -v redis-server >/dev/null || echo redis-server
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || echo rabbitmq-server
    "$(python)" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

postgis_package() {
    version=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | cut -d/ -f5 | sort -n | tail -1)
    echo "postgresql-${version:-15}-postgis-3"
}

# The newest Python on the path that the house runs on.
python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$name"
            return
        fi
    done
    echo "Packhouse needs Python 3.11 or newer" >&2
    exit 1
}

# Debian starts a server as soon as it is installed. Ours are private, and the standard ports may belong to somebody else.
keep_servers_still() {
    [ -e "$POLICY" ] && mv "$POLICY" "$POLICY.packhouse"
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod +x "$POLICY"
    trap let_servers_start EXIT INT TERM
}

let_servers_start() {
    rm -f "$POLICY"
    if [ -e "$POLICY.packhouse" ]; then mv "$POLICY.packhouse" "$POLICY"; fi
    trap - EXIT INT TERM
}

install_packages() {
    missing=$(missing_packages | tr '\n' ' ')
    [ -z "$missing" ] && return
    if [ "$(id -u)" != 0 ]; then
        echo "as root: apt-get install $missing" >&2
        exit 1
    fi
    say "installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    began=$(date +%s)
    apt-get update -q
    # shellcheck disable=SC2086  a list of words
    apt-get install -y -q --no-install-recommends --download-only $missing
    download_seconds=$((download_seconds + $(date +%s) - began))
    keep_servers_still
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing >.local/apt.log
    let_servers_start
}

# What the environment was made from; another work tree, lock or list of members makes a new one.
fingerprint() {
    { pwd; cat deploy/bootstrap.sh requirements.lock libs/*/pyproject.toml services/*/pyproject.toml; } | sha256sum
}

# uv itself comes from the lock too, by its hash.
install_uv() {
    [ -x .venv/bin/uv ] && return
    awk '/^uv==/ { on = 1; print; next } on && /^    / { print; next } { on = 0 }' requirements.lock >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
}

make_environment() {
    made=$(fingerprint)
    if [ -f .venv/.made ] && [ "$(cat .venv/.made)" = "$made" ]; then return; fi
    say "Python environment: $(grep -c '==' requirements.lock) packages"
    .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv && "$(python)" -m venv .venv; }
    began=$(date +%s)
    install_uv
    .venv/bin/uv pip install -p .venv --require-hashes -r requirements.lock
    download_seconds=$((download_seconds + $(date +%s) - began))
    # Hash mode refuses editables, hence the second step; the build backend is already there, from the lock.
    members=$(find libs services -mindepth 2 -maxdepth 2 -name pyproject.toml -printf '--editable ./%h\n' | sort)
    # shellcheck disable=SC2086
    .venv/bin/uv pip install -p .venv --quiet --no-deps --no-build-isolation $members
    echo "$made" >.venv/.made
}

started=$(date +%s)
mkdir -p .local
install_packages
make_environment
spent=$(($(date +%s) - started))
if [ "$spent" -gt 1 ]; then say "ready after $spent s, of which $download_seconds s were downloads of packages"; fi
