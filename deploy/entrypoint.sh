#!/bin/sh
# The first process of every image: one command of the service that the image was built for.
# PACKHOUSE_ENV_FILE may name a file of variables, for secrets that arrive as files.
set -eu
if [ -n "${PACKHOUSE_ENV_FILE:-}" ]; then
    set -a
    # shellcheck disable=SC1090  the file is known at run time only
    . "$PACKHOUSE_ENV_FILE"
    set +a
fi
exec python -m chassis "$SERVICE" "$@"
