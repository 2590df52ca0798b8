// What somebody should be woken for. docs/operations.md says for each alert what to do.

param location string
param tags object
param actionGroupName string

@description('Who is told, by e-mail; none: alerts are only shown.')
param emails string[]
param insightsId string
param eventHubsId string
param cosmosId string
param digitalTwinsId string
param iotHubId string
param eventGridTopicId string
param lifeCycleTopicId string

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'millwright'
    enabled: true
    emailReceivers: [
      for (email, at) in emails: {
        name: 'operator-${at}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// Each a query over a quarter of an hour or more; a row is an alarm. customMetrics are those of shared/observability.py.
var queries = [
  {
    name: 'telemetry-lags'
    severity: 1
    window: 'PT15M'
    description: 'Readings are folded more than 5 min after they arrived.'
    query: 'customMetrics | where name == "millwright.lag" | summarize lag_s = max(valueMax) | where lag_s > 300'
  }
  {
    name: 'relay-lags'
    severity: 2
    window: 'PT15M'
    description: 'Twins, events or roll-ups follow their documents by more than an hour.'
    query: 'customMetrics | where name == "millwright.relay.lag" | summarize lag_s = max(valueMax) by tostring(customDimensions.relay) | where lag_s > 3600'
  }
  {
    name: 'quarantine-grows'
    severity: 2
    window: 'PT30M'
    description: 'More than 100 messages were rejected within half an hour.'
    query: 'customMetrics | where name == "millwright.quarantined" | summarize rejected = sum(valueSum) | where rejected > 100'
  }
  {
    name: 'functions-fail'
    severity: 1
    window: 'PT15M'
    description: 'A function failed more than 10 times within a quarter of an hour: a store or a sink is away, or a role is missing.'
    query: 'requests | where success == false | summarize failures = sum(itemCount) by operation_Name | where failures > 10'
  }
  {
    name: 'machine-blocked'
    severity: 1
    window: 'PT15M'
    description: 'Our own code fails on a machine: its readings queue until it is mended and resumed.'
    query: 'traces | where message has "is blocked, its readings queue"'
  }
  {
    name: 'channel-unset'
    severity: 2
    window: 'PT30M'
    description: 'Notifications go nowhere: a channel that the factory file names has no address.'
    query: 'traces | where message has "notifications go nowhere"'
  }
  {
    name: 'undeliverable'
    severity: 2
    window: 'PT30M'
    description: 'A relay passed over something that its sink will never take.'
    query: 'customMetrics | where name == "millwright.undelivered" | summarize passed = sum(valueSum) | where passed > 0'
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: alert.name
    location: location
    tags: tags
    properties: {
      displayName: alert.name
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [
        insightsId
      ]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [
          people.id
        ]
      }
    }
  }
]

// Each a metric of the platform: it is there also when the app is not.
var metrics = [
  {
    name: 'plant-silent'
    severity: 0
    scope: iotHubId
    namespace: 'Microsoft.Devices/IotHubs'
    metric: 'd2c.telemetry.ingress.success'
    aggregation: 'Total'
    operator: 'LessThan'
    threshold: 1
    window: 'PT15M'
    description: 'No device has sent anything for a quarter of an hour.'
    dimensions: []
  }
  {
    name: 'routing-drops'
    severity: 1
    scope: iotHubId
    namespace: 'Microsoft.Devices/IotHubs'
    metric: 'd2c.telemetry.egress.dropped'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT5M'
    description: 'IoT Hub dropped messages: its route to the event hub does not work.'
    dimensions: []
  }
  {
    name: 'devices-throttled'
    severity: 2
    scope: iotHubId
    namespace: 'Microsoft.Devices/IotHubs'
    metric: 'd2c.telemetry.ingress.sendThrottle'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 10
    window: 'PT15M'
    description: 'IoT Hub slows devices down: its units are too few.'
    dimensions: []
  }
  {
    name: 'event-hubs-throttled'
    severity: 2
    scope: eventHubsId
    namespace: 'Microsoft.EventHub/namespaces'
    metric: 'ThrottledRequests'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 10
    window: 'PT15M'
    description: 'Throughput units are used up.'
    dimensions: []
  }
  {
    name: 'capture-behind'
    severity: 2
    scope: eventHubsId
    namespace: 'Microsoft.EventHub/namespaces'
    metric: 'CaptureBacklog'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 100000
    window: 'PT1H'
    description: 'The archive lacks what devices sent.'
    dimensions: []
  }
  {
    name: 'cosmos-throttled'
    severity: 2
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 100
    window: 'PT15M'
    description: 'Cosmos DB answers 429: request units are used up, or one key is hot.'
    dimensions: [
      {
        name: 'StatusCode'
        operator: 'Include'
        values: [
          '429'
        ]
      }
    ]
  }
  {
    name: 'twins-failing'
    severity: 2
    scope: digitalTwinsId
    namespace: 'Microsoft.DigitalTwins/digitalTwinsInstances'
    metric: 'ApiRequestsFailureRate'
    aggregation: 'Average'
    operator: 'GreaterThan'
    threshold: 5
    window: 'PT15M'
    description: 'More than 5 % of the requests to Digital Twins fail or are throttled.'
    dimensions: []
  }
  {
    name: 'twin-changes-not-routed'
    severity: 3
    scope: digitalTwinsId
    namespace: 'Microsoft.DigitalTwins/digitalTwinsInstances'
    metric: 'RoutingFailureRate'
    aggregation: 'Average'
    operator: 'GreaterThan'
    threshold: 5
    window: 'PT15M'
    description: 'Downstream apps miss changes of twins.'
    dimensions: []
  }
  {
    name: 'dead-letters'
    severity: 1
    scope: eventGridTopicId
    namespace: 'Microsoft.EventGrid/topics'
    metric: 'DeadLetteredCount'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT5M'
    description: 'An event was not taken for a day: somebody was not notified.'
    dimensions: []
  }
  {
    name: 'device-dead-letters'
    severity: 3
    scope: lifeCycleTopicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DeadLetteredCount'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT5M'
    description: 'Nobody took for a day that a device was made, deleted, connected or lost.'
    dimensions: []
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in metrics: {
    name: alert.name
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [
        alert.scope
      ]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.name
            metricNamespace: alert.namespace
            metricName: alert.metric
            timeAggregation: alert.aggregation
            operator: alert.operator
            threshold: alert.threshold
            dimensions: alert.dimensions
          }
        ]
      }
      actions: [
        {
          actionGroupId: people.id
        }
      ]
    }
  }
]

output actionGroupId string = people.id
