"""Law 4: kill anything anywhere, start again, and the same recorded inputs give the same documents."""

from pathlib import Path

import pytest

from tests.journeys.crash import FACTORY, run
from tests.journeys.recording import record

KILLS = 30


@pytest.mark.timeout(900)
async def test_thirty_kills_change_no_document_and_no_event(tmp_path: Path) -> None:
    recording = record(FACTORY, seconds=480, seed=11)
    calm = await run(tmp_path / "calm", recording)
    stormy = await run(tmp_path / "stormy", recording, kills=KILLS, seed=5)

    assert sum(stormy.kills.values()) == KILLS
    print(
        f"\n{len(recording)} messages; kills: {stormy.kills}; "
        f"{stormy.between_commit_and_checkpoint} between a commit and its checkpoint; "
        f"calm {calm.seconds:.0f} s, stormy {stormy.seconds:.0f} s"
    )
    assert stormy.between_commit_and_checkpoint > 0
    assert stormy.documents == calm.documents
    assert stormy.outbox == calm.outbox
    assert {identity for identity, contents in stormy.events.items() if len(contents) > 1} == set()
    assert stormy.events.keys() >= stormy.outbox.keys()
