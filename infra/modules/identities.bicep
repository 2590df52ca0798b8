// One identity for each party that calls another: what one may do, no other may do by accident.

param location string
param tags object
param prefix string
param token string

@description('The function app.')
resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}app-${token}'
  location: location
  tags: tags
}

@description('IoT Hub, where it routes device messages to.')
resource devices 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}devices-${token}'
  location: location
  tags: tags
}

@description('Digital Twins, where it routes changes of twins to.')
resource twins 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}twins-${token}'
  location: location
  tags: tags
}

@description('Event Hubs Capture and the dead letters of Event Grid: both only write to the archive.')
resource archive 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}archive-${token}'
  location: location
  tags: tags
}

@description('The provisioning service, where it registers devices at IoT Hub.')
resource provisioning 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}provisioning-${token}'
  location: location
  tags: tags
}

output app object = {
  id: app.id
  clientId: app.properties.clientId
  principalId: app.properties.principalId
}
output devices object = {
  id: devices.id
  principalId: devices.properties.principalId
}
output twins object = {
  id: twins.id
  principalId: twins.properties.principalId
}
output archive object = {
  id: archive.id
  principalId: archive.properties.principalId
}
output provisioning object = {
  id: provisioning.id
  principalId: provisioning.properties.principalId
}
