# Tadoru in one image: one environment, no root, kernels compiled at build time. `make image` builds it.

ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/tadoru
ENV PATH=/opt/tadoru/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements requirements
RUN pip install --require-hashes -r requirements/runtime.txt
# What builds the wheel is locked too, and stays out of the image.
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY . .
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/wheel && pip install --no-deps /tmp/wheel/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="tadoru" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 8337 tadoru && useradd --uid 8337 --gid 8337 --home-dir /var/lib/tadoru --create-home \
    --shell /usr/sbin/nologin tadoru \
    && install -d -o tadoru -g tadoru /var/cache/tadoru
COPY --from=build /opt/tadoru /opt/tadoru
# Inside a container the outside is never loopback, so every request needs a key: `tadoru keys create` first.
ENV PATH=/opt/tadoru/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/tadoru \
    TADORU_DATA=/var/lib/tadoru \
    TADORU_HOST=0.0.0.0
USER tadoru
WORKDIR /var/lib/tadoru
# The demo passes through every kernel. They are compiled for this processor; another kind compiles them anew, once,
# into the same folder, which is why the service may write there.
RUN tadoru demo --out /tmp/demo && rm -rf /tmp/demo
VOLUME /var/lib/tadoru
EXPOSE 8337
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8337/healthz', timeout=3)"]
ENTRYPOINT ["tadoru"]
CMD ["serve"]
