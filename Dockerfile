# The tag follows the security releases of Python 3.13; a rebuild with --pull takes them in.
ARG PYTHON_TAG=3.13-slim-trixie

FROM python:${PYTHON_TAG} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/qunfa \
    && /opt/qunfa/bin/pip install --require-hashes --only-binary=:all: -r requirements/run.txt \
    && pip install --root-user-action=ignore --require-hashes --only-binary=:all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE worker.py ./
COPY qunfa/ qunfa/
COPY workflows/ workflows/
COPY activities/ activities/
RUN python -m hatchling build -t wheel -d /dist \
    && /opt/qunfa/bin/pip install --no-deps --no-index /dist/*.whl

FROM python:${PYTHON_TAG}
LABEL org.opencontainers.image.title="Qunfa" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin qunfa \
    && install -d -o qunfa -g qunfa -m 0750 /var/lib/qunfa
COPY --from=build /opt/qunfa /opt/qunfa
ENV PATH=/opt/qunfa/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
ENTRYPOINT ["qunfa"]
CMD ["worker"]
