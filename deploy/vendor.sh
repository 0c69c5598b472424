#!/bin/sh
# Brings the files that vendored.lock lists out of their npm packages, and refuses one that is not what the list says.
# Only whoever changes the list needs it, and npm; the files are committed.
set -eu
cd "$(dirname "$0")/.."

fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT

grep -v '^#' deploy/vendored.lock | while read -r package file sha256 place; do
    archive=$(npm pack --silent --pack-destination "$fetched" "$package")
    tar -xzOf "$fetched/$archive" "package/$file" >"$fetched/file"
    found=$(sha256sum "$fetched/file" | cut -d' ' -f1)
    if [ "$found" != "$sha256" ]; then
        echo "$package: $file is $found, vendored.lock says $sha256" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$place")"
    gzip -n -9 -c "$fetched/file" >"$place"
    echo "$place: $package $file"
done
