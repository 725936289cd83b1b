#!/usr/bin/env bash
# script/bootstrap.sh <run-dir> <service>: runs `all` (gateway and services in one process) with data and logs below <run-dir>.
# <run-dir>/config.yaml is used when it exists.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: script/bootstrap.sh <run-dir> <service>   (service: all)" >&2; exit 2; }
run_dir=$1 service=$2
binary=$(cd "$(dirname "$0")/.." && pwd)/output/bin/shortvideo

case $service in
  all) ;;
  gateway | user | video | social | interaction | message | live | danmu | recommend)
    echo "bootstrap.sh: '$service' cannot run alone yet: services in processes of their own need RPC between them. Use: script/bootstrap.sh $run_dir all" >&2
    exit 2 ;;
  *) echo "bootstrap.sh: there is no service '$service' (all gateway user video social interaction message live danmu recommend)" >&2; exit 2 ;;
esac
[ -x "$binary" ] || { echo "bootstrap.sh: $binary is missing; run ./build.sh first" >&2; exit 2; }

mkdir -p "$run_dir/data" "$run_dir/log"
options=(--data "$run_dir/data" --set "log.output=$run_dir/log/shortvideo.log")
[ ! -f "$run_dir/config.yaml" ] || options+=(--config "$run_dir/config.yaml")
exec "$binary" serve "${options[@]}"
