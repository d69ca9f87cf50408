# One file for all services: docker build --build-arg SERVICE=user .
# Of another system than the pair: docker build --build-arg SYSTEM=examples/music --build-arg SERVICE=charts .
ARG NODE_IMAGE=node:24-bookworm-slim

# What every stage that installs needs: the lock file and each workspace's manifest, without which npm refuses the lock.
# A change of a source leaves them as they are, and so what is installed.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete && find . -type d -empty -delete

# What runs: node-rdkafka compiled, nothing of development, the tools and the embedded PostgreSQL left out.
FROM ${NODE_IMAGE} AS modules
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ libssl-dev zlib1g-dev libzstd-dev \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /app
COPY --from=manifests /app ./
# The binding is compiled as everywhere else: on all cores, with the headers that came with node.
COPY scripts/compile.js scripts/run.js scripts/
ARG SYSTEM=.
RUN npm ci --ignore-scripts --omit=dev --include-workspace-root $(printf -- '--workspace=%s ' ${SYSTEM}/microservices/*) \
  && node -e "import('./scripts/compile.js').then(({ compile }) => compile('node_modules/node-rdkafka'))"
COPY packages/kafka/native packages/kafka/native
RUN node -e "import('./scripts/compile.js').then(({ compileAddon }) => compileAddon('node_modules/node-rdkafka', 'packages/kafka'))" \
  && strip --strip-unneeded packages/kafka/dist/native.node && rm -rf packages/kafka/native
# 540 MB of sources and objects become the binding and the two libraries that it loads.
RUN cd node_modules/node-rdkafka && mkdir -p keep/Release keep/deps \
  && cp -p build/Release/node-librdkafka.node keep/Release/ \
  && cp -pL build/deps/librdkafka.so.1 build/deps/librdkafka++.so.1 keep/deps/ \
  && strip --strip-unneeded keep/Release/* keep/deps/* \
  && rm -rf build deps src bench ci e2e examples test util && mv keep build
# Tests, types and maps of packages are never loaded.
RUN rm -rf scripts packages/dlq packages/dev node_modules/@types && find node_modules -type d -name test -prune -exec rm -rf {} + \
  && find node_modules \( -xtype l -o -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' \) -delete

# What is run: the workspaces compiled. Types need no binding, so nothing is built twice.
FROM ${NODE_IMAGE} AS compiled
ARG SYSTEM=.
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci --ignore-scripts --include-workspace-root $(printf -- '--workspace=%s ' ${SYSTEM}/microservices/*)
COPY tsconfig.json ./
COPY packages packages
COPY ${SYSTEM}/shared-topics ${SYSTEM}/shared-topics
COPY ${SYSTEM}/microservices ${SYSTEM}/microservices
RUN npx tsc -b ${SYSTEM}/microservices/* \
  && cd ${SYSTEM} && find shared-topics microservices /app/packages \( -name src -o -name native -o -name test -o -name node_modules \) -prune -exec rm -rf {} + \
  && find shared-topics microservices /app/packages \( -name '*.tsbuildinfo' -o -name tsconfig.json \) -delete

FROM ${NODE_IMAGE}
# What the binding is linked with, and the authorities for a broker that speaks TLS.
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
# By number, so that any base image will do.
USER 1000:1000
RUN node -e "require('node-rdkafka'), require('/app/packages/kafka/dist/native.node')" && test -f dist/server.js
# No npm and no shell in between: SIGTERM reaches node.
CMD ["node", "dist/server.js"]
