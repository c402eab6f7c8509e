# docker build -t weir . ; the README tells how to run it. The steps are the scripts that make uses.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY scripts/setup scripts/
RUN scripts/setup build
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build

FROM debian:12-slim
COPY scripts/setup /usr/local/lib/weir/setup
RUN /usr/local/lib/weir/setup runtime && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/bin/weir /usr/local/bin/weir
COPY LICENSE /usr/share/doc/weir/
ENTRYPOINT ["weir"]
CMD ["--help"]
