#!/usr/bin/env bash
# Everything that cannot be made anew, into a folder of its own below FOLDER: the database, and people's files from DATA_DIR.
#   DATABASE_URL=… DATA_DIR=… deploy/backup.sh FOLDER        in compose: docker compose -f deploy/compose.yaml run --rm backup
# It takes bash, tar, sha256sum, and a pg_dump of the server's own major version. The servers go on meanwhile. Redis is not in it:
# what it holds is made from PostgreSQL. Neither are SECRET_KEY, JWT_SECRET and TOKEN_KEYS, which belong somewhere else.
set -euo pipefail
umask 077

folder="${1:?Usage: deploy/backup.sh FOLDER}/$(date --utc +%Y-%m-%dT%H%M%SZ)"
unfinished="$folder.unfinished"
mkdir --parents "$unfinished"
cd "$unfinished"
# The database first: what it names is there a moment later too, where the other way round a new file would be missing.
pg_dump --format=custom --no-owner --no-privileges --file=database.dump "${DATABASE_URL:?}"
kept=()
for name in media private imports; do
  if [ -d "${DATA_DIR:?}/$name" ]; then kept+=("$name"); fi
done
# A file that goes away while it is read (an import that is done) is no failure; tar says 1 for that, and 2 for a real one.
tar --create --gzip --file=files.tar.gz --directory="$DATA_DIR" --files-from=<(printf '%s\n' "${kept[@]}") || [ $? = 1 ]
sha256sum database.dump files.tar.gz > SHA256SUMS
mv "$unfinished" "$folder"
echo "$folder"
