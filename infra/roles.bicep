// Every right that anybody has, in one file: who, what, where, and why (`description`, which Azure shows too).
//
// It is deployed several times, as far as the things exist: a service that is to write to another must have the right
// before it is told to. A name left empty: not this time.

@description('Principal ids: {app, devices, twins, archive, provisioning}.')
param principals object

@description('Who deploys, applies the factory file and runs the smoke test; empty: nobody gets those rights.')
param deployerId string
param deployerType string

param archiveStorage string = ''

@description('Container of the archive for the files of import jobs; with it, `twinsImporter` is needed.')
param importContainer string = ''

@description('Principal id that Digital Twins reads these files as.')
param twinsImporter string = ''
param hostStorage string = ''
param eventHubs string = ''
param cosmos string = ''
param cosmosDatabase string = ''
param keyVault string = ''
param eventGridTopic string = ''
param insights string = ''
param digitalTwins string = ''
param iotHub string = ''

@description('The app may call methods of machines.')
param machineControl bool = false

@description('A provisioning service is there, or will be.')
param deviceProvisioning bool = false

@description('Its name, once it exists.')
param provisioningService string = ''

var roles = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  eventHubsReceiver: 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  eventHubsSender: '2b629674-e913-4c01-ae53-ef4638d8f975'
  eventGridSender: 'd5a91429-5739-47e2-a06b-3470a27159e7'
  digitalTwinsOwner: 'bcd981a7-7f74-457b-83e1-cceb9e632ffe'
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  registryContributor: '4ea46cd5-c1b2-4a8e-910b-273211f9ce47'
  enrolmentContributor: 'dfce44e4-17b7-4bd1-a6d1-04996ec95633'
  twinContributor: '494bdba2-168f-4f31-a0a1-191d2f7c028c'
}

// Built into Cosmos DB, not into Azure: read and write documents and read metadata, but change no container.
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'

// ---- archive

resource archive 'Microsoft.Storage/storageAccounts@2026-04-01' existing = if (!empty(archiveStorage)) {
  name: empty(archiveStorage) ? 'none' : archiveStorage

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource imports 'containers' existing = {
      name: empty(importContainer) ? 'none' : importContainer
    }
  }
}

resource archiveWrites 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(archiveStorage)) {
  name: guid(resourceGroup().id, archiveStorage, 'archive', roles.blobContributor)
  scope: archive
  properties: {
    principalId: principals.archive
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
    description: 'Event Hubs Capture writes what devices sent, Event Grid writes its dead letters.'
  }
}

resource twinsImport 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(importContainer)) {
  name: guid(resourceGroup().id, archiveStorage, 'twins', importContainer, roles.blobContributor)
  scope: archive::blobs::imports
  properties: {
    principalId: twinsImporter
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
    description: 'An import job of a large graph reads its file in this one container and writes its log beside it.'
  }
}

resource deployerImports 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(importContainer) && !empty(deployerId)) {
  name: guid(resourceGroup().id, archiveStorage, deployerId, importContainer, roles.blobContributor)
  scope: archive::blobs::imports
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
    description: 'Applying the factory file of a large plant puts the graph into this one container.'
  }
}

// ---- stores

resource host 'Microsoft.Storage/storageAccounts@2026-04-01' existing = if (!empty(hostStorage)) {
  name: empty(hostStorage) ? 'none' : hostStorage
}

resource appHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(hostStorage)) {
  name: guid(resourceGroup().id, hostStorage, 'app', roles.blobOwner)
  scope: host
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobOwner)
    description: 'The Functions host keeps checkpoints, leases of timers and its keys in blobs, and reads the package. Owner: it makes its own containers and holds leases.'
  }
}

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' existing = if (!empty(eventHubs)) {
  name: empty(eventHubs) ? 'none' : eventHubs

  resource telemetry 'eventhubs' existing = {
    name: 'telemetry'
  }

  resource twinChanges 'eventhubs' existing = {
    name: 'twin-changes'
  }
}

resource appReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventHubs)) {
  name: guid(resourceGroup().id, eventHubs, 'app', roles.eventHubsReceiver)
  scope: namespace::telemetry
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsReceiver)
    description: 'The trigger receives device messages; the app asks when the hub was created.'
  }
}

resource appReceivesTwinChanges 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventHubs)) {
  name: guid(resourceGroup().id, eventHubs, 'app', 'twin-changes', roles.eventHubsReceiver)
  scope: namespace::twinChanges
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsReceiver)
    description: 'The trigger of twin_changes receives what changed in the twin graph.'
  }
}

resource devicesSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventHubs)) {
  name: guid(resourceGroup().id, eventHubs, 'devices', roles.eventHubsSender)
  scope: namespace::telemetry
  properties: {
    principalId: principals.devices
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsSender)
    description: 'IoT Hub routes device messages to this hub.'
  }
}

resource twinsSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventHubs)) {
  name: guid(resourceGroup().id, eventHubs, 'twins', roles.eventHubsSender)
  scope: namespace::twinChanges
  properties: {
    principalId: principals.twins
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsSender)
    description: 'Digital Twins routes changes of twins to this hub.'
  }
}

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' existing = if (!empty(cosmos)) {
  name: empty(cosmos) ? 'none' : cosmos
}

// The app keeps machines, scopes, deliveries and leases: it reads and writes documents of one database.
resource appDocuments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = if (!empty(cosmos)) {
  parent: account
  name: guid(resourceGroup().id, cosmos, 'app', cosmosDataContributor)
  properties: {
    principalId: principals.app
    roleDefinitionId: resourceId(
      'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions',
      empty(cosmos) ? 'none' : cosmos,
      cosmosDataContributor
    )
    scope: '${account.id}/dbs/${cosmosDatabase}'
  }
}

// Whoever deploys applies the factory file: specs, and what the machines are told of them.
resource deployerDocuments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = if (!empty(cosmos) && !empty(deployerId)) {
  parent: account
  name: guid(resourceGroup().id, cosmos, deployerId, cosmosDataContributor)
  properties: {
    principalId: deployerId
    roleDefinitionId: resourceId(
      'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions',
      empty(cosmos) ? 'none' : cosmos,
      cosmosDataContributor
    )
    scope: '${account.id}/dbs/${cosmosDatabase}'
  }
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = if (!empty(keyVault)) {
  name: empty(keyVault) ? 'none' : keyVault
}

resource appSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(keyVault)) {
  name: guid(resourceGroup().id, keyVault, 'app', roles.secretsUser)
  scope: vault
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
    description: 'App settings refer to the addresses of notification channels.'
  }
}

resource deployerSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(keyVault) && !empty(deployerId)) {
  name: guid(resourceGroup().id, keyVault, deployerId, roles.secretsOfficer)
  scope: vault
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsOfficer)
    description: 'Somebody has to write the addresses of notification channels.'
  }
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = if (!empty(eventGridTopic)) {
  name: empty(eventGridTopic) ? 'none' : eventGridTopic
}

resource appPublishes 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventGridTopic)) {
  name: guid(resourceGroup().id, eventGridTopic, 'app', roles.eventGridSender)
  scope: topic
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventGridSender)
    description: 'relay_events and devices publish events.'
  }
}

resource telemetry 'Microsoft.Insights/components@2020-02-02' existing = if (!empty(insights)) {
  name: empty(insights) ? 'none' : insights
}

resource appMetrics 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(insights)) {
  name: guid(resourceGroup().id, insights, 'app', roles.metricsPublisher)
  scope: telemetry
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
    description: 'The Functions host sends logs and requests, the app traces and metrics; keys are turned off there.'
  }
}

// ---- twins and machines

resource twins 'Microsoft.DigitalTwins/digitalTwinsInstances@2023-01-31' existing = if (!empty(digitalTwins)) {
  name: empty(digitalTwins) ? 'none' : digitalTwins
}

resource appTwins 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(digitalTwins)) {
  name: guid(resourceGroup().id, digitalTwins, 'app', roles.digitalTwinsOwner)
  scope: twins
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.digitalTwinsOwner)
    description: 'relay_twins and relay_scope_twins read and patch twins. The service has no smaller role that writes.'
  }
}

resource deployerTwins 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(digitalTwins) && !empty(deployerId)) {
  name: guid(resourceGroup().id, digitalTwins, deployerId, roles.digitalTwinsOwner)
  scope: twins
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.digitalTwinsOwner)
    description: 'Applying the factory file makes models, twins and relationships; the route of twin changes is made beside it.'
  }
}

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = if (!empty(iotHub)) {
  name: empty(iotHub) ? 'none' : iotHub
}

resource callMethods 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(iotHub) && machineControl) {
  name: guid(resourceGroup().id, 'call methods of devices')
  properties: {
    roleName: 'Millwright: call methods of devices (${resourceGroup().name})'
    description: 'The built-in roles that may call methods may also delete every device.'
    type: 'customRole'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.Devices/IotHubs/directMethods/invoke/action'
          'Microsoft.Devices/IotHubs/twins/read'
          'Microsoft.Devices/IotHubs/twins/write'
        ]
      }
    ]
  }
}

resource appCallsMachines 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(iotHub) && machineControl) {
  name: guid(resourceGroup().id, iotHub, 'app', 'call methods of devices')
  scope: hub
  properties: {
    principalId: principals.app
    principalType: 'ServicePrincipal'
    roleDefinitionId: callMethods.id
    description: 'automate calls the method, or sets the desired properties, that a factory file binds to an alarm.'
  }
}

resource provisioningRegisters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(iotHub) && deviceProvisioning) {
  name: guid(resourceGroup().id, iotHub, 'provisioning', roles.registryContributor)
  scope: hub
  properties: {
    principalId: principals.provisioning
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryContributor)
    description: 'The provisioning service registers devices that come with a certificate of an enrolled authority.'
  }
}

resource provisioningTwins 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(iotHub) && deviceProvisioning) {
  name: guid(resourceGroup().id, iotHub, 'provisioning', roles.twinContributor)
  scope: hub
  properties: {
    principalId: principals.provisioning
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.twinContributor)
    description: 'The provisioning service writes the initial twin of a device it registers.'
  }
}

resource deployerRegisters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(iotHub) && !empty(deployerId)) {
  name: guid(resourceGroup().id, iotHub, deployerId, roles.registryContributor)
  scope: hub
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryContributor)
    description: 'The smoke test registers the first device, with a certificate of its own.'
  }
}

resource enrolments 'Microsoft.Devices/provisioningServices@2026-03-01-preview' existing = if (!empty(provisioningService)) {
  name: empty(provisioningService) ? 'none' : provisioningService
}

resource deployerEnrols 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(provisioningService) && !empty(deployerId)) {
  name: guid(resourceGroup().id, provisioningService, deployerId, roles.enrolmentContributor)
  scope: enrolments
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.enrolmentContributor)
    description: 'Whoever deploys enrols the authority that signs the certificates of devices.'
  }
}
