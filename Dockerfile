# One file for both services: docker build --build-arg SERVICE=user .
ARG NODE_IMAGE=node:24-bookworm-slim

# What every stage that installs needs: the lock file and each workspace's manifest, without which npm refuses the lock.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared-topics/package.json shared-topics/
COPY shared-kafka/package.json shared-kafka/
COPY shared-service/package.json shared-service/
COPY microservices/user/package.json microservices/user/
COPY microservices/profile/package.json microservices/profile/
COPY operate/package.json operate/
COPY local/package.json local/

# What runs: node-rdkafka compiled, nothing of development, `operate`, `local` and its PostgreSQL left out.
FROM manifests AS modules
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ libssl-dev zlib1g-dev \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# The binding is compiled as everywhere else: on all cores, with the headers that came with node.
COPY local/install.js local/run.js local/
RUN npm ci --ignore-scripts --omit=dev --include-workspace-root --workspace=user-service --workspace=profile-service \
  && node -e "import('./local/install.js').then(({ compile }) => compile('node_modules/node-rdkafka'))"
# 540 MB of sources and objects become the binding and the two libraries that it loads.
RUN cd node_modules/node-rdkafka && mkdir -p keep/Release keep/deps \
  && cp -p build/Release/node-librdkafka.node keep/Release/ \
  && cp -pL build/deps/librdkafka.so.1 build/deps/librdkafka++.so.1 keep/deps/ \
  && strip --strip-unneeded keep/Release/* keep/deps/* \
  && rm -rf build deps src bench ci e2e examples test util && mv keep build
# Tests, types and maps of packages are never loaded.
RUN rm -rf local operate node_modules/@types && find node_modules -type d -name test -prune -exec rm -rf {} + \
  && find node_modules \( -xtype l -o -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' \) -delete

# What is run: the workspaces compiled. Types need no binding, so nothing is built twice.
FROM manifests AS compiled
RUN npm ci --ignore-scripts --include-workspace-root --workspace=user-service --workspace=profile-service
COPY tsconfig.json ./
COPY shared-topics shared-topics
COPY shared-kafka shared-kafka
COPY shared-service shared-service
COPY microservices microservices
RUN npx tsc -b microservices/user microservices/profile \
  && find shared-* microservices \( -name src -o -name test -o -name node_modules \) -prune -exec rm -rf {} + \
  && find shared-* microservices \( -name '*.tsbuildinfo' -o -name tsconfig.json \) -delete

FROM ${NODE_IMAGE}
# What the binding is linked with, and the authorities for a broker that speaks TLS.
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 zlib1g libstdc++6 ca-certificates \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ARG SERVICE
WORKDIR /app
COPY --from=modules /app ./
COPY --from=compiled /app/shared-topics shared-topics
COPY --from=compiled /app/shared-kafka shared-kafka
COPY --from=compiled /app/shared-service shared-service
COPY --from=compiled /app/microservices/${SERVICE} microservices/${SERVICE}
WORKDIR /app/microservices/${SERVICE}
ENV NODE_ENV=production HOST=0.0.0.0
# By number, so that any base image will do.
USER 1000:1000
RUN node -e "require('node-rdkafka')" && test -f dist/server.js
# No npm and no shell in between: SIGTERM reaches node.
CMD ["node", "dist/server.js"]
