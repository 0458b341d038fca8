#!/bin/sh
# npm run check: types, lint, format and contracts of the whole tree in seconds.
set -eu
cd "$(dirname "$0")/.."
[ -f libs/wire/contracts/generated/descriptor-set.ts ] || sh tools/prepare.sh node
node node_modules/tsgo/bin/tsc -p tsconfig.base.json
node_modules/.bin/eslint -c tools/eslint/eslint.config.js --max-warnings 0 --cache --cache-location node_modules/.cache/eslint/ .
node_modules/.bin/prettier --check --cache --log-level warn .
node_modules/.bin/buf lint proto
node_modules/.bin/buf breaking proto --against proto/accepted.binpb
echo "check: types, lint, format and contracts are fine"
