// One page that shows whether the plant's data flows.

param location string
param tags object
param insightsId string
param name string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name)
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: name
    sourceId: insightsId
    serializedData: loadTextContent('../workbook.json')
  }
}
