# Sourced by baresip-up, baresip-down and baresip-do: `name` is the phone's own name, `folder` holds its configuration,
# its log (log), its process id (pid) and its recordings (recordings/).
# shellcheck shell=bash disable=SC2034 # used by those who source this

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=${1:-}

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

[[ $name =~ ^[A-Za-z0-9_.-]+$ ]] || die "usage: $(basename "$0") NAME ..."
folder=${PEER_OUT:-$top/tests/out}/baresip-$name

alive() { [ -s "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; }
control_port() { awk '/^ctrl_tcp_listen/ { sub(/.*:/, ""); print }' "$folder/config"; }
