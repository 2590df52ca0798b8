"""Which life of the telemetry hub a message belongs to."""

from shared.generation import Generation


class Hub:
    """A hub that says when it was created, and how often it was asked."""

    def __init__(self, created_at: int) -> None:
        self.created = created_at
        self.asked_count = 0

    async def created_at(self) -> int:
        self.asked_count += 1
        return self.created


async def test_the_hub_is_asked_once_while_its_numbers_grow() -> None:
    hub = Hub(100)
    generation = Generation(hub.created_at)
    sources = [await generation.source("0", sequence=n, enqueued_at=1000 + n) for n in range(5)]
    sources.append(await generation.source("1", sequence=0, enqueued_at=1000))
    assert set(sources) == {"telemetry/100/0", "telemetry/100/1"}
    assert hub.asked_count == 1


async def test_a_batch_that_comes_again_belongs_to_the_same_hub() -> None:
    hub = Hub(100)
    generation = Generation(hub.created_at)
    for sequence in (7, 8, 7, 3, 8):
        assert (
            await generation.source("0", sequence=sequence, enqueued_at=1000 + sequence) == "telemetry/100/0"
        )
    assert hub.asked_count == 1


async def test_numbers_that_go_back_while_the_clock_goes_on_are_another_hubs() -> None:
    hub = Hub(100)
    generation = Generation(hub.created_at)
    await generation.source("0", sequence=900, enqueued_at=1000)
    hub.created = 2000
    assert await generation.source("0", sequence=0, enqueued_at=2001) == "telemetry/2000/0"
    assert await generation.source("1", sequence=5, enqueued_at=2002) == "telemetry/2000/1"
    assert hub.asked_count == 2
