# One image; the command says which process it is: the hub (`start`), one connector (`connector NAME`), or the demo (`start --demo`).
FROM node:24-bookworm-slim AS build
WORKDIR /isthmus
COPY package.json package-lock.json ./
# No install script runs, here as everywhere else.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node bin/build.js && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production ISTHMUS_DATA=/data
WORKDIR /isthmus
COPY --from=build /isthmus/node_modules ./node_modules
COPY --from=build /isthmus/dist ./dist
COPY --from=build /isthmus/bin/isthmus.js /isthmus/bin/parent.js ./bin/
COPY --from=build /isthmus/schema ./schema
COPY --from=build /isthmus/connectors/mesh/demo ./connectors/mesh/demo
COPY --from=build /isthmus/package.json /isthmus/isthmus.demo.yaml /isthmus/LICENSE ./
RUN ln -s /isthmus/bin/isthmus.js /usr/local/bin/isthmus && chmod 755 bin/isthmus.js && install -d -o node -g node /data
# The program's files belong to root; the process may write to /data only.
USER node
VOLUME /data
EXPOSE 4000
CMD ["isthmus", "start", "--config", "/etc/isthmus/isthmus.yaml"]
