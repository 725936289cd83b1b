# Versity S3 Gateway over a folder, built from its Go module: S3 as another server reads it. An engine is the functions that postgres.sh names.
VERSITYGW=versitygw-1.8.0

versitygw_install() { install_go $VERSITYGW github.com/versity/versitygw/cmd/versitygw@v1.8.0; }

versitygw_start() {
  mkdir -p "$dir/data" "$dir/meta"
  spawn "$(id -un)" env ROOT_ACCESS_KEY=shortvideo ROOT_SECRET_KEY='short+video/secret#%:' \
    "$(engine_home $VERSITYGW)/versitygw" --port "127.0.0.1:$port" --health /health posix --sidecar "$dir/meta" "$dir/data"
}

versitygw_healthy() { curl -sf -m 2 "http://127.0.0.1:$port/health"; }
versitygw_prepare() { :; }
versitygw_env() { echo "VERSITYGW_URL=s3+http://shortvideo:short%2Bvideo%2Fsecret%23%25%3A@127.0.0.1:$port/shortvideo"; }
versitygw_check() { . "$DESCRIPTIONS/minio.sh"; s3_round_trip "http://127.0.0.1:$port/check-$$"; }
