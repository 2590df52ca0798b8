"""A stand-in for the data plane of Azure Digital Twins, api-version 2023-10-31."""
