# Triton with LUMEN's models.
#   docker build -f deploy/images/triton.Dockerfile -t lumen-triton .            a CPU: the server of the nvidia-pytriton wheel
#   docker build -f deploy/images/triton.Dockerfile -t lumen-triton-gpu .        a GPU: NVIDIA's server with its native backends
#     --build-arg BASE=nvcr.io/nvidia/tritonserver:26.07-py3 --build-arg PARTS=--models
# BASE is any image with Python 3.11 or 3.12, its venv module and shared library (Debian: libpython3.11), bash and
# CA certificates.
# PARTS: empty for the starter models, --models for what XTTS and SadTalker need (PyTorch among it).
# Weights are never inside: a volume at /models holds what `lumen export` made (MODEL_REPOSITORY=/models/repository).
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
ARG PARTS=
WORKDIR /opt/lumen
ENV PIP_NO_CACHE_DIR=1
COPY . .
# The compiled files are written now: the root of a running container is read-only.
RUN scripts/setup ${PARTS} && \
    .venv/bin/python -m compileall -q lumen export orchestrator bench commands backends

FROM ${BASE}
COPY --from=build /opt/lumen /opt/lumen
WORKDIR /opt/lumen
ENV PATH=/opt/lumen/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRITON_HOST=0.0.0.0 \
    TRITON_URL=0.0.0.0:8001 \
    LOGS_PATH=/var/lib/lumen/logs \
    MODELS_PATH=/models/checkpoints
RUN mkdir -p /var/lib/lumen /models && chown 10001:10001 /var/lib/lumen /models
USER 10001:10001
VOLUME /var/lib/lumen
EXPOSE 8001 8002 8003
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8002/v2/health/ready', timeout=2)"]
ENTRYPOINT ["lumen"]
CMD ["triton"]
