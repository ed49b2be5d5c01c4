# One static binary; the command chooses the role: serve, accounts, monitors, prober, events, alerts, gateway.
# Builds for the machine it runs on, or with buildx for --platform linux/amd64,linux/arm64 by cross-compilation.
FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.26.8-bookworm AS build
ARG TARGETARCH
ARG VERSION=dev
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 GOOS=linux GOARCH=${TARGETARCH:-$(go env GOARCH)} \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/frogup ./cmd/frogup
# Folders that volumes are mounted on; a fresh volume takes its owner from them.
RUN mkdir -p /out/root/data /out/root/tmp /out/root/run/frogup && cd /out/root/run/frogup && \
    mkdir authority accounts monitors prober events alerts gateway postgres clickhouse

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/root/ /
COPY --from=build /out/frogup /frogup
USER 65532:65532
EXPOSE 8080 7001 7002 7003 7004 7005 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/frogup", "health"]
ENTRYPOINT ["/frogup"]
CMD ["serve", "--data", "/data", "--listen", ":8080"]
