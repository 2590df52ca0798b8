"""How fast messages of a policy go out: what is beyond a flood or rate limit waits and goes as one. Pure."""

from collections.abc import Mapping, Sequence

from shared.contracts.reactions import Notification, Pace

CRITICAL = "critical"


def allowed_at(sent: Sequence[int], pace: Pace) -> int:
    """The instant (ms) from which one more message keeps to the pace; `sent` are earlier ones, in order.

    >>> allowed_at([0, 1_000], Pace(at_most=2, within_s=60))
    60000
    >>> allowed_at([0], Pace(at_most=2, within_s=60))
    0
    """
    if len(sent) < pace.at_most:
        return 0
    return sent[-pace.at_most] + round(pace.within_s * 1000)


def goes_at(sent: Sequence[int], policy: Notification, priority: str) -> int:
    """The instant from which a message may go. The rate limit holds back no critical one."""
    flood = allowed_at(sent, policy.flood)
    return flood if priority == CRITICAL else max(flood, allowed_at(sent, policy.rate))


def recent(sent: Mapping[str, int], policy: Notification, now: int) -> dict[str, int]:
    """What the limits still need to know: notice -> when it went."""
    longest = max(policy.flood.within_s, policy.rate.within_s) * 1000
    return {notice: at for notice, at in sent.items() if now - at < longest}
