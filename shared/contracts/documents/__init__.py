"""The documents in Cosmos DB, as downstream apps read them. camelCase; instants are RFC 3339 in UTC.

Each `...Document` is what the container holds, besides what the service adds (`_etag`, `_ts` ...);
the class it extends is the same thing as the HTTP API shows it.
"""
