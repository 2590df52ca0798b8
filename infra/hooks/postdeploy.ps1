# What needs the code: the event subscriptions. Then one reading, from a device to its twin and the API.
$ErrorActionPreference = 'Stop'
az deployment group create --only-show-errors --output none `
    --resource-group $env:AZURE_RESOURCE_GROUP `
    --name millwright-subscriptions `
    --template-file infra/subscriptions.bicep `
    --parameters functionAppName=$env:MILLWRIGHT_FUNCTION_APP `
        topicName=$env:MILLWRIGHT_TOPIC `
        systemTopicName=$env:MILLWRIGHT_SYSTEM_TOPIC `
        archiveStorageName=$env:MILLWRIGHT_ARCHIVE_STORAGE `
        archiveIdentityName=$env:MILLWRIGHT_ARCHIVE_IDENTITY
if ($LASTEXITCODE) { exit $LASTEXITCODE }
uv run --frozen python infra/hooks/channels.py
if ($LASTEXITCODE) { exit $LASTEXITCODE }
# A plant at work is not to get a made-up reading: in prod only from a device that was named for it.
if ($env:MILLWRIGHT_PROFILE -eq 'prod' -and -not $env:MILLWRIGHT_SMOKE_DEVICE) {
    Write-Output 'prod: no smoke test, MILLWRIGHT_SMOKE_DEVICE is not set.'
    exit 0
}
uv run --frozen python infra/hooks/smoke.py
exit $LASTEXITCODE
