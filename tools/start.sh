#!/bin/sh
# npm start: one node for development on loopback. Arguments go to the node: npm start -- --data-dir /tmp/x
set -eu
sh "$(dirname "$0")/prepare.sh" node
exec "$(dirname "$0")/../bin/streamline" --profile development "$@"
