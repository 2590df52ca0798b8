// Millwright in Azure: the bill of materials. One resource group; every resource is in the list below.
//
// The order is that of rights: a service that writes to another gets its role (roles.bicep) before it is told to.
// What an environment is made of is in environments/dev.json and environments/prod.json.

targetScope = 'subscription'

@description('Name of the azd environment; part of the resource group\'s name.')
@minLength(1)
@maxLength(40)
param environmentName string

param location string

@description('Which of environments/*.json: sizes, redundancy, network.')
@allowed(['dev', 'prod'])
param profile string = 'dev'

@description('Object id of who deploys; gets what it takes to apply the factory file and to run the smoke test.')
param deployerId string = ''

@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerType string = 'User'

@description('Client id of the app registration for the API, with the app roles viewer, operator and engineer. hooks/preprovision makes it.')
@minLength(36)
param apiClientId string

@description('Client ids of further applications that may call the API, separated by commas.')
param apiCallers string = ''

@description('Addresses that alerts go to, separated by commas.')
param operatorEmails string = ''

@description('Dollars a month; 0: no budget. A text, because azd passes texts.')
param monthlyBudget string = '0'

@description('App settings that the factory files name as addresses of notification channels.')
param channelSettings string[] = ['NOTIFY_WEBHOOK_URL', 'NOTIFY_WEBHOOK_SECRET', 'NOTIFY_TEAMS_URL', 'NOTIFY_TEAMS_MX_URL', 'NOTIFY_SMTP_URL']

@description('First day of the month that the budget begins in, which cannot be changed later; hooks/budget_start.py finds it.')
param budgetStart string = ''

@description('Left alone: a new budget begins this month.')
param today string = utcNow('yyyy-MM-01')

@description('Makes names unique in all of Azure. hooks/names.py gives it, having looked whether the names are free.')
@maxLength(13)
param nameToken string = ''

var chosen = profile == 'prod' ? loadJsonContent('environments/prod.json') : loadJsonContent('environments/dev.json')
var abbreviations = loadJsonContent('abbreviations.json')
var token = empty(nameToken) ? toLower(uniqueString(subscription().id, environmentName, location)) : nameToken
var tags = {
  'azd-env-name': environmentName
  application: 'millwright'
  profile: profile
}
var emails = empty(operatorEmails) ? [] : split(operatorEmails, ',')
var callers = empty(apiCallers) ? [] : split(apiCallers, ',')
var private = chosen.privateNetworking
var days = {
  coolAfterDays: chosen.archive.coolAfterDays
  archiveAfterDays: chosen.archive.archiveAfterDays
  deleteAfterDays: chosen.archive.deleteAfterDays
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourceGroup}${environmentName}'
  location: location
  tags: tags
}

// ---- who, and where it is written down

module identities 'modules/identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    prefix: abbreviations.identity
    token: token
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: '${abbreviations.logAnalytics}${token}'
    insightsName: '${abbreviations.applicationInsights}${token}'
    retentionDays: chosen.logs.retentionDays
    dailyCapGb: chosen.logs.dailyCapGb
  }
}

// ---- what keeps data

module archive 'modules/storage.bicep' = {
  name: 'archive'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.storage}archive${token}'
    redundancy: chosen.archive.redundancy
    containers: ['telemetry', 'dead-letters', importContainer]
    lifeCycle: {
      telemetry: days
      'dead-letters': days
      '${importContainer}': days
    }
    privateNetworking: private
    lock: chosen.locks
    workspaceId: monitoring.outputs.workspaceId
  }
}

module archiveRoles 'roles.bicep' = {
  name: 'roles-archive'
  scope: group
  params: {
    principals: principals
    deployerId: deployerId
    deployerType: deployerType
    archiveStorage: archive.outputs.name
  }
}

module hostStorage 'modules/storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.storage}host${token}'
    redundancy: chosen.zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    containers: [deploymentContainer]
    privateNetworking: private
    lock: false
    workspaceId: monitoring.outputs.workspaceId
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.cosmos}${token}'
    databaseName: 'millwright'
    serverless: chosen.cosmos.serverless
    maximumMachinesRu: chosen.cosmos.maximumMachinesRu
    backup: chosen.cosmos.backup
    zoneRedundant: chosen.zoneRedundant
    privateNetworking: private
    lock: chosen.locks
    workspaceId: monitoring.outputs.workspaceId
  }
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.keyVault}${token}'
    purgeProtection: chosen.keyVault.purgeProtection
    privateNetworking: private
    lock: chosen.locks
    workspaceId: monitoring.outputs.workspaceId
  }
}

// ---- what carries messages and events

module eventHubs 'modules/event-hubs.bicep' = {
  name: 'event-hubs'
  scope: group
  dependsOn: [archiveRoles]
  params: {
    location: location
    tags: tags
    name: '${abbreviations.eventHubs}${token}'
    throughputUnits: chosen.eventHubs.throughputUnits
    maximumThroughputUnits: chosen.eventHubs.maximumThroughputUnits
    partitions: chosen.eventHubs.partitions
    retentionHours: chosen.eventHubs.retentionHours
    zoneRedundant: chosen.zoneRedundant
    privateNetworking: private
    lock: chosen.locks
    archiveId: archive.outputs.id
    archiveContainer: 'telemetry'
    archiveIdentityId: identities.outputs.archive.id
    workspaceId: monitoring.outputs.workspaceId
  }
}

module eventGrid 'modules/event-grid.bicep' = {
  name: 'event-grid'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.eventGridTopic}${token}'
    privateNetworking: private
    archiveIdentityId: identities.outputs.archive.id
    workspaceId: monitoring.outputs.workspaceId
  }
}

module storeRoles 'roles.bicep' = {
  name: 'roles-stores'
  scope: group
  params: {
    principals: principals
    deployerId: deployerId
    deployerType: deployerType
    hostStorage: hostStorage.outputs.name
    eventHubs: eventHubs.outputs.name
    cosmos: cosmos.outputs.name
    cosmosDatabase: cosmos.outputs.database
    keyVault: keyVault.outputs.name
    eventGridTopic: eventGrid.outputs.name
    insights: monitoring.outputs.insightsName
  }
}

// ---- machines and their twins

module digitalTwins 'modules/digital-twins.bicep' = {
  name: 'digital-twins'
  scope: group
  dependsOn: [storeRoles]
  params: {
    location: location
    tags: tags
    name: '${abbreviations.digitalTwins}${token}'
    privateNetworking: private
    lock: chosen.locks
    senderIdentityId: identities.outputs.twins.id
    eventHubsHostName: eventHubs.outputs.hostName
    eventHub: eventHubs.outputs.twinChanges
    workspaceId: monitoring.outputs.workspaceId
  }
}

module iotHub 'modules/iot-hub.bicep' = {
  name: 'iot-hub'
  scope: group
  dependsOn: [storeRoles]
  params: {
    location: location
    tags: tags
    name: '${abbreviations.iotHub}${token}'
    sku: chosen.iotHub.sku
    units: chosen.iotHub.units
    lock: chosen.locks
    senderIdentityId: identities.outputs.devices.id
    eventHubsHostName: eventHubs.outputs.hostName
    eventHub: eventHubs.outputs.telemetry
    systemTopicName: '${abbreviations.eventGridSystemTopic}${token}'
    archiveIdentityId: identities.outputs.archive.id
    workspaceId: monitoring.outputs.workspaceId
  }
}

module sourceRoles 'roles.bicep' = {
  name: 'roles-sources'
  scope: group
  params: {
    principals: principals
    deployerId: deployerId
    deployerType: deployerType
    archiveStorage: archive.outputs.name
    importContainer: importContainer
    twinsImporter: digitalTwins.outputs.importerId
    digitalTwins: digitalTwins.outputs.name
    iotHub: iotHub.outputs.name
    machineControl: chosen.machineControl
    deviceProvisioning: chosen.deviceProvisioning
  }
}

module provisioning 'modules/provisioning.bicep' = if (chosen.deviceProvisioning) {
  scope: group
  dependsOn: [sourceRoles]
  params: {
    location: location
    tags: tags
    name: '${abbreviations.provisioning}${token}'
    identityId: identities.outputs.provisioning.id
    hubHostName: iotHub.outputs.hostName
    workspaceId: monitoring.outputs.workspaceId
  }
}

module enrolmentRoles 'roles.bicep' = if (chosen.deviceProvisioning) {
  name: 'roles-enrolments'
  scope: group
  params: {
    principals: principals
    deployerId: deployerId
    deployerType: deployerType
    provisioningService: provisioning!.outputs.name
  }
}

// ---- the private network

module network 'modules/network.bicep' = if (private) {
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.virtualNetwork}${token}'
    zones: map(items(zones), zone => zone.value)
    workspaceId: monitoring.outputs.workspaceId
  }
}

var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  cosmos: 'privatelink.documents.azure.com'
  eventHubs: 'privatelink.servicebus.windows.net'
  keyVault: 'privatelink.vaultcore.azure.net'
  eventGrid: 'privatelink.eventgrid.azure.net'
  digitalTwins: 'privatelink.digitaltwins.azure.net'
}

var reached = [
  { name: 'host', resourceId: hostStorage.outputs.id, groupId: 'blob', zone: zones.blob }
  { name: 'archive', resourceId: archive.outputs.id, groupId: 'blob', zone: zones.blob }
  { name: 'cosmos', resourceId: cosmos.outputs.id, groupId: 'Sql', zone: zones.cosmos }
  { name: 'event-hubs', resourceId: eventHubs.outputs.id, groupId: 'namespace', zone: zones.eventHubs }
  { name: 'key-vault', resourceId: keyVault.outputs.id, groupId: 'vault', zone: zones.keyVault }
  { name: 'event-grid', resourceId: eventGrid.outputs.id, groupId: 'topic', zone: zones.eventGrid }
  { name: 'digital-twins', resourceId: digitalTwins.outputs.id, groupId: 'API', zone: zones.digitalTwins }
]

@batchSize(1)
module privateEndpoints 'modules/private-endpoint.bicep' = [
  for at in range(0, private ? 7 : 0): {
    name: 'private-endpoint-${at}'
    scope: group
    params: {
      location: location
      tags: tags
      name: '${abbreviations.privateEndpoint}${reached[at].name}-${token}'
      subnetId: network!.outputs.endpointSubnetId
      resourceId: reached[at].resourceId
      groupId: reached[at].groupId
      zone: reached[at].zone
    }
  }
]

// ---- the code

var deploymentContainer = 'app-package'
var importContainer = 'graph-imports'

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  dependsOn: [storeRoles, sourceRoles, privateEndpoints]
  params: {
    location: location
    tags: tags
    planName: '${abbreviations.plan}${token}'
    name: '${abbreviations.functionApp}${token}'
    zoneRedundant: chosen.zoneRedundant
    identity: identities.outputs.app
    memoryMb: chosen.functions.memoryMb
    maximumInstances: chosen.functions.maximumInstances
    alwaysReady: chosen.functions.alwaysReady
    dueSchedule: chosen.functions.dueSchedule
    storageBlobEndpoint: hostStorage.outputs.blobEndpoint
    deploymentContainer: deploymentContainer
    insightsConnection: monitoring.outputs.insightsConnection
    traceRatio: chosen.logs.traceRatio
    eventHubsHostName: eventHubs.outputs.hostName
    telemetryHub: eventHubs.outputs.telemetry
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    digitalTwinsUrl: digitalTwins.outputs.url
    eventGridEndpoint: eventGrid.outputs.endpoint
    keyVaultUri: keyVault.outputs.uri
    channelSettings: channelSettings
    iotHubHostName: chosen.machineControl ? iotHub.outputs.hostName : ''
    apiClientId: apiClientId
    apiCallers: callers
    subnetId: private ? network!.outputs.appSubnetId : ''
    allowedAddresses: chosen.allowedAddresses
    workspaceId: monitoring.outputs.workspaceId
  }
}

// ---- watching over it

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    actionGroupName: '${abbreviations.actionGroup}${token}'
    emails: emails
    insightsId: monitoring.outputs.insightsId
    eventHubsId: eventHubs.outputs.id
    cosmosId: cosmos.outputs.id
    digitalTwinsId: digitalTwins.outputs.id
    iotHubId: iotHub.outputs.id
    eventGridTopicId: eventGrid.outputs.id
    lifeCycleTopicId: iotHub.outputs.systemTopicId
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: 'Millwright ${environmentName}'
    insightsId: monitoring.outputs.insightsId
  }
}

module budget 'modules/budget.bicep' = if (int(monthlyBudget) > 0 && !empty(emails)) {
  scope: group
  params: {
    name: '${abbreviations.budget}${environmentName}'
    amount: int(monthlyBudget)
    emails: emails
    startDate: empty(budgetStart) ? today : budgetStart
  }
}

var principals = {
  app: identities.outputs.app.principalId
  devices: identities.outputs.devices.principalId
  twins: identities.outputs.twins.principalId
  archive: identities.outputs.archive.principalId
  provisioning: identities.outputs.provisioning.principalId
}

// What the hooks and people need; azd keeps them as environment variables. None of it is secret.
output AZURE_RESOURCE_GROUP string = group.name
output MILLWRIGHT_COSMOS_ENDPOINT string = cosmos.outputs.endpoint
output MILLWRIGHT_COSMOS_DATABASE string = cosmos.outputs.database
output MILLWRIGHT_DIGITAL_TWINS_URL string = digitalTwins.outputs.url
output MILLWRIGHT_TWIN_CHANGES_ENDPOINT string = digitalTwins.outputs.endpoint
output MILLWRIGHT_IOT_HUB_HOST string = iotHub.outputs.hostName
output MILLWRIGHT_DPS string = chosen.deviceProvisioning ? provisioning!.outputs.name : ''
output MILLWRIGHT_DPS_ID_SCOPE string = chosen.deviceProvisioning ? provisioning!.outputs.idScope : ''
output MILLWRIGHT_API_URL string = functionApp.outputs.url
output MILLWRIGHT_FUNCTION_APP string = functionApp.outputs.name
output MILLWRIGHT_TOPIC string = eventGrid.outputs.name
output MILLWRIGHT_SYSTEM_TOPIC string = iotHub.outputs.systemTopic
output MILLWRIGHT_ARCHIVE_STORAGE string = archive.outputs.name
output MILLWRIGHT_ARCHIVE_IDENTITY string = '${abbreviations.identity}archive-${token}'
output MILLWRIGHT_IMPORT_CONTAINER string = '${archive.outputs.blobEndpoint}${importContainer}'
output MILLWRIGHT_KEY_VAULT string = keyVault.outputs.name
