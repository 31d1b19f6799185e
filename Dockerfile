# One image for all processes; the command selects one: the hub (`start`), one connector (`connector NAME`), or the demo (`start --demo`).
FROM node:24-bookworm-slim AS build
WORKDIR /isthmus
COPY package.json package-lock.json ./
# Install scripts are disabled, as everywhere in this project.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN node bin/build.js

FROM node:24-bookworm-slim
ENV NODE_ENV=production ISTHMUS_DATA=/data
WORKDIR /isthmus
COPY --from=build /isthmus/node_modules ./node_modules
COPY --from=build /isthmus/dist ./dist
COPY --from=build /isthmus/bin ./bin
COPY --from=build /isthmus/schema ./schema
COPY --from=build /isthmus/connectors/configured/openapi/demo ./connectors/configured/openapi/demo
COPY --from=build /isthmus/package.json /isthmus/isthmus.demo.yaml /isthmus/LICENSE ./
RUN ln -s /isthmus/bin/isthmus.js /usr/local/bin/isthmus && chmod 755 bin/isthmus.js && install -d -o node -g node /data
# Root owns the program's files; the process may write to /data only. Mount a named volume there for a hub (docker-compose.yml does):
# an anonymous one would be lost with the container. Connectors need no volume.
USER node
EXPOSE 4000
CMD ["isthmus", "start", "--config", "/etc/isthmus/isthmus.yaml"]
