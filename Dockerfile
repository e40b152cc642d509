# A static binary in an empty image, as a user without rights.
#
# Ports below 1024: run it with
#     docker run --sysctl net.ipv4.ip_unprivileged_port_start=0 ...
# (Docker's default network does so by itself), or with --network host either set the same sysctl on the host, or add
#     --cap-add NET_BIND_SERVICE
# and, because the user is not root, give the binary the file capability cap_net_bind_service=+ep in a layer of your own.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /posthouse ./cmd/posthouse

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /posthouse /posthouse
USER 65532:65532
ENTRYPOINT ["/posthouse"]
CMD ["serve", "--config", "/etc/posthouse"]
