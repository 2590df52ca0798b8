"""The local Device Provisioning Service; see README.md."""
