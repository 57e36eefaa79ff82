#!/usr/bin/env bash
# What deploy/backup.sh has put into FOLDER, into an empty database and an empty DATA_DIR.
#   DATABASE_URL=… DATA_DIR=… deploy/restore.sh FOLDER       in compose: docker compose -f deploy/compose.yaml run --rm restore NAME
# No server and no worker may run. Redis must be empty before they start again, because what it holds is of a time that has not
# happened: valkey-cli FLUSHALL. Then: manage.py migrate, rebuild_leaderboards, verify_ledger, verify_standings and verify_leaderboards.
set -euo pipefail
umask 077

cd "${1:?Usage: deploy/restore.sh FOLDER}"
sha256sum --check --quiet SHA256SUMS
tables=$(psql --no-psqlrc --tuples-only --no-align --dbname="${DATABASE_URL:?}" \
  --command="SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
if [ "$tables" != 0 ]; then
  echo "The database has $tables tables already; restore into an empty one." >&2
  exit 1
fi
# Before anything is written: a database whose files cannot be brought back would be in the way of the next attempt.
mkdir --parents "${DATA_DIR:?}"
if [ ! -w "$DATA_DIR" ]; then
  echo "$DATA_DIR cannot be written by account $(id --user)." >&2
  exit 1
fi
for name in media private imports; do
  if [ -e "$DATA_DIR/$name" ] && [ -n "$(find "$DATA_DIR/$name" -type f -print -quit)" ]; then
    echo "$DATA_DIR/$name has files already; restore into an empty folder." >&2
    exit 1
  fi
done
# All of it or nothing.
pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$DATABASE_URL" database.dump
tar --extract --gzip --file=files.tar.gz --directory="$DATA_DIR" --keep-old-files
# Plans are made by statistics, which a dump of this kind does not bring.
psql --no-psqlrc --quiet --dbname="$DATABASE_URL" --command="ANALYZE"
echo "Restored. Empty Redis, then start the servers."
