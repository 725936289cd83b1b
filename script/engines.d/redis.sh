# Redis 7 of Debian 12. An engine is the functions that postgres.sh names.
redis_install() { install_packages redis-server redis-tools; }

redis_start() {
  local durable=(--appendonly yes --appendfsync everysec)
  [ -z "${ENGINES_FAST:-}" ] || durable=(--appendonly no --save '')
  mkdir -p "$dir/data"
  spawn "$(id -un)" redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/data" --daemonize no "${durable[@]}"
}

redis_healthy() { [ "$(redis-cli -h 127.0.0.1 -p "$port" ping)" = PONG ]; }
redis_prepare() { :; }
redis_env() { echo "REDIS_URL=redis://127.0.0.1:$port"; }

redis_check() {
  redis-cli -h 127.0.0.1 -p "$port" set shortvideo:check 短视频 ex 60 > /dev/null &&
    [ "$(redis-cli -h 127.0.0.1 -p "$port" --raw get shortvideo:check)" = 短视频 ]
}
