# Sourced by asterisk-up, asterisk-down and asterisk-rx: which container they mean. All of it can be set from outside.
#
#   ASTERISK_PORT         SIP over UDP and TCP on 127.0.0.1          (default: 15060)
#   ASTERISK_RTP          media ports FIRST-LAST                     (default: 16000-16199)
#   ASTERISK_RECORDINGS   folder where its recordings appear         (default: tests/out/recordings-PORT)
#   ASTERISK_CONFIG       folder of configuration                    (default: the image's own, docker/asterisk/etc)
#   ASTERISK_AMI          port of its manager interface on 127.0.0.1, where the configuration has one (default: 15061)
#   ASTERISK_NAME         name of the container                      (default: hookswitch-asterisk-PORT)
#   PEER_SECONDS          how long one start may take, build apart   (default: 60)
# shellcheck shell=bash disable=SC2034 # used by those who source this

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
port=${ASTERISK_PORT:-15060}
rtp=${ASTERISK_RTP:-16000-16199}
name=${ASTERISK_NAME:-hookswitch-asterisk-$port}
recordings=${ASTERISK_RECORDINGS:-$top/tests/out/recordings-$port}
config=${ASTERISK_CONFIG:+$(realpath "$ASTERISK_CONFIG")}
ami=${ASTERISK_AMI:-15061}
image=hookswitch-asterisk
seconds=${PEER_SECONDS:-60}

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

command -v docker >/dev/null || die "docker is not installed; .ci/base-images installs and starts it on Debian"
timeout 20 docker info >/dev/null 2>&1 || die "no Docker engine answers; start one, or run .ci/base-images as root"

# What one start was asked for: a container that was started for something else is replaced.
wanted() {
  printf '%s %s %s' "$port" "$rtp" "$recordings"
  [ -z "$config" ] || printf ' %s %s' "$ami" "$(cat "$config"/* | sha256sum | cut -c -16)"
}
