# MinIO, built from its Go module (AGPL: a server beside ours, never linked). An engine is the functions that postgres.sh names.
MINIO=minio-7aac2a2c5b7c

minio_install() { install_go $MINIO github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c; }

# The secret has what a URL must escape.
minio_start() {
  mkdir -p "$dir/data"
  spawn "$(id -un)" env MINIO_ROOT_USER=shortvideo MINIO_ROOT_PASSWORD='short+video/secret#%:' MINIO_BROWSER=off MINIO_UPDATE=off \
    "$(engine_home $MINIO)/minio" server "$dir/data" --address "127.0.0.1:$port"
}

minio_healthy() { curl -sf -m 2 "http://127.0.0.1:$port/minio/health/ready"; }
minio_prepare() { :; }
minio_env() { echo "S3_URL=s3+http://shortvideo:short%2Bvideo%2Fsecret%23%25%3A@127.0.0.1:$port/shortvideo"; }

s3_round_trip() { # s3_round_trip URL
  local s3=(curl -sSf -m 20 --aws-sigv4 aws:amz:us-east-1:s3 -u 'shortvideo:short+video/secret#%:' -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD')
  "${s3[@]}" -o /dev/null -X PUT "$1" && "${s3[@]}" -o /dev/null -X PUT -d 短视频 "$1/check" && [ "$("${s3[@]}" "$1/check")" = 短视频 ] &&
    "${s3[@]}" -X DELETE "$1/check" && "${s3[@]}" -X DELETE "$1"
}
minio_check() { s3_round_trip "http://127.0.0.1:$port/check-$$"; }
