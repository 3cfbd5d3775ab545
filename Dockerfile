# The same line of Node as in package.json.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The `node` package in devDependencies is for checkouts; here the image has Node.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npx tsc -p tsconfig.build.json && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY config ./config
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 9000 9001
# The admin port stays on the container's loopback unless a configuration says otherwise.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9001/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# The flags: docs/decisions/0009-young-generation.md
ENTRYPOINT ["node", "--max-semi-space-size=8", "--no-parallel-scavenge", "--expose-gc", "dist/main.js"]
CMD ["serve", "--listen", "0.0.0.0:9000", "--data", "/data"]
