# One Dockerfile for all services: docker build --build-arg SERVICE=user .
# A service of an example: docker build --build-arg SYSTEM=examples/music --build-arg SERVICE=mailing .
ARG NODE_IMAGE=node:24-bookworm-slim

# For every stage that installs: the lock file and the manifests of all workspaces, without which npm refuses the lock file.
# They do not depend on the sources, so a changed source keeps the cached installation.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete && find . -type d -empty -delete

# librdkafka, its binding and the client's addon, the same for every service: compiled once.
FROM ${NODE_IMAGE} AS binding
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ libssl-dev zlib1g-dev libzstd-dev \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci --ignore-scripts --omit=dev --workspace=packages/kafka
COPY packages/kafka/native packages/kafka/native
# As the set-up does it: on all cores, with node's own headers.
COPY scripts/compile.js scripts/librdkafka.js scripts/run.js scripts/step.js scripts/
RUN node -e "import('./scripts/compile.js').then(({ compile }) => compile('node_modules/node-rdkafka'))" \
  && node packages/kafka/native/compile.js
# The binding and the two libraries that it loads.
WORKDIR /app/node_modules/node-rdkafka/build
RUN mkdir -p /binding/Release /binding/deps && cp -p Release/node-librdkafka.node /binding/Release/ \
  && cp -pL deps/librdkafka.so.1 deps/librdkafka++.so.1 /binding/deps/ \
  && strip --strip-unneeded /binding/*/* /app/packages/kafka/dist/native.node

# Production dependencies, without development tools and the embedded PostgreSQL.
FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY --from=manifests /app ./
ARG SYSTEM=.
RUN npm ci --ignore-scripts --omit=dev --include-workspace-root $(printf -- '--workspace=%s ' ${SYSTEM}/microservices/*)
# Removes sources, tests, types and source maps of packages, which are not loaded.
RUN cd node_modules/node-rdkafka && rm -rf deps src bench ci e2e examples test util && cd ../.. \
  && rm -rf packages/dlq packages/dev node_modules/@types && find node_modules -type d -name test -prune -exec rm -rf {} + \
  && find node_modules \( -xtype l -o -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' \) -delete
COPY --from=binding /binding node_modules/node-rdkafka/build
COPY --from=binding /app/packages/kafka/dist/native.node packages/kafka/dist/native.node

# Compiles the workspaces of all services, those of the examples too, once for all images. Type checking needs no binding.
FROM ${NODE_IMAGE} AS compiled
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci --ignore-scripts --include-workspace-root $(find . -path '*/microservices/*/package.json' -not -path '*/node_modules/*' -printf '--workspace=%h ')
COPY . .
RUN node node_modules/typescript-7/bin/tsc -b --checkers 1 $(find . -path '*/microservices/*/tsconfig.json' -not -path '*/node_modules/*' -printf '%h ') \
  && rm -rf node_modules && find . \( -name src -o -name native -o -name test -o -name node_modules \) -prune -exec rm -rf {} + \
  && find . \( -name '*.tsbuildinfo' -o -name tsconfig.json \) -delete

FROM ${NODE_IMAGE}
# Shared libraries of the binding, and certificate authorities for a broker with TLS.
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 zlib1g libzstd1 libstdc++6 ca-certificates \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ARG SYSTEM=.
ARG SERVICE
WORKDIR /app
COPY --from=modules /app ./
COPY --from=compiled /app/packages packages
COPY --from=compiled /app/${SYSTEM}/shared-topics ${SYSTEM}/shared-topics
COPY --from=compiled /app/${SYSTEM}/microservices/${SERVICE} ${SYSTEM}/microservices/${SERVICE}
WORKDIR /app/${SYSTEM}/microservices/${SERVICE}
ENV NODE_ENV=production HOST=0.0.0.0
# A numeric user, so that any base image works.
USER 1000:1000
RUN node -e "require('node-rdkafka'), require('/app/packages/kafka/dist/native.node')" && test -f dist/server.js
# No npm and no shell: node is the first process and receives SIGTERM.
CMD ["node", "dist/server.js"]
