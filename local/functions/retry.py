"""`@app.retry`: how often a failed invocation runs again, and how long the trigger waits before."""

import random
from dataclasses import dataclass

FOREVER = -1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Fixed delay when minimum and maximum are equal, else exponential back-off between them.

    The count lives in memory only, as in Azure: after a restart it begins at zero.
    """

    max_retry_count: int
    minimum_s: float
    maximum_s: float

    def allows(self, retry_count: int) -> bool:
        """Whether retry number `retry_count` (from 1) may run.

        >>> RetryPolicy(2, 1, 1).allows(3), RetryPolicy(FOREVER, 1, 1).allows(10_000)
        (False, True)
        """
        return self.max_retry_count == FOREVER or retry_count <= self.max_retry_count

    def delay_s(self, retry_count: int) -> float:
        """Seconds to wait before retry number `retry_count` (from 1).

        Exponential: minimum doubled per retry, 20 % jitter, never outside the two bounds.

        >>> RetryPolicy(5, 3, 3).delay_s(4)
        3
        """
        if self.minimum_s == self.maximum_s:
            return self.minimum_s
        # The Functions host starts from this step when no minimum is given.
        step_s = max(self.minimum_s, 0.1) * 2 ** min(retry_count - 1, 30)
        return min(self.maximum_s, max(self.minimum_s, step_s * random.uniform(0.8, 1.2)))
