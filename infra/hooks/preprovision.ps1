# Before anything is created: what would fail, and the API's app registration.
$ErrorActionPreference = 'Stop'
uv run --frozen python infra/hooks/preflight.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
$clientId = uv run --frozen python infra/hooks/api_registration.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
azd env set MILLWRIGHT_API_CLIENT_ID $clientId
exit $LASTEXITCODE
