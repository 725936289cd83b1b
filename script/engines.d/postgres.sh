# PostgreSQL of Debian 12. An engine is the functions <name>_install, _start, _healthy, _prepare, _env and _check; script/engines sets
# $dir (its folder) and $port.
# The role shortvideo (password shortvideo) may make databases. No Unix socket: a long path is refused.
POSTGRES_BIN=/usr/lib/postgresql/15/bin
STOP_SIGNAL[postgres]=INT   # does not wait for clients

postgres_install() { install_packages postgresql-15 postgresql-client-15; }

postgres_start() {
  give postgres "$dir/data"
  chmod 700 "$dir/data"
  if [ ! -e "$dir/data/PG_VERSION" ]; then
    (umask 077; echo postgres > "$dir/password")
    if is_root; then chown postgres: "$dir/password"; fi
    as postgres "$POSTGRES_BIN/initdb" -D "$dir/data" -U postgres --pwfile="$dir/password" --auth=scram-sha-256 \
      --encoding=UTF8 --locale=C.UTF-8 >> "$dir/log" 2>&1 || { tail -n 5 "$dir/log" >&2; die "initdb failed"; }
    rm "$dir/password"
  fi
  # After a kill -9 the lock may name a zombie that nobody has waited for: PostgreSQL takes it for alive.
  local old
  if old=$(head -n 1 "$dir/data/postmaster.pid" 2> /dev/null) && is_zombie "$old"; then rm -f "$dir/data/postmaster.pid"; fi
  # Suites run side by side, each case with a database of its own.
  spawn postgres "$POSTGRES_BIN/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=300 -c deadlock_timeout=200ms ${ENGINES_FAST:+-c fsync=off}
}

postgres_healthy() { "$POSTGRES_BIN/pg_isready" -q -h 127.0.0.1 -p "$port"; }

as_admin() { PGPASSWORD=postgres "$POSTGRES_BIN/psql" -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d postgres "$@"; }

postgres_prepare() {
  [ "$(as_admin -c "select 1 from pg_roles where rolname = 'shortvideo'")" = 1 ] ||
    as_admin -c "create role shortvideo login createdb password 'shortvideo'"
  [ "$(as_admin -c "select 1 from pg_database where datname = 'shortvideo'")" = 1 ] || as_admin -c "create database shortvideo owner shortvideo"
}

postgres_env() {
  echo "DATABASE_URL=postgres://shortvideo:shortvideo@127.0.0.1:$port/shortvideo?sslmode=disable"
  echo "DATABASE_ADMIN_URL=postgres://postgres:postgres@127.0.0.1:$port/postgres?sslmode=disable"
}

postgres_check() {
  [ "$(as_admin -c "create temp table t (title text)" -c "insert into t values ('短视频')" -c "select title from t")" = 短视频 ]
}
