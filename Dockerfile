# Node, its shared libraries and Fairlead; nothing else. `npm run image` makes the folder "root" and builds this without a
# container engine: programs and libraries stand in it where they stood on the building machine.
FROM scratch
LABEL org.opencontainers.image.title="fairlead" \
      org.opencontainers.image.description="Watch caches of a Kubernetes cluster that never drift" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY root/ /
USER 65532:65532
ENV NODE_ENV=production
ENTRYPOINT ["/usr/bin/node", "/app/dist/config/bin.js"]
CMD ["run"]
