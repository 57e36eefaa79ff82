# The server and everything it runs with, nginx with the server's static files, and what makes backups; PostgreSQL and
# Valkey are containers of their own (deploy/compose.yaml).

FROM python:3.11-slim AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
# The lock first, so that a change of code does not install everything anew.
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements.txt
COPY . .
# The settings refuse to be read without secrets and engines. Collecting files uses neither, so these are made up here
# and stay in this one command.
RUN SECRET_KEY="$(head -c 64 /dev/urandom | base64 -w0)" JWT_SECRET="$(head -c 64 /dev/urandom | base64 -w0)" \
    DATABASE_URL=postgresql://nowhere.invalid/none REDIS_URL=redis://nowhere.invalid \
    /venv/bin/python manage.py collectstatic --noinput

FROM nginx:1.28-alpine AS nginx
COPY --from=build /app/staticfiles /srv/static
# The account of the server, who makes the certificate.
USER 10001:10001
ENTRYPOINT ["nginx", "-g", "daemon off;"]

# The pg_dump of the very database. A new volume takes the owner of the folder that it is mounted over; without these it
# would be root's, and neither a backup nor what is restored could be written by the account of the server.
FROM postgres:18 AS backup
RUN install -d -o 10001 -g 10001 /data /backups
USER 10001:10001

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pacesetter \
    && install -d -o pacesetter -g pacesetter /data /tls
COPY --from=build /venv /venv
# Owned by root: the server cannot change its own code.
COPY --from=build /app /app
WORKDIR /app
# Everything it writes goes to /data, also what is only passing through: an import of a gigabyte does not fit into the
# memory that /tmp often is. So the rest may be read-only.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8080 DATA_DIR=/data TMPDIR=/data
USER pacesetter
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health/live\", timeout=2)"]
CMD ["python", "-m", "config.serve"]
