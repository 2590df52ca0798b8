"""Makes the route of twin changes to their event hub: a thing of the data plane, which Bicep cannot make."""

import os
import sys
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.digitaltwins.core import DigitalTwinsClient, DigitalTwinsEventRoute
from azure.identity import DefaultAzureCredential

sys.path.insert(0, str(Path(__file__).parents[2]))

from shared.twin_changes import FILTER, ROUTE


def main() -> int:
    url = os.environ["MILLWRIGHT_DIGITAL_TWINS_URL"]
    endpoint = os.environ["MILLWRIGHT_TWIN_CHANGES_ENDPOINT"]
    client = DigitalTwinsClient(url, DefaultAzureCredential())
    try:
        client.upsert_event_route(ROUTE, DigitalTwinsEventRoute(endpoint_name=endpoint, filter=FILTER))
    except AzureError as exc:
        print(f"The route {ROUTE} at {url} could not be made: {exc}. Run the hook again.", file=sys.stderr)
        return 1
    print(f"Twin changes go to the endpoint {endpoint}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
