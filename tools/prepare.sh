#!/bin/sh
# Brings a clone up to date: installs and builds what is missing or older than its sources, and says so.
#   sh tools/prepare.sh [service ...]     (default: all five services)
set -eu
cd "$(dirname "$0")/.."

node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Streamline needs Node >= 20.19; this is ${process.version}.`);
    process.exit(1);
  }'

installed=node_modules/.streamline-lock
if ! cmp -s package-lock.json "$installed"; then
  echo "==> npm ci (first run, or package-lock.json changed)"
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$installed"
fi

generated=libs/wire/contracts/generated/descriptor-set.ts
if [ ! -f "$generated" ] || [ -n "$(find proto tools/generate-contracts.mjs -newer "$generated" -print -quit)" ]; then
  echo "==> generating contracts from proto/"
  node tools/generate-contracts.mjs
fi

[ $# -gt 0 ] || set -- controller storage gateway admin node
stale=""
for service in "$@"; do
  main="dist/$service/main.mjs"
  if [ ! -f "$main" ] || [ -n "$(find libs services tools/build.mjs tsconfig.base.json "$installed" -name '*.spec.ts' -prune -o -type f -newer "$main" -print -quit)" ]; then
    stale="$stale $service"
  fi
done
if [ -n "$stale" ]; then
  echo "==> building$stale"
  # shellcheck disable=SC2086 # a list of words
  node tools/build.mjs $stale
fi
