# etcd 3.4 of Debian 12. An engine is the functions that postgres.sh names.
etcd_install() { install_packages etcd-server; }

etcd_start() {
  local client=http://127.0.0.1:$port peer
  [ -e "$dir/peer-port" ] || free_port > "$dir/peer-port"
  peer=http://127.0.0.1:$(cat "$dir/peer-port")
  # It refuses a folder that others may read, and reads ETCD_… of the environment.
  mkdir -p -m 700 "$dir/data"
  spawn "$(id -un)" env -i PATH="$PATH" etcd --name shortvideo --data-dir "$dir/data" --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "shortvideo=$peer" --auto-compaction-retention 1
}

etcd_healthy() { curl -sf -m 2 "http://127.0.0.1:$port/health" | grep -q '"health":"true"'; }
etcd_prepare() { :; }
etcd_env() { echo "ETCD_URL=etcd://127.0.0.1:$port"; }

etcd_check() { # keys and values are base64
  local at=http://127.0.0.1:$port key value
  key=$(printf shortvideo/check | base64 -w0) value=$(printf 短视频 | base64 -w0)
  curl -sf -m 10 -X POST "$at/v3/kv/put" -d "{\"key\": \"$key\", \"value\": \"$value\"}" > /dev/null &&
    curl -sf -m 10 -X POST "$at/v3/kv/range" -d "{\"key\": \"$key\"}" | grep -qF "\"value\":\"$value\""
}
