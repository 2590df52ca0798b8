#!/bin/sh
# What needs the code: the event subscriptions. Then one reading, from a device to its twin and the API.
set -eu
az deployment group create --only-show-errors --output none \
    --resource-group "$AZURE_RESOURCE_GROUP" \
    --name millwright-subscriptions \
    --template-file infra/subscriptions.bicep \
    --parameters functionAppName="$MILLWRIGHT_FUNCTION_APP" \
        topicName="$MILLWRIGHT_TOPIC" \
        systemTopicName="$MILLWRIGHT_SYSTEM_TOPIC" \
        archiveStorageName="$MILLWRIGHT_ARCHIVE_STORAGE" \
        archiveIdentityName="$MILLWRIGHT_ARCHIVE_IDENTITY"
uv run --frozen python infra/hooks/channels.py
# A plant at work is not to get a made-up reading: in prod only from a device that was named for it.
if [ "${MILLWRIGHT_PROFILE:-dev}" = prod ] && [ -z "${MILLWRIGHT_SMOKE_DEVICE:-}" ]; then
    echo "prod: no smoke test, MILLWRIGHT_SMOKE_DEVICE is not set."
    exit 0
fi
uv run --frozen python infra/hooks/smoke.py
