#!/bin/sh
# npm test: everything, from a clean clone. Ends with `N passed, N failed`.
set -eu
sh "$(dirname "$0")/prepare.sh"
exec node "$(dirname "$0")/test.mjs" "$@"
