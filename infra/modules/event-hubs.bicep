// The namespace that IoT Hub and Digital Twins route to. Ours, because IoT Hub's own endpoint takes keys only.

param location string
param tags object
param name string
param throughputUnits int
param maximumThroughputUnits int
param partitions int
param retentionHours int
param zoneRedundant bool
param privateNetworking bool
param lock bool
param workspaceId string
param archiveId string
param archiveIdentityId string

@description('Container of the archive that Capture writes to.')
param archiveContainer string

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
    capacity: throughputUnits
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${archiveIdentityId}': {}
    }
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    isAutoInflateEnabled: true
    maximumThroughputUnits: maximumThroughputUnits
    zoneRedundant: zoneRedundant
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
  }
}

resource network 'Microsoft.EventHub/namespaces/networkRuleSets@2026-01-01' = if (privateNetworking) {
  parent: namespace
  name: 'default'
  properties: {
    publicNetworkAccess: 'Disabled'
    defaultAction: 'Deny'
    // IoT Hub and Digital Twins have no place in the virtual network; they come by identity.
    trustedServiceAccessEnabled: true
  }
}

@description('What devices send. Kept as it came: Capture is the recording that a replay starts from.')
resource telemetry 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: 'telemetry'
  properties: {
    partitionCount: partitions
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
    captureDescription: {
      enabled: true
      encoding: 'Avro'
      intervalInSeconds: 300
      sizeLimitInBytes: 104857600
      skipEmptyArchives: true
      destination: {
        name: 'EventHubArchive.AzureBlockBlob'
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: archiveIdentityId
        }
        properties: {
          storageAccountResourceId: archiveId
          blobContainer: archiveContainer
          archiveNameFormat: '{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}/{PartitionId}'
        }
      }
    }
  }
}

@description('The function app reads under a name of its own, so that others may read beside it.')
resource ingest 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2026-01-01' = {
  parent: telemetry
  name: 'ingest'
}

@description('Changes of twins, for downstream apps.')
resource twinChanges 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: 'twin-changes'
  properties: {
    partitionCount: partitions
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: 24
    }
  }
}

@description('The function that reports changes by hand reads under a name of its own.')
resource conflicts 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2026-01-01' = {
  parent: twinChanges
  name: 'conflicts'
}

@description('For analytics jobs of your own; nothing writes to it until you do.')
resource analytics 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: 'analytics'
  properties: {
    partitionCount: partitions
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: 24
    }
  }
}

resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: namespace
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds readings that are not folded yet, and the positions that the folded ones have.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = namespace.id
output name string = namespace.name
output hostName string = '${namespace.name}.servicebus.windows.net'
output telemetry string = telemetry.name
output twinChanges string = twinChanges.name
