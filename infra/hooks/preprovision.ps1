# Before anything is created: what would fail; then what azd keeps: names' token, the budget's month, the API's registration.
$ErrorActionPreference = 'Stop'
uv run --frozen python infra/hooks/preflight.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
$token = uv run --frozen python infra/hooks/names.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
azd env set MILLWRIGHT_TOKEN $token
if ($LASTEXITCODE) { exit $LASTEXITCODE }
$start = uv run --frozen python infra/hooks/budget_start.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
if ($start) {
    azd env set MILLWRIGHT_BUDGET_START $start
    if ($LASTEXITCODE) { exit $LASTEXITCODE }
}
$client = uv run --frozen python infra/hooks/api_registration.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
azd env set MILLWRIGHT_API_CLIENT_ID $client
exit $LASTEXITCODE
