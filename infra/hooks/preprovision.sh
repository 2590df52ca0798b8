#!/bin/sh
# Before anything is created: what would fail; then what azd keeps: names' token, the budget's month, the API's registration.
set -eu
uv run --frozen python infra/hooks/preflight.py
token=$(uv run --frozen python infra/hooks/names.py)
azd env set MILLWRIGHT_TOKEN "$token"
start=$(uv run --frozen python infra/hooks/budget_start.py)
if [ -n "$start" ]; then
    azd env set MILLWRIGHT_BUDGET_START "$start"
fi
client=$(uv run --frozen python infra/hooks/api_registration.py)
azd env set MILLWRIGHT_API_CLIENT_ID "$client"
