# The containers exist (Bicep makes them). Now what the factory file says: specs, twin models, twins, and their route.
# Roles take minutes to be known everywhere: a refusal is tried again.
$ErrorActionPreference = 'Stop'
$factory = if ($env:MILLWRIGHT_FACTORY) { $env:MILLWRIGHT_FACTORY } else { 'factories/smart-factory.yaml' }
function Invoke-Again([scriptblock] $work) {
    for ($tries = 1; $tries -le 10; $tries++) {
        & $work | Out-Host
        if (-not $LASTEXITCODE) { return }
        Write-Warning 'Roles may not be known everywhere yet; trying again in 30 s.'
        Start-Sleep -Seconds 30
    }
    throw "Gave up after 10 attempts: $work"
}
uv run --frozen python -m millwright factory check $factory
if ($LASTEXITCODE) { exit $LASTEXITCODE }
Invoke-Again { uv run --frozen python -m millwright factory apply $factory }
Invoke-Again { uv run --frozen python infra/hooks/twin_route.py }
