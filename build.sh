#!/usr/bin/env bash
# Builds the release binary into output/bin/shortvideo, with a link for each service beside it. Installs nothing.
set -euo pipefail
. "$(dirname "$0")/script/lib.sh"

if command -v dpkg-query > /dev/null && ! script/setup --check build > /dev/null 2>&1; then
  script/setup --check build || die "run script/setup first"
fi
for tool in clang++-19 ld.lld-19 llvm-strip-19 cmake ninja ccache thrift; do
  command -v "$tool" > /dev/null || die "$tool is missing; run script/setup first"
done

say "building the release binary"
build release shortvideo
mkdir -p output/bin
# A new file and a rename: the binary may be running.
llvm-strip-19 -o output/bin/.shortvideo.new build/release/app/shortvideo
mv -f output/bin/.shortvideo.new output/bin/shortvideo
link_services output/bin
say "built output/bin/shortvideo ($(du -h output/bin/shortvideo | cut -f1))"
