#!/bin/sh
# Runs the addon's own tests, or other tests of the client, under a sanitizer: sh native/sanitize.sh [address|thread] [test files]
# Only the addon is instrumented, not Node, librdkafka or the binding. So
# - address finds misuse of the addon's memory, misuse of any memory by the addon, and leaks of the addon's allocations;
# - thread sees the addon's accesses and every lock, but no access of librdkafka's own.
# With `thread` the embedded broker does not run: name another one in KAFKA_BROKERS.
set -eu
kind=${1:-address}
[ $# -gt 0 ] && shift
cd "$(dirname "$0")/../../.."
client=packages/kafka
reports=$(mktemp -d)
headers=node_modules/node-api-headers/include
library=$(g++ -print-file-name=$([ "$kind" = address ] && echo libasan.so || echo libtsan.so))
mv $client/dist/native.node $client/dist/native.node.plain
trap 'mv $client/dist/native.node.plain $client/dist/native.node; rm -rf "$reports" $client/dist/c11-threads.so' EXIT
g++ -g -O1 -std=c++17 -fPIC -shared -fno-exceptions -fno-omit-frame-pointer "-fsanitize=$kind" -I"$headers" -Inode_modules/node-rdkafka/deps/librdkafka/src $client/native/*.cc -o $client/dist/native.node
if [ "$kind" = thread ]; then
  gcc -O1 -fPIC -shared $client/native/c11-threads.c -o $client/dist/c11-threads.so
  preload=" $PWD/$client/dist/c11-threads.so"
fi
# Node leaks at its end by design, including allocations of JavaScript that the addon called. Only a report that names the addon is a failure.
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:log_path=$reports/report" LSAN_OPTIONS="exitcode=0:suppressions=$PWD/$client/native/leaks.txt"
export TSAN_OPTIONS="exitcode=0:report_signal_unsafe=0:log_path=$reports/report"
# ThreadSanitizer's shadow memory does not fit every address space layout, so randomization is switched off.
LD_PRELOAD="$library${preload:-}" setarch -R node node_modules/vitest/vitest.mjs run --testTimeout 120000 --project broker "${@:-$client/test/native}" || outcome=$?
grep -h 'ERROR: \|CHECK failed' "$reports"/* | grep -v 'detected memory leaks' || true
named=$(awk -v RS= '/Direct leak|ERROR: Address|WARNING: Thread/ && /kafka\/native\/|native\.node/ && !(/Direct leak/ && /napi_call_function/)' "$reports"/* /dev/null)
[ -z "$named" ] || { echo "$named"; exit 1; }
echo "$kind: $(ls "$reports" | wc -l) reports, none names the addon"
exit ${outcome:-0}
