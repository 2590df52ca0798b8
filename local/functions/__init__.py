"""The local Functions host: triggers, leases and retries around Microsoft's own Python worker library."""
