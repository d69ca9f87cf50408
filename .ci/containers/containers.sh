#!/usr/bin/env bash
# Provides containers for the suites: starts an engine if none answers, and builds stand-ins for images that cannot be pulled.
#   CONTAINERS_DIR=<folder of this run> containers.sh engine|images|stop
# `engine` and `images` append settings for the suites and Compose to $CONTAINERS_DIR/env. Images and layers are cached in
# $XDG_CACHE_HOME/fastify-kafka-pair.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${CONTAINERS_DIR:?the folder to keep socket and settings in}"
dir=$(cd "$CONTAINERS_DIR" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fastify-kafka-pair
pid_file=$cache/docker.pid socket=unix://$dir/docker.sock

# Settings that an earlier step wrote.
# shellcheck source=/dev/null
[ ! -e "$dir/env" ] || . "$dir/env"

die() { echo "containers: $*" >&2; exit 1; }
tell() { printf 'export %s=%q\n' "$1" "$2" >>"$dir/env"; }
pid() { cat "$pid_file" 2>/dev/null || true; }
# Checks the command line, because another process may have got the same id. There is one engine for each cache.
runs_with() { [ -n "$(pid)" ] && ps -ww -p "$(pid)" -o args= 2>/dev/null | grep -qF "$1"; }
running() { runs_with "$pid_file"; }
# wait_for <seconds> <command…>: polls a fact.
wait_for() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.2; done
}
gone() { ! running; }
answers() { docker info >/dev/null 2>&1; }
answers_or_ended() { answers || ! kill -0 "$1" 2>/dev/null; }
# Installs a package only if its command is missing.
packages() {
  [ "$(id -u)" = 0 ] || die "only root can install $*"
  command -v apt-get >/dev/null || die "$* cannot be installed without apt-get"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$dir/apt.log" 2>&1 ||
    die "$* cannot be installed: $(grep -m1 '^E:' "$dir/apt.log")"
}
compose() { if docker compose version >/dev/null 2>&1; then echo docker compose; else command -v docker-compose; fi; }

engine() {
  { command -v docker && compose; } >/dev/null || packages docker.io docker-compose
  answers || start
  tell COMPOSE_COMMAND "$(compose)"
}

# Starts an engine for this run only. The suites reach its published ports on loopback.
start() {
  [ "$(id -u)" = 0 ] || die 'no container engine answers, and only root can start one'
  command -v dockerd >/dev/null || packages docker.io docker-compose
  mkdir -p "$cache"
  if running; then die "the engine of another run is still there (pid $(pid))"; fi
  rm -f "$pid_file"
  export DOCKER_HOST=$socket
  setsid dockerd --host "$DOCKER_HOST" --data-root "$cache/docker" --exec-root "$dir/exec" --pidfile "$pid_file" \
    </dev/null >"$dir/dockerd.log" 2>&1 &
  wait_for 300 answers_or_ended $! || { stop; die "the engine does not answer after 300 s, see $dir/dockerd.log"; }
  answers || die "the engine cannot be started: $(tail -1 "$dir/dockerd.log")"
  tell DOCKER_HOST "$DOCKER_HOST"
  tell TESTCONTAINERS_HOST_OVERRIDE localhost
  # Removes leftovers of a killed run, and layers that are older than a month.
  docker ps -aq | xargs -r docker rm -f >/dev/null
  docker image prune -f --filter until=720h >/dev/null
}

# The default image in the compose file, unless this setting names another one.
by_default() { sed -n "s/.*\${$1:-\([^}]*\)}.*/\1/p" "$here/../../docker-compose.yml" | head -1; }
have() { docker image inspect "$1" >/dev/null 2>&1; }

images() {
  local part setting image registry=yes
  for part in kafka postgres node; do
    setting=${part^^}_IMAGE
    [ -z "${!setting:-}" ] || continue
    image=$(by_default "$setting")
    have "$image" && continue
    # Stops after one failed pull: a machine without a registry would wait for each of them.
    if [ $registry = yes ] && timeout 120 docker pull -q "$image" >"$dir/pull.log" 2>&1; then continue; fi
    registry=no
    echo "containers: $image cannot be pulled ($(tail -1 "$dir/pull.log")), a stand-in is built"
    base
    "${part}_stand_in" "${image#*:}"
  done
}

# A base image from this machine's distribution, with its package sources, certificate authorities and npm registry.
base() {
  have local/base-stand-in && return
  command -v mmdebstrap >/dev/null || packages mmdebstrap
  local origin codename
  # shellcheck source=/dev/null
  origin=$(. /etc/os-release; echo "$ID") codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' "Origin: ${origin^}" |
    sort -u >"$dir/sources.list"
  apt-config dump | grep -E '^Acquire::(Check|Retries|ForceIPv|https?::)' >"$dir/apt.conf" || true
  printf '%s=%s\n' registry "$(npm config get registry)" cafile /etc/ssl/certs/ca-certificates.crt >"$dir/npmrc"
  mmdebstrap --variant=minbase --include=ca-certificates --aptopt="$dir/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='upload /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/machine.crt' \
    --customize-hook="chroot \"\$1\" update-ca-certificates" \
    --customize-hook="upload $dir/npmrc /usr/local/etc/npmrc" \
    "$codename" "$dir/base.tar" - <"$dir/sources.list" >"$dir/base.log" 2>&1 ||
    die "no base image: $(grep -m1 '^E:' "$dir/base.log")"
  docker import "$dir/base.tar" local/base-stand-in >/dev/null
  rm "$dir/base.tar"
}

# build <part> <version>: builds the image from the part's folder and the files copied next to it.
build() {
  cp -R "$here/$1/." "$dir/$1"
  docker build -q -t "local/$1-stand-in:$2" "$dir/$1" >"$dir/$1.log" 2>&1 || die "no image for $1: $(tail -3 "$dir/$1.log")"
  rm -rf "${dir:?}/$1"
  tell "${1^^}_IMAGE" "local/$1-stand-in:$2"
}

kafka_stand_in() {
  local jars=${KAFKA_JARS:-$dir/kafka-jars}
  KAFKA_DIR=$dir KAFKA_JARS=$jars "$here/../kafka/kafka.sh" install
  mkdir -p "$dir/kafka"
  cp -R "$jars" "$dir/kafka/libs"
  build kafka "$1"
}

# Debian's version, which may differ from that of the compose file.
postgres_stand_in() { build postgres "$(apt-cache show postgresql | sed -n 's/^Version: \([0-9]*\).*/\1/p' | head -1)"; }

node_stand_in() {
  local major=${1%%[.-]*} npm
  [ -e "$cache/node-$major/bin/node" ] || {
    npm pack --silent --pack-destination "$dir" "node-linux-$(node -p process.arch)@$major" >"$dir/node.log" 2>&1 ||
      die "no Node $major: $(tail -1 "$dir/node.log")"
    mkdir -p "$cache/node-$major"
    tar -xzf "$dir"/node-linux-*.tgz -C "$cache/node-$major" --strip-components=1
  }
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$dir/node"
  cp -R "$cache/node-$major/bin" "$cache/node-$major/include" "$dir/node"
  cp -R "$npm" "$dir/node/npm"
  build node "$major"
}

stop() {
  runs_with "$socket" || return 0
  kill -TERM "$(pid)"
  wait_for 60 gone || { kill -KILL "$(pid)"; wait_for 10 gone; }
}

case ${1:-} in
  engine | images | stop) "$1" ;;
  *) die 'one of engine, images, stop' ;;
esac
