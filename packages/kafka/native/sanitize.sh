#!/bin/sh
# Runs the addon's own tests and the client's suite under a sanitizer: sh native/sanitize.sh [address|thread] [test files]
# Only the addon is instrumented. Node, librdkafka and the binding are not, so that
# - address finds misuse of the addon's memory, and of any memory by the addon, and leaks of what the addon allocates;
# - thread sees the addon's accesses and every lock, but no access of librdkafka's own.
set -eu
kind=${1:-address}
[ $# -gt 0 ] && shift
cd "$(dirname "$0")/../../.."
client=packages/kafka
headers=$(sed -n 's/.*"nodedir": "\([^"]*\)".*/\1/p' node_modules/node-rdkafka/build/config.gypi)/include/node
library=$(g++ -print-file-name=$([ "$kind" = address ] && echo libasan.so || echo libtsan.so))
mv $client/dist/native.node $client/dist/native.node.plain
trap 'mv $client/dist/native.node.plain $client/dist/native.node' EXIT
g++ -g -O1 -std=c++17 -fPIC -shared -fno-exceptions -fno-omit-frame-pointer "-fsanitize=$kind" -I"$headers" -Inode_modules/node-rdkafka/deps/librdkafka/src $client/native/*.cc -o $client/dist/native.node
# Node itself leaks by design at its end, and so do our registry and loop; what counts is what names the addon.
export LD_PRELOAD="$library" ASAN_OPTIONS="detect_leaks=1:exitcode=99:log_path=/tmp/native-$kind" LSAN_OPTIONS="suppressions=$client/native/leaks.txt" TSAN_OPTIONS="exitcode=99:log_path=/tmp/native-$kind"
npx vitest run --testTimeout 120000 --project broker "${@:-$client/test/native}" || true
unset LD_PRELOAD
reports=$(grep -ls 'native\.node' /tmp/native-$kind.* || true)
[ -z "$reports" ] || { cat $reports; exit 1; }
echo "$kind: no report names the addon"
