"""The local cloud's services, for suites that hold an adapter and its in-memory twin to one contract."""

from tests.local_cloud.conftest import ServiceProcess, launch

__all__ = ["ServiceProcess", "launch"]
