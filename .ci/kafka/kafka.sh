#!/usr/bin/env bash
# A real Kafka (one node, KRaft, loopback) from Maven packages. KAFKA_DIR holds its log, ports and pid, and its jars unless
# KAFKA_JARS names a folder for them, which several instances can share.
#   KAFKA_DIR=<folder> [KAFKA_JARS=<folder>] [KAFKA_PORT=<port>] kafka.sh install|start|stop|kill|pause|resume|status|brokers|secured
# After a restart it has the same ports and the same log, whether it was stopped or killed.
# Clients of its plaintext listener (`brokers`) have all rights. Two more listeners (`secured`, as JSON) deny everything that no ACL allows: `sasl`, SASL_SSL
# with SCRAM-SHA-256, PLAIN or OAUTHBEARER (unsigned tokens), and `mtls`, SSL with a client certificate. Without openssl they are left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${KAFKA_DIR:?the folder to keep Kafka in}"
dir=$(cd "$KAFKA_DIR" && pwd)
jars=${KAFKA_JARS:-$dir/jars} config=$dir/server.properties log=$dir/kafka.log tls=$dir/tls

die() { echo "kafka: $*" >&2; exit 1; }
pid() { cat "$dir/pid" 2>/dev/null || true; }
# Checks the command line, so that neither a zombie nor another process with the same id counts.
running() { [ -n "$(pid)" ] && ps -ww -p "$(pid)" -o args= 2>/dev/null | grep -qF "$config"; }
# wait_for <seconds> <command…>: polls a fact.
wait_for() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.1; done
}
gone() { ! running; }
ready_or_ended() { ! kill -0 "$1" 2>/dev/null || grep -q 'Kafka Server started' "$log"; }
storage_tool() { java -cp "$jars/*" kafka.tools.StorageTool "$@"; }

install() {
  [ -e "$jars/complete" ] && return
  command -v java >/dev/null || die 'no java'
  [ "$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" -ge 17 ] || die 'java is older than 17'
  command -v mvn >/dev/null || die 'no mvn'
  mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars" \
    </dev/null >"$dir/mvn.log" 2>&1 || die "Maven cannot resolve its packages: $(grep -m1 ERROR "$dir/mvn.log")"
  touch "$jars/complete"
}

# Below the range of ephemeral ports, so that no outgoing connection takes the port while the broker is down.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# certificate <name> <openssl extension>: signed by the CA of this folder, as <name>.pem with <name>.key, and both in <name>.store.pem.
certificate() {
  openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.csr"
  openssl x509 -req -days 30 -in "$tls/$1.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -extfile <(echo "$2") -out "$tls/$1.pem"
  openssl pkcs8 -topk8 -nocrypt -in "$tls/$1.key" | cat - "$tls/$1.pem" >"$tls/$1.store.pem"
}
certificates() {
  mkdir -p "$tls"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca -keyout "$tls/ca.key" -out "$tls/ca.pem"
  certificate server 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  certificate client 'extendedKeyUsage=clientAuth'
}

format() {
  [ -e "$config" ] && return
  local port=${KAFKA_PORT:-$(free_port)} controller listeners='' sasl mtls
  controller=$(free_port)
  if command -v openssl >/dev/null; then
    certificates >"$dir/openssl.log" 2>&1 || die "no certificates: $(tail -1 "$dir/openssl.log")"
    sasl=$(free_port) mtls=$(free_port)
    listeners=,SASL://127.0.0.1:$sasl,MTLS://127.0.0.1:$mtls
    printf '{ "sasl": "127.0.0.1:%s", "mtls": "127.0.0.1:%s", "tls": "%s" }\n' "$sasl" "$mtls" "$tls" >"$dir/secured"
  fi
  cat "$here/server.properties" - >"$config.new" <<END

listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller$listeners
advertised.listeners=CLIENT://127.0.0.1:$port$listeners
controller.quorum.voters=1@127.0.0.1:$controller
log.dirs=$dir/data
ssl.keystore.location=$tls/server.store.pem
ssl.truststore.location=$tls/ca.pem
END
  storage_tool format --ignore-formatted --cluster-id "$(storage_tool random-uuid 2>/dev/null)" --config "$config.new" \
    >"$dir/format.log" 2>&1 || die "storage cannot be formatted: $(tail -1 "$dir/format.log")"
  echo "127.0.0.1:$port" >"$dir/brokers"
  mv "$config.new" "$config"
}

start() {
  running && return
  install
  format
  : >"$log"
  # A session of its own, so that Ctrl-C in the tests does not reach the broker.
  setsid java -Xms256m -Xmx512m -XX:+UseSerialGC -cp "$jars/*" -Dorg.slf4j.simpleLogger.showDateTime=true \
    -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS kafka.Kafka "$config" </dev/null >>"$log" 2>&1 &
  echo $! >"$dir/pid"
  wait_for 300 ready_or_ended $! || { kill_now; die "not ready after 300 s, see $log"; }
  running || die "ended at once: $(grep -m1 -E 'ERROR|FATAL' "$log" || tail -1 "$log")"
}

kill_now() { running || return 0; kill -KILL "$(pid)"; wait_for 60 gone || die 'survives SIGKILL'; }
stop() { running || return 0; kill -CONT "$(pid)"; kill -TERM "$(pid)"; wait_for 60 gone || kill_now; }

case ${1:-} in
  install | start | stop) "$1" ;;
  kill) kill_now ;;
  pause) running || die 'not running'; kill -STOP "$(pid)" ;;
  resume) running || die 'not running'; kill -CONT "$(pid)" ;;
  status) if running; then echo "running, pid $(pid), $(cat "$dir/brokers")"; else echo 'not running'; exit 1; fi ;;
  brokers) cat "$dir/brokers" ;;
  secured) cat "$dir/secured" 2>/dev/null || die 'no openssl: only the plaintext listener' ;;
  *) die 'one of install, start, stop, kill, pause, resume, status, brokers, secured' ;;
esac
