// Cosmos DB: the truth. Its containers are those of shared/adapters/containers.py, by way of cosmos-containers.json.

param location string
param tags object
param name string
param databaseName string
param serverless bool

@description('Request units a second at most, for the container `machines`; the others get 1,000. Not used when serverless.')
param maximumMachinesRu int

@allowed(['Continuous7Days', 'Continuous30Days'])
param backup string
param zoneRedundant bool
param privateNetworking bool
param lock bool
param workspaceId string

var containers = loadJsonContent('../cosmos-containers.json')

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: zoneRedundant
      }
    ]
    // One region writes: with several, two could each believe that they hold the newest ETag.
    enableMultipleWriteLocations: false
    // A commit is guarded by an ETag and read back by its own worker: Session is enough, and half the price of Strong.
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    capabilities: serverless ? [{ name: 'EnableServerless' }] : []
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: backup
      }
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    networkAclBypass: 'None'
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2026-03-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

@batchSize(1)
resource made 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = [
  for container in containers: {
    parent: database
    name: container.name
    properties: {
      resource: union(contains(container, 'defaultTtl') ? { defaultTtl: container.defaultTtl } : {}, {
        id: container.name
        partitionKey: {
          kind: 'Hash'
          version: 2
          paths: [
            container.partitionKey
          ]
        }
        indexingPolicy: container.indexingPolicy
      })
      options: serverless ? {} : { autoscaleSettings: { maxThroughput: container.name == 'machines' ? maximumMachinesRu : 1000 } }
    }
  }
]

resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Everything else can be made again from this.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    // No DataPlaneRequests: a row for every request would cost more than the requests.
    logs: [
      {
        category: 'ControlPlaneRequests'
        enabled: true
      }
      {
        category: 'PartitionKeyRUConsumption'
        enabled: true
      }
      {
        category: 'QueryRuntimeStatistics'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Requests'
        enabled: true
      }
    ]
  }
}

output id string = account.id
output name string = account.name
output endpoint string = account.properties.documentEndpoint
output database string = database.name
