#!/bin/sh
# npm run check: types, lint, format and contracts of the whole tree in seconds.
set -eu
cd "$(dirname "$0")/.."
[ -f libs/wire/contracts/generated/descriptor-set.ts ] || sh tools/prepare.sh node
exec node tools/check.mjs
