// A service's address inside the virtual network.

param location string
param tags object
param name string
param subnetId string
param resourceId string

@description('What of the service is reached, e.g. blob or Sql.')
param groupId string

@description('The private DNS zone that names it; made by network.bicep.')
param zone string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: resourceId
          groupIds: [
            groupId
          ]
        }
      }
    ]
  }

  resource names 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: groupId
          properties: {
            privateDnsZoneId: az.resourceId('Microsoft.Network/privateDnsZones', zone)
          }
        }
      ]
    }
  }
}
