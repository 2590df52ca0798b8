"""The function app: what Azure Functions indexes. Registers the blueprints, nothing else."""

import azure.functions as func

from functions import api, automate, devices, notify, relays, telemetry, timers, twin_changes

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (telemetry, relays, notify, automate, devices, timers, twin_changes, api):
    app.register_functions(module.bp)
