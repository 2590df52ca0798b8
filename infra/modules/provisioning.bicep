// Device Provisioning Service: devices come with a certificate and are registered at the hub they belong to.

param location string
param tags object
param name string
param workspaceId string
param identityId string
param hubHostName string

// A preview version, on purpose: older ones link a hub by its key only.
resource provisioning 'Microsoft.Devices/provisioningServices@2026-03-01-preview' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'S1'
    capacity: 1
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    allocationPolicy: 'Hashed'
    publicNetworkAccess: 'Enabled'
    iotHubs: [
      {
        authenticationType: 'UserAssigned'
        selectedUserAssignedIdentityResourceId: identityId
        hostName: hubHostName
        location: location
      }
    ]
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: provisioning
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'DeviceOperations'
        enabled: true
      }
      {
        category: 'ServiceOperations'
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

output idScope string = provisioning.properties.idScope
output name string = provisioning.name
