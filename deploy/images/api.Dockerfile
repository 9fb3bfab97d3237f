# The API alone: FastAPI, and FFmpeg's libraries inside PyAV's wheel. No model runs here; TRITON_URL says where they do.
#   docker build -f deploy/images/api.Dockerfile -t lumen-api .
# BASE is any image with Python 3.11 or 3.12, its venv module, bash and CA certificates.
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /opt/lumen
ENV PIP_NO_CACHE_DIR=1
COPY . .
# The compiled files are written now: the root of a running container is read-only.
RUN scripts/setup --api && \
    .venv/bin/python -m compileall -q lumen export orchestrator bench commands

FROM ${BASE}
COPY --from=build /opt/lumen /opt/lumen
WORKDIR /opt/lumen
# All that is written lies under /var/lib/lumen and /tmp, and copies of what a bucket has under /var/cache/lumen.
ENV PATH=/opt/lumen/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    API_HOST=0.0.0.0 \
    API_PORT=8000 \
    OUTPUTS_PATH=/var/lib/lumen/outputs \
    VOICES_PATH=/var/lib/lumen/voices \
    AVATARS_PATH=/var/lib/lumen/avatars \
    JOBS_PATH=/var/lib/lumen/jobs \
    WEBHOOKS_PATH=/var/lib/lumen/webhooks \
    KEYS_PATH=/var/lib/lumen/keys.json \
    USAGE_PATH=/var/lib/lumen/usage.json \
    LOGS_PATH=/var/lib/lumen/logs
RUN mkdir -p /var/lib/lumen /var/cache/lumen && chown 10001:10001 /var/lib/lumen /var/cache/lumen
USER 10001:10001
VOLUME ["/var/lib/lumen", "/var/cache/lumen"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["lumen"]
CMD ["api"]
