// The twin graph, and where it tells of changes. The service knows no keys: Entra tokens only, always TLS 1.2.

param location string
param tags object
param name string
param privateNetworking bool
param lock bool
param workspaceId string
param senderIdentityId string
param eventHubsHostName string
param eventHub string

resource twins 'Microsoft.DigitalTwins/digitalTwinsInstances@2023-01-31' = {
  name: name
  location: location
  tags: tags
  identity: {
    // Routes take the identity they are given; import jobs read their files as the instance itself.
    type: 'SystemAssigned,UserAssigned'
    userAssignedIdentities: {
      '${senderIdentityId}': {}
    }
  }
  properties: {
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
  }
}

@description('Event Hubs, not Event Grid: that one would take a key. The route to it is made by hooks/twin_route.py.')
resource endpoint 'Microsoft.DigitalTwins/digitalTwinsInstances/endpoints@2023-01-31' = {
  parent: twins
  name: 'twin-changes'
  properties: {
    endpointType: 'EventHub'
    authenticationType: 'IdentityBased'
    identity: {
      type: 'UserAssigned'
      userAssignedIdentity: senderIdentityId
    }
    endpointUri: 'sb://${eventHubsHostName}'
    entityPath: eventHub
  }
}

resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: twins
  properties: {
    level: 'CanNotDelete'
    notes: 'Others read this graph.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: twins
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'ModelsOperation'
        enabled: true
      }
      {
        category: 'QueryOperation'
        enabled: true
      }
      {
        category: 'EventRoutesOperation'
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

output id string = twins.id
output name string = twins.name
output url string = 'https://${twins.properties.hostName}'
output importerId string = twins.identity.principalId
output endpoint string = endpoint.name
