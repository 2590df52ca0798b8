"""The function app as the host indexes it: once, for Azure's library refuses to do it again."""

from azure.functions.decorators.function_app import Function

from function_app import app

FUNCTIONS: list[Function] = app.get_functions()
