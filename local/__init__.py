"""The local cloud: the Azure services that Millwright uses, on loopback, behind their own wire protocols.

Nothing below this package is deployed.
"""
