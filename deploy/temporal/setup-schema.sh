#!/bin/sh
# Creates Temporal's two databases and brings their schemas up to the version of this image. Safe to repeat: what exists is
# kept, and only newer schema versions are applied.
set -eu

SQL_PASSWORD="$(cat /run/secrets/postgres_password)"
export SQL_PASSWORD

for schema in temporal:temporal temporal_visibility:visibility; do
    database="${schema%%:*}"
    versions="/etc/temporal/schema/postgresql/v12/${schema##*:}/versioned"
    temporal-sql-tool --db "$database" create
    temporal-sql-tool --db "$database" setup-schema -v 0.0
    temporal-sql-tool --db "$database" update-schema -d "$versions"
done
