# The server alone, as a user without rights, on a root that may be read-only. No MongoDB comes along (the embedded one
# is for trying and testing), so FHIR_MONGODB_URI must be given; compose.yaml brings a replica set.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t fhir-server .
#   docker run --network host -e FHIR_MONGODB_URI=mongodb://127.0.0.1:27017/?replicaSet=rs0 fhir-server serve
#
# It listens on loopback, which --network host makes the machine's own: without it nobody outside the container could
# reach it. On any other address it wants a proxy that speaks TLS, and FHIR_BASE_URL. Settings: docs/settings.md;
# running it: docs/operations.md.

ARG PYTHON_VERSION=3.11.13

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/build/constraints.txt
RUN python -m venv /opt/fhir-server
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY fhir_server fhir_server
COPY smart_auth smart_auth
COPY profiles profiles
COPY seeds seeds
RUN /opt/fhir-server/bin/pip install '.[otel]'

FROM python:${PYTHON_VERSION}-slim-bookworm
ARG PYTHON_VERSION
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="fhir-server" \
      org.opencontainers.image.description="A FHIR R4 server on MongoDB" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:${PYTHON_VERSION}-slim-bookworm"
# What is written to: the counts of /metrics, where several workers share them, and in /keys the master key of what is
# encrypted, where a volume is mounted there and FHIR_DATA_DIR names it.
RUN groupadd --system --gid 10001 fhir \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin fhir \
    && install -d -o 10001 -g 10001 -m 0700 /run/fhir-server /keys
COPY --from=build /opt/fhir-server /opt/fhir-server
ENV PATH=/opt/fhir-server/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/run/fhir-server \
    FHIR_DATA_DIR=/run/fhir-server \
    FHIR_LOG_FORMAT=json \
    FHIR_PORT=8080
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether the process runs. Whether it can do its work is /readyz: a database that is away is no reason to end it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['FHIR_PORT'] + '/livez', timeout=4)"]
ENTRYPOINT ["fhir-server"]
CMD ["serve"]
