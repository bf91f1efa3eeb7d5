# Node, its shared libraries and Fairlead; nothing else: no shell, no package manager. `npm run image` makes the two folders
# and builds this without a container engine. Files that are the same from release to release are a layer of their own.
FROM scratch
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="fairlead" \
      org.opencontainers.image.description="The controller runtime for Kubernetes in Node.js" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY base/ /
COPY program/ /
USER 65532:65532
WORKDIR /app
# Two arenas for all threads, and a small young generation: a third less memory, and no more time (measured: npm run bench -- image).
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/node", "--max-semi-space-size=1", "/app/dist/config/bin.js"]
CMD ["run"]
