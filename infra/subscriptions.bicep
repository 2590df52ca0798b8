// Which events come back to which function. Deployed by hooks/postdeploy: Event Grid accepts a function as a
// destination only once its code is there. The table is event-subscriptions.json; a test holds it to the local cloud's.

param functionAppName string
param topicName string
param systemTopicName string
param archiveStorageName string
param archiveIdentityName string

var subscriptions = loadJsonContent('event-subscriptions.json')
var ours = filter(subscriptions, one => one.source == 'millwright')
var lifeCycle = filter(subscriptions, one => one.source == 'iot-hub')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: archiveIdentityName
}

resource archive 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: archiveStorageName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource systemTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

var deadLetters = {
  identity: {
    type: 'UserAssigned'
    userAssignedIdentity: identity.id
  }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: {
      resourceId: archive.id
      blobContainerName: 'dead-letters'
    }
  }
}

// A day of trying, then the dead letter, and an alert says so.
var retries = {
  maxDeliveryAttempts: 30
  eventTimeToLiveInMinutes: 1440
}

resource events 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = [
  for one in ours: {
    parent: topic
    name: one.function
    properties: {
      eventDeliverySchema: one.schema
      filter: {
        includedEventTypes: one.eventTypes
      }
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: resourceId('Microsoft.Web/sites/functions', functionAppName, one.function)
          maxEventsPerBatch: 1
        }
      }
      deadLetterWithResourceIdentity: deadLetters
      retryPolicy: retries
    }
  }
]

@batchSize(1)
resource devices 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for one in lifeCycle: {
    parent: systemTopic
    name: one.function
    properties: {
      eventDeliverySchema: one.schema
      filter: {
        includedEventTypes: one.eventTypes
      }
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: resourceId('Microsoft.Web/sites/functions', functionAppName, one.function)
          maxEventsPerBatch: 1
        }
      }
      deadLetterWithResourceIdentity: deadLetters
      retryPolicy: retries
    }
  }
]
