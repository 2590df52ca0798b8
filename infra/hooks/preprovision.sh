#!/bin/sh
# Before anything is created: what would fail, and the API's app registration.
set -eu
uv run --frozen python infra/hooks/preflight.py
azd env set MILLWRIGHT_API_CLIENT_ID "$(uv run --frozen python infra/hooks/api_registration.py)"
