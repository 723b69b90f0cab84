# The first image builds Unseen. The second image runs it, without a compiler, an embedded PostgreSQL or root rights.
FROM node:22-slim AS build
WORKDIR /unseen
COPY package.json package-lock.json .npmrc ./
COPY scripts/prisma-unused ./scripts/prisma-unused
RUN npm install --ignore-scripts
COPY . .
RUN npm run build && npm prune --ignore-scripts --omit=dev --omit=optional
# Prisma includes the query compilers of five databases. Types and source maps are needed only for development.
RUN find node_modules/@prisma/client/runtime -regextype egrep -regex '.*(cockroachdb|mysql|sqlite|sqlserver).*' -delete \
  && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM node:22-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000
WORKDIR /unseen
COPY --from=build /unseen/package.json ./
COPY --from=build /unseen/node_modules ./node_modules
COPY --from=build /unseen/prisma/migrations ./prisma/migrations
COPY --from=build /unseen/dist ./dist
USER node
EXPOSE 4000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node.js is the first process of the container, so it receives SIGTERM.
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start"]
