#!/bin/sh
# The containers exist (Bicep makes them). Now what the factory file says: specs, twin models, twins, and their route.
# Roles take minutes to be known everywhere: a refusal is tried again.
set -eu
factory="${MILLWRIGHT_FACTORY:-factories/smart-factory.yaml}"
again() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -ge 10 ]; then
            echo "Gave up after $tries attempts: $*" >&2
            return 1
        fi
        echo "Roles may not be known everywhere yet; trying again in 30 s." >&2
        sleep 30
    done
}
uv run --frozen python -m millwright factory check "$factory"
again uv run --frozen python -m millwright factory apply "$factory"
again uv run --frozen python infra/hooks/twin_route.py
