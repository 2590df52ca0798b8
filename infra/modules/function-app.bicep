// The function app on Flex Consumption: Python 3.13, one identity, no key in any setting, Entra sign-in in front of the API.

param location string
param tags object
param planName string
param name string
param zoneRedundant bool
param workspaceId string

@description('{id, clientId} of the identity that the app acts as.')
param identity object

@allowed([512, 2048, 4096])
param memoryMb int
param maximumInstances int

@description('Function (function:NAME) or group (http) -> instances that are always ready.')
param alwaysReady object

param storageBlobEndpoint string
param deploymentContainer string
param insightsConnection string

@description('Share of traces that is kept, 0 to 1, as a text: Bicep knows no fractions.')
param traceRatio string
param eventHubsHostName string
param telemetryHub string
param cosmosEndpoint string
param cosmosDatabase string
param digitalTwinsUrl string
param eventGridEndpoint string
param keyVaultUri string
param dueSchedule string

@description('Host name of the IoT hub when the app may call machines; empty when it may not.')
param iotHubHostName string

@description('App settings that hold addresses of notification channels. Each is the secret of its name with - for _.')
param channelSettings string[]

@description('Client id of the app registration that the API is signed in to.')
param apiClientId string

@description('Client ids of applications that may call the API besides the API itself.')
param apiCallers string[]

@description('Subnet that the app\'s outgoing traffic goes through; empty: the public network.')
param subnetId string

@description('Address ranges that may reach API and deployment while the network is private; Event Grid always may.')
param allowedAddresses string[]

var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: storageBlobEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.clientId};Authorization=AAD'
  EventHubs__fullyQualifiedNamespace: eventHubsHostName
  EventHubs__credential: 'managedidentity'
  EventHubs__clientId: identity.clientId
  Cosmos__accountEndpoint: cosmosEndpoint
  Cosmos__credential: 'managedidentity'
  Cosmos__clientId: identity.clientId
  OTEL_TRACES_SAMPLER: 'traceidratio'
  OTEL_TRACES_SAMPLER_ARG: traceRatio
  MILLWRIGHT_DUE_SCHEDULE: dueSchedule
}

// shared/settings.py says what each of these means.
var appSettings = {
  AZURE_CLIENT_ID: identity.clientId
  AZURE_TOKEN_CREDENTIALS: 'prod'
  MILLWRIGHT_COSMOS_ENDPOINT: cosmosEndpoint
  MILLWRIGHT_COSMOS_DATABASE: cosmosDatabase
  MILLWRIGHT_DIGITAL_TWINS_URL: digitalTwinsUrl
  MILLWRIGHT_EVENT_GRID_ENDPOINT: eventGridEndpoint
  MILLWRIGHT_TELEMETRY_HUB: telemetryHub
  MILLWRIGHT_MODELS: 'models'
  MILLWRIGHT_CACHED_MACHINES: '5000'
}

var machineControl = empty(iotHubHostName) ? {} : {
  MILLWRIGHT_IOT_HUB: iotHubHostName
}

var channels = toObject(
  channelSettings,
  setting => setting,
  setting => '@Microsoft.KeyVault(SecretUri=${keyVaultUri}secrets/${replace(setting, '_', '-')})'
)

var eventGridOnly = concat(
  [
    {
      name: 'event-grid'
      description: 'Delivers events to notify, automate and devices.'
      tag: 'ServiceTag'
      ipAddress: 'AzureEventGrid'
      action: 'Allow'
      priority: 100
    }
  ],
  map(allowedAddresses, (range, at) => {
    name: 'allowed-${at}'
    description: 'Named by the environment.'
    tag: 'Default'
    ipAddress: range
    action: 'Allow'
    priority: 200 + at
  })
)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_222: Event Grid delivers over the public endpoint; in prod only it and allowed addresses pass
  // checkov:skip=CKV_AZURE_17: callers show Entra tokens, and Event Grid has no client certificate to show
  // checkov:skip=CKV_AZURE_212: Flex Consumption has no such number; always-ready instances are in prod.json
  // checkov:skip=CKV_AZURE_213: Flex Consumption replaces instances by itself and takes no health check path
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'api'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identity.id
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    outboundVnetRouting: empty(subnetId) ? null : { allTraffic: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storageBlobEndpoint}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: memoryMb
        maximumInstanceCount: maximumInstances
        alwaysReady: [
          for ready in items(alwaysReady): {
            name: ready.key
            instanceCount: ready.value
          }
        ]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(subnetId) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(subnetId) ? [] : eventGridOnly
      scmIpSecurityRestrictionsUseMain: true
    }
  }

  // Keys for FTP and for the deployment site would pass by Entra.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(hostSettings, appSettings, machineControl, channels)
  }

  // The API believes the platform's headers about its callers, which only this makes true: it is never conditional.
  resource signIn 'config' = {
    // The scanner takes these settings for those of the site, where what it looks for would stand.
    // checkov:skip=CKV_AZURE_13: this is what it asks for, in the form that followed `authsettings`
    // checkov:skip=CKV_AZURE_222: no property of sign-in settings
    // checkov:skip=CKV_AZURE_63: no property of sign-in settings; requests are in Application Insights
    // checkov:skip=CKV_AZURE_65: no property of sign-in settings; Flex Consumption writes no error pages
    // checkov:skip=CKV_AZURE_66: no property of sign-in settings; failed requests are in Application Insights
    // checkov:skip=CKV_AZURE_80: no property of sign-in settings; the app is Python
    // checkov:skip=CKV_AZURE_88: no property of sign-in settings; nothing is mounted, the package is a blob
    name: 'authsettingsV2'
    properties: {
      platform: {
        enabled: true
      }
      globalValidation: {
        requireAuthentication: true
        unauthenticatedClientAction: 'Return401'
        excludedPaths: [
          '/api/health'
          // Event Grid signs in with the host's own key for its extension.
          '/runtime/webhooks/*'
        ]
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: apiClientId
            openIdIssuer: '${az.environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: {
            allowedAudiences: [
              apiClientId
              'api://${apiClientId}'
            ]
            defaultAuthorizationPolicy: {
              allowedApplications: concat([apiClientId], apiCallers)
            }
          }
        }
      }
      login: {
        tokenStore: {
          enabled: false
        }
      }
      httpSettings: {
        requireHttps: true
      }
    }
  }
}

resource planDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: plan
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspaceId
    // FunctionAppLogs would tell a second time what Application Insights has.
    logs: [
      {
        category: 'AppServiceAuthenticationLogs'
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

output name string = app.name
output id string = app.id
output url string = 'https://${app.properties.defaultHostName}'
