# The server alone: no embedded MongoDB (that one is for trying and testing), so FHIR_MONGODB_URI must be given.
# It runs as a user without rights, and writes nothing outside /data.
#
#   docker build -t fhir-server .
#   docker run --network host -e FHIR_MONGODB_URI=mongodb://127.0.0.1:27017/?replicaSet=rs0 \
#       fhir-server serve --auth off
#
# Without sign-in (--auth off) the server answers on loopback only, hence --network host.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/fhir-server
COPY constraints.txt ./
COPY pyproject.toml README.md LICENSE ./
COPY fhir_server fhir_server
COPY smart_auth smart_auth
COPY profiles profiles
COPY seeds seeds
RUN /opt/fhir-server/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home fhir && install -d -o fhir -g fhir -m 0700 /data
COPY --from=build /opt/fhir-server /opt/fhir-server
ENV PATH=/opt/fhir-server/bin:$PATH PYTHONUNBUFFERED=1 FHIR_DATA_DIR=/data
USER fhir
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["fhir-server"]
CMD ["serve", "--host", "0.0.0.0"]
