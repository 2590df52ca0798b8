"""Throughput of the local Event Hubs through azure-eventhub; each client is a process of its own.

    python -m bench.event_hubs [--seconds 10] [--best-of 3] [--json]

Events of 200 B in batches of 500, 4 partitions, one consumer group, everything persisted. "Both ways" runs
producers and consumers at once and counts only while both are at work.
"""

import argparse
import json
import multiprocessing as mp
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient

BODY = b"x" * 200
BATCH = 500
PARTITIONS = 4


@dataclass(frozen=True)
class Figures:
    """Events a second, and the service's own processor time for a thousand events (in plus out)."""

    name: str
    in_per_s: float
    out_per_s: float
    service_cpu_ms_per_1000: float


def produce(connection: str, hub: str, partitions: list[str], sent: "Synchronized[int]", stop: float) -> None:
    """Send batches until `stop` (seconds since the epoch), counting what was acknowledged."""
    client = EventHubProducerClient.from_connection_string(connection, eventhub_name=hub)
    with client:
        batches = [_batch(client, partition) for partition in partitions]
        turn = 0
        while time.time() < stop:
            client.send_batch(batches[turn % len(batches)])
            turn += 1
            with sent.get_lock():
                sent.value += BATCH


def _batch(client: EventHubProducerClient, partition: str):
    batch = client.create_batch(partition_id=partition)
    for _ in range(BATCH):
        batch.add(EventData(BODY))
    return batch


def consume(connection: str, hub: str, partitions: list[str], got: "Synchronized[int]", stop: float) -> None:
    """Receive partitions from their beginning until `stop`, counting events."""
    client = EventHubConsumerClient.from_connection_string(connection, "$Default", eventhub_name=hub)

    def count(_: object, events: list[EventData]) -> None:
        with got.get_lock():
            got.value += len(events)

    threads = [
        threading.Thread(
            target=client.receive_batch,
            args=(count,),
            kwargs={
                "partition_id": partition,
                "starting_position": "-1",
                "max_batch_size": 1000,
                "prefetch": 3000,
            },
            daemon=True,
        )
        for partition in partitions
    ]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, stop - time.time()))
    client.close()
    os._exit(0)  # the SDK's receiving threads do not end by themselves while events keep coming


class Service:
    """The service in a process of its own, in a folder of its own."""

    def __init__(self, folder: str) -> None:
        ports = [f"--port={name}=0" for name in ("amqp", "amqps", "wss", "http")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", "event-hubs", f"--dir={folder}", *ports],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        endpoints = json.loads(self._process.stdout.readline())["endpoints"]
        self.connection: str = endpoints["eventHubs"]
        self._hubs: str = endpoints["eventHubsCreate"]

    def make_hub(self, name: str) -> None:
        body = json.dumps({"name": name, "partitionCount": PARTITIONS}).encode()
        urllib.request.urlopen(urllib.request.Request(self._hubs, data=body, method="POST")).close()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def measure(
    service: Service, hub: str, name: str, seconds: float, *, producers: int, consumers: int
) -> Figures:
    """Run the clients against a hub, warm up for 2 s, and count for `seconds`."""
    sent, got = mp.Value("q", 0), mp.Value("q", 0)
    stop = time.time() + seconds + 5
    ids = [str(number) for number in range(PARTITIONS)]
    jobs: list[tuple[Callable[..., None], list[str], Synchronized[int]]] = []
    jobs += [(produce, ids[n::producers], sent) for n in range(producers)]
    jobs += [(consume, ids[n::consumers], got) for n in range(consumers)]
    processes = [
        mp.Process(target=work, args=(service.connection, hub, part, counter, stop))
        for work, part, counter in jobs
    ]
    for process in processes:
        process.start()
    while (producers and sent.value == 0) or (consumers and got.value == 0):
        time.sleep(0.05)
    time.sleep(2)
    began, in_0, out_0, cpu_0 = time.time(), sent.value, got.value, service.cpu_s()
    time.sleep(min(seconds, stop - began))
    took, arrived, left = time.time() - began, sent.value - in_0, got.value - out_0
    cpu_ms = 1000 * (service.cpu_s() - cpu_0)
    for process in processes:
        process.join()
    return Figures(name, arrived / took, left / took, 1000 * cpu_ms / max(1, arrived + left))


def run(seconds: float, turn: int) -> list[Figures]:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        try:
            for hub in ("ways", "both"):
                service.make_hub(f"{hub}{turn}")
            one_way_in = measure(service, f"ways{turn}", "in only", seconds, producers=2, consumers=0)
            one_way_out = measure(service, f"ways{turn}", "out only", seconds / 2, producers=0, consumers=2)
            both = measure(service, f"both{turn}", "both ways", seconds, producers=1, consumers=2)
        finally:
            service.stop()
    return [one_way_in, one_way_out, both]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.event_hubs", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print figures for machines")
    options = parser.parse_args()
    runs = [run(options.seconds, turn) for turn in range(options.best_of)]
    best = [
        max(column, key=lambda f: min(f.in_per_s or 1e9, f.out_per_s or 1e9))
        for column in zip(*runs, strict=True)
    ]
    if options.json:
        print(json.dumps([asdict(figures) for figures in best]))
        return
    print(f"{'':12}{'events/s in':>14}{'events/s out':>14}{'service CPU ms per 1000':>26}")
    for f in best:
        print(f"{f.name:12}{f.in_per_s:14,.0f}{f.out_per_s:14,.0f}{f.service_cpu_ms_per_1000:26.1f}")


if __name__ == "__main__":
    main()
