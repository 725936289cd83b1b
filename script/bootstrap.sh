#!/usr/bin/env bash
# Runs what ./build.sh built, with data and logs below a folder; config.yaml in that folder is used when it exists.
#   script/bootstrap.sh [<run-dir> [<service>]]     default: output/run gateway
# Services: gateway (with every service in its process, unless config.yaml names a registry), all, user, video, social, interaction, message, live, danmu, recommend.
set -euo pipefail
case ${1-} in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
from=$PWD
. "$(dirname "$0")/lib.sh"
[ $# -le 2 ] || die "usage: script/bootstrap.sh [<run-dir> [<service>]]"
run_dir=${1:-$ROOT/output/run} service=${2:-gateway}
[[ $run_dir = /* ]] || run_dir=$from/$run_dir
[[ " all ${SERVICES[*]} " = *" $service "* ]] || die "there is no service '$service' (all ${SERVICES[*]})"
[ "$service" != all ] || service=gateway
binary=$ROOT/output/bin/$service
[ -x "$binary" ] || die "$binary is missing; run ./build.sh first"

mkdir -p "$run_dir/data" "$run_dir/log"
options=(--data "$run_dir/data" --set "log.output=$run_dir/log/$service.log")
[ ! -f "$run_dir/config.yaml" ] || options+=(--config "$run_dir/config.yaml")
exec "$binary" "${options[@]}"
