// The door for machines: IoT Hub, its route to our event hub, its life-cycle events, and the provisioning service.

param location string
param tags object
param name string

@allowed(['S1', 'S2', 'S3'])
param sku string
param units int
param lock bool
param workspaceId string
param senderIdentityId string
param eventHubsHostName string
param eventHub string
param systemTopicName string

@description('Writes dead letters of the life-cycle events.')
param archiveIdentityId string

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    capacity: units
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${senderIdentityId}': {}
    }
  }
  properties: {
    // Devices prove who they are with X.509 certificates, services with Entra tokens.
    disableLocalAuth: true
    disableDeviceSAS: true
    disableModuleSAS: true
    minTlsVersion: '1.2'
    // Machines stand in factories, outside any virtual network of ours: this is the one door that stays open.
    publicNetworkAccess: 'Enabled'
    routing: {
      endpoints: {
        eventHubs: [
          {
            name: 'telemetry'
            authenticationType: 'identityBased'
            identity: {
              userAssignedIdentity: senderIdentityId
            }
            endpointUri: 'sb://${eventHubsHostName}'
            entityPath: eventHub
          }
        ]
      }
      routes: [
        {
          name: 'device-messages'
          source: 'DeviceMessages'
          condition: 'true'
          endpointNames: [
            'telemetry'
          ]
          isEnabled: true
        }
      ]
      fallbackRoute: {
        name: 'none'
        source: 'DeviceMessages'
        condition: 'true'
        endpointNames: [
          'events'
        ]
        isEnabled: false
      }
    }
  }
}

resource lifeCycle 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: systemTopicName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${archiveIdentityId}': {}
    }
  }
  properties: {
    source: hub.id
    topicType: 'Microsoft.Devices.IoTHubs'
  }
}

resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: hub
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the identities of the devices.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: hub
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'Connections'
        enabled: true
      }
      {
        category: 'Routes'
        enabled: true
      }
      {
        category: 'DeviceIdentityOperations'
        enabled: true
      }
      {
        category: 'DirectMethods'
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

resource lifeCycleDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: lifeCycle
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

output id string = hub.id
output name string = hub.name
output hostName string = hub.properties.hostName
output systemTopicId string = lifeCycle.id
output systemTopic string = lifeCycle.name
