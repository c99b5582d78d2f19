#!/bin/sh
# Creates the namespace, unless it is there, and returns once the server answers for it.
# TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and RETENTION are set by docker-compose.yml.
set -eu

attempts=60

retry() {
    left="$attempts"
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then
            echo "Gave up: $*" >&2
            "$@"
        fi
        sleep 2
    done
}

retry temporal operator cluster health
if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi
# A server learns of a new namespace some seconds after its creation.
retry temporal workflow list --namespace "$TEMPORAL_NAMESPACE" --limit 1
