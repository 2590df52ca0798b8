"""Roll-ups count each machine once, with its newest elements, whatever is delivered how often."""

import random
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.versions import plan, point, write
from shared.ports import Document, Unavailable
from shared.relay.rollup import contribution, total
from shared.relay.scopes import ScopeRelay
from shared.relay.twin_patch import projection
from shared.specs import KNOWN_AFTER_S, SpecStore
from tests.memory import MemoryDocuments
from tests.projected import SHIFT, alarms, oee, twin
from tests.sinks import Time

FACTORY = Path(__file__).parents[2] / "factories" / "smart-factory.yaml"
MINUTE = 60_000


class NoSites:
    """Nothing was applied: the relay falls back to the usual bands."""

    async def current_site(self, site_id: str) -> None:
        return None


class Relay:
    """A scope relay over a store in memory; `worker` starts one that remembers nothing."""

    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.time = Time()
        self.worker()

    def worker(self) -> None:
        self.relay = ScopeRelay(self.documents, NoSites(), clock=self.time, sleep=self.time.sleep)

    async def __call__(self, *documents: Document) -> None:
        await self.relay(documents)

    def scope(self, scope_id: str, document_id: str = f"oee:{SHIFT}") -> Document:
        return self.documents.partition("scopes", scope_id)[document_id]


async def test_elements_are_summed_and_then_divided_on_every_level() -> None:
    relay = Relay()
    busy = 60 * MINUTE
    await relay(
        oee("M-1", 60, production_ms=busy, good=360),
        oee("M-2", 60, production_ms=busy // 2, stop_ms=busy // 2, good=90, reject=30),
        oee("M-3", 60, line_id="LINE-2", stop_ms=2 * busy),
    )
    line = relay.scope("LINE-1")
    assert line["availability"] == 0.75
    assert line["quality"] == 0.9375
    assert line["effectiveness"] == round(480 * 10_000 / (1.5 * busy), 6)
    assert line["elements"]["rejects"] == {"scratch": 30}
    assert (line["childCount"], line["level"], line["shiftId"]) == (2, "line", SHIFT)
    site = relay.scope("SITE-1")
    assert site["availability"] == 0.375
    assert site["childCount"] == 2
    assert relay.scope("enterprise")["elements"] == site["elements"]


async def test_an_average_of_ratios_is_never_taken() -> None:
    relay = Relay()
    await relay(
        oee("M-1", 1, production_ms=1 * MINUTE),
        oee("M-2", 60, line_id="LINE-2", stop_ms=99 * MINUTE),
    )
    assert relay.scope("SITE-1")["availability"] == 0.01


async def test_a_newer_measurement_replaces_the_older_and_not_the_other_way_round() -> None:
    relay = Relay()
    await relay(oee("M-1", 2, good=2))
    await relay(oee("M-1", 1, good=1))
    assert relay.scope("SITE-1")["elements"]["goodCount"] == 2
    await relay(oee("M-1", 480, good=3, final=True))
    await relay(oee("M-1", 480, good=3, final=True, late=1))
    await relay(oee("M-1", 480, good=3, final=True))
    assert relay.scope("LINE-1")["lateCount"] == 1
    assert relay.scope("enterprise")["lateCount"] == 1


async def test_a_scope_is_final_when_all_its_machines_are() -> None:
    relay = Relay()
    await relay(oee("M-1", 480, final=True), oee("M-2", 479))
    assert not relay.scope("LINE-1")["final"]
    await relay(oee("M-2", 480, final=True))
    assert relay.scope("LINE-1")["final"]
    assert relay.scope("enterprise")["final"]


async def test_status_counts_states_and_alarms() -> None:
    relay = Relay()
    await relay(
        twin("M-1", alarms=alarms(2, 1, "high")),
        twin("M-2", state="Held", silent=True, alarms=alarms(1, 1, "critical")),
        twin("M-3", blocked="a bug", health={"warning": True}),
    )
    status = relay.scope("SITE-1", "status")
    assert status["states"] == {"Execute": 2, "Held": 1}
    assert status["alarms"] == alarms(3, 2, "critical")
    assert (status["machineCount"], status["silentCount"], status["blockedCount"]) == (3, 1, 1)
    assert status["warningCount"] == 1


async def test_a_twin_that_only_measures_anew_causes_no_write() -> None:
    relay = Relay()
    await relay(twin("M-1"))
    before = relay.documents.commit_count
    await relay(twin("M-1", 2, signals={}))
    assert relay.documents.commit_count == before
    await relay(twin("M-1", 1, state="Held"))
    assert relay.scope("LINE-1", "status")["states"] == {"Execute": 1}


async def test_a_scope_is_written_at_most_every_five_seconds_and_the_last_value_always() -> None:
    relay = Relay()
    started = relay.time.now
    for minute in range(1, 11):
        await relay(oee("M-1", minute, good=minute))
    assert relay.time.now - started >= 9 * 5
    assert relay.scope("enterprise")["elements"]["goodCount"] == 10
    assert relay.scope("LINE-1")["version"] == 10


async def test_two_workers_that_write_the_same_scope_lose_nothing() -> None:
    relay, other = Relay(), Relay()
    other.documents = relay.documents
    other.worker()
    await relay(oee("M-1", 1, good=1))
    await other(oee("M-2", 1, good=10))
    await relay(oee("M-1", 2, good=2))
    await other(oee("M-2", 2, good=20))
    for scope_id in ("LINE-1", "SITE-1", "enterprise"):
        assert relay.scope(scope_id)["elements"]["goodCount"] == 22


async def test_a_crash_between_the_levels_is_made_good_by_the_next_delivery() -> None:
    relay = Relay()
    for crash_after in (1, 2):
        relay.documents.fail_after_commits = {relay.documents.commit_count + crash_after}
        with pytest.raises(Unavailable):
            await relay(oee("M-1", crash_after, good=crash_after))
        relay.worker()
        await relay(oee("M-1", crash_after, good=crash_after))
        assert relay.scope("enterprise")["elements"]["goodCount"] == crash_after


async def test_ten_thousand_machines_of_a_site_fit_into_documents() -> None:
    relay = Relay()
    machines = [
        oee(f"LINE-{line}-MACHINE-{n}", 60, line_id=f"LINE-{line}", production_ms=n, good=n, reject=1)
        for line in range(20)
        for n in range(500)
    ]
    await relay(*machines)
    assert relay.scope("SITE-1")["elements"]["goodCount"] == sum(d["elements"]["goodCount"] for d in machines)
    sizes = [len(str(document)) for document in relay.documents.all("scopes")]
    assert max(sizes) < 300_000


async def test_a_document_that_outgrows_the_store_is_recorded_and_holds_nothing_back() -> None:
    relay = Relay()
    machines = [oee(f"{'M' * 500}-{n}", 1, good=1) for n in range(1_500)]
    await relay(*machines, oee("M-1", 1, line_id="LINE-2", good=7))
    [kept] = relay.documents.all("deliveries")
    assert (kept["alarmId"], kept["outcome"]) == ("LINE-1", "refused")
    assert relay.scope("SITE-1")["elements"]["goodCount"] == 7


SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS, history=st.lists(st.integers(1, 6), min_size=1, max_size=6))
async def test_however_documents_are_delivered_each_machine_counts_once_with_its_newest(
    seed: int, history: list[int]
) -> None:
    """Repetition, any order, two workers, failures between commits; a failed batch comes again."""
    chance = random.Random(seed)
    feed = [
        oee(
            f"M-{n}",
            minute,
            line_id=f"LINE-{n % 3}",
            site_id=f"SITE-{n % 2}",
            good=minute * 10 + n,
            stop_ms=minute,
        )
        for n, minutes in enumerate(history)
        for minute in range(1, minutes + 1)
    ]
    newest = [oees[-1] for oees in (list(group) for _, group in groupby(feed, lambda d: d["machineId"]))]
    for document in feed:
        document["lineId"] = f"{document['siteId']}-{document['lineId']}"
    workers = [Relay(), Relay()]
    workers[1].documents = workers[0].documents
    workers[1].worker()
    deliveries = feed + [chance.choice(feed) for _ in feed]
    chance.shuffle(deliveries)
    store = workers[0].documents
    while deliveries:
        size = chance.randint(1, 6)
        batch, deliveries = deliveries[:size], deliveries[size:]
        store.fail_after_commits = {store.commit_count + chance.randint(1, 12)}
        worker = chance.choice(workers)
        if chance.random() < 0.1:
            worker.worker()
        try:
            await worker(*batch)
        except Unavailable:
            deliveries = batch + deliveries
    expected = total("oee", {d["machineId"]: contribution(d).content for d in newest})
    assert relay_total(workers[0], "enterprise") == expected["elements"]
    for site_id in {document["siteId"] for document in newest}:
        mine = {d["machineId"]: contribution(d).content for d in newest if d["siteId"] == site_id}
        assert relay_total(workers[0], site_id) == total("oee", mine)["elements"]


def relay_total(relay: Relay, scope_id: str) -> Document:
    return relay.scope(scope_id)["elements"]


async def test_a_machine_that_moves_to_another_line_counts_there_alone_and_however_often_it_is_told() -> None:
    relay = Relay()
    await relay(oee("M-1", 1, good=1), oee("M-2", 1, good=10), twin("M-1"), twin("M-2", state="Held"))
    moved = (oee("M-1", 1, line_id="LINE-2", good=1), twin("M-1", 2, lineId="LINE-2"))
    for worker in range(3):
        await relay(*moved)
        assert relay.scope("LINE-1")["elements"]["goodCount"] == 10, worker
        assert relay.scope("LINE-2")["elements"]["goodCount"] == 1
        assert relay.scope("SITE-1")["elements"]["goodCount"] == 11
        assert relay.scope("LINE-1", "status")["states"] == {"Held": 1}
        assert relay.scope("SITE-1", "status")["machineCount"] == 2
        relay.worker()
    await relay(twin("M-1", 1))
    assert relay.scope("LINE-1", "status")["machineCount"] == 1
    await relay(twin("M-1", 3, lineId="LINE-1"))
    scopes = ("LINE-1", "LINE-2", "enterprise")
    counts = {scope_id: relay.scope(scope_id, "status")["machineCount"] for scope_id in scopes}
    assert counts == {"LINE-1": 2, "LINE-2": 0, "enterprise": 2}
    assert relay.scope("LINE-2", "status")["alarms"] == alarms()


@given(crashes=st.lists(st.integers(1, 7), max_size=3), again=st.booleans())
async def test_a_crash_while_a_machine_moves_neither_loses_it_nor_counts_it_twice(
    crashes: list[int], again: bool
) -> None:
    relay = Relay()
    await relay(oee("M-1", 1, good=1), oee("M-2", 1, good=10))
    feed = [oee("M-1", 1, line_id="LINE-2", good=1)]
    for crash_after in crashes:
        relay.documents.fail_after_commits = {relay.documents.commit_count + crash_after}
        try:
            await relay(*feed)
        except Unavailable:
            relay.worker()
    relay.documents.fail_after_commits = set()
    if again:
        feed = [oee("M-1", 2, line_id="LINE-2", good=1)]
    await relay(*feed)
    good = {s: relay.scope(s)["elements"]["goodCount"] for s in ("LINE-1", "LINE-2", "SITE-1", "enterprise")}
    assert good == {"LINE-1": 10, "LINE-2": 1, "SITE-1": 11, "enterprise": 11}


async def test_a_line_that_all_machines_left_counts_for_nothing() -> None:
    relay = Relay()
    await relay(oee("M-1", 1, good=1))
    await relay(oee("M-1", 2, line_id="LINE-2", good=2))
    assert (relay.scope("LINE-1")["childCount"], relay.scope("LINE-1")["oee"]) == (0, None)
    assert relay.scope("enterprise")["elements"]["goodCount"] == 2
    shown = projection(relay.scope("LINE-1"))
    assert shown is not None
    assert "/oee/oee" in shown.optional - shown.wanted.keys()


async def test_the_bottleneck_is_the_machine_with_the_lowest_oee_and_never_one_little_is_known_of() -> None:
    relay = Relay()
    best, worst, unknown = oee("M-1", 1), oee("M-3", 1, line_id="LINE-2"), oee("M-4", 1)
    await relay(
        {**best, "oee": 0.75, "band": "yellow"},
        {**worst, "oee": 0.25, "band": "red"},
        {**unknown, "oee": 0.0, "band": "grey"},
    )
    for scope_id, machine_id in (("LINE-1", "M-1"), ("SITE-1", "M-3"), ("enterprise", "M-3")):
        shown = projection(relay.scope(scope_id))
        assert shown is not None
        assert shown.wanted["/bottleneck"] == machine_id
    await relay({**oee("M-3", 2, line_id="LINE-2"), "oee": 0.9, "band": "green"})
    assert relay.scope("SITE-1")["bottleneck"] == {"machineId": "M-1", "oee": 0.75}


class Graz:
    """The smart factory as applied, read by a scope relay through the specs that workers read."""

    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.time = Time()
        self.specs = SpecStore(self.documents, clock=self.time)
        self.relay = ScopeRelay(self.documents, self.specs, clock=self.time, sleep=self.time.sleep)
        self.described = site_versions(load(FACTORY, None).factory, {})

    async def apply(self, *dropped: str, point_to_it: bool = True) -> None:
        """A version without some machines; by the time that this returns, every worker knows it."""
        [site] = self.described
        lines = tuple(
            line.model_copy(update={"machines": {k: m for k, m in line.machines.items() if k not in dropped}})
            for line in site.lines
        )
        for change in await plan(self.documents, [replace(site, lines=lines)]):
            await write(self.documents, change)
            if point_to_it:
                await point(self.documents, change)
        self.time.now += KNOWN_AFTER_S

    async def tell(self, machine_id: str, version: int, state: str = "Execute") -> Document:
        document = twin(machine_id, version, state=state, siteId="GRAZ", lineId="LINE-1")
        await self.relay([document])
        return document

    def counts(self, scope_id: str) -> int:
        return self.documents.partition("scopes", scope_id)["status"]["machineCount"]


async def test_a_machine_that_the_description_drops_leaves_its_line_with_whatever_it_says_next() -> None:
    graz = Graz()
    await graz.apply()
    await graz.tell("LINE-1-CNC-1", 1)
    await graz.tell("LINE-1-CNC-2", 1)
    await graz.apply("LINE-1-CNC-2")
    await graz.tell("LINE-1-CNC-2", 2)
    assert [graz.counts(scope) for scope in ("LINE-1", "GRAZ", "MILLWRIGHT")] == [1, 1, 1]
    await graz.tell("LINE-1-CNC-2", 3)
    assert graz.counts("LINE-1") == 1


async def test_one_that_says_nothing_any_more_leaves_when_its_document_is_looked_at_again() -> None:
    graz = Graz()
    await graz.apply()
    await graz.tell("LINE-1-CNC-1", 1)
    last = await graz.tell("LINE-1-CNC-2", 1)
    await graz.apply("LINE-1-CNC-2")
    await graz.relay([last])
    assert [graz.counts(scope) for scope in ("LINE-1", "GRAZ", "MILLWRIGHT")] == [1, 1, 1]


async def test_a_machine_that_is_described_again_counts_again() -> None:
    graz = Graz()
    await graz.apply()
    await graz.tell("LINE-1-CNC-2", 1)
    await graz.apply("LINE-1-CNC-2")
    await graz.tell("LINE-1-CNC-2", 2)
    assert graz.counts("LINE-1") == 0
    await graz.apply()
    await graz.tell("LINE-1-CNC-2", 3)
    assert graz.counts("LINE-1") == 1


async def test_a_machine_counts_from_the_moment_that_an_apply_tells_it() -> None:
    """Its version is written by then, and not pointed to yet."""
    graz = Graz()
    await graz.apply("LINE-1-CNC-2")
    await graz.apply(point_to_it=False)
    await graz.tell("LINE-1-CNC-2", 1)
    assert graz.counts("LINE-1") == 1


async def test_what_a_dropped_machine_made_in_a_shift_stays() -> None:
    graz = Graz()
    await graz.apply()
    for_the_shift = oee("LINE-1-CNC-2", 60, production_ms=60 * MINUTE, good=360, line_id="LINE-1")
    for_the_shift["siteId"] = "GRAZ"
    await graz.relay([for_the_shift])
    await graz.apply("LINE-1-CNC-2")
    await graz.relay([for_the_shift | {"measuredAt": "2026-03-09T09:00:00.000Z"}])
    assert graz.documents.partition("scopes", "LINE-1")[f"oee:{SHIFT}"]["elements"]["goodCount"] == 360
