"""Deletion of all relationships, twins and models, a few at a time, each with all that belongs to it."""

from local.digital_twins.jobs.register import Job
from local.digital_twins.store import Store

_AT_ONCE = 50


async def delete_everything(job: Job, store: Store) -> None:
    """Whatever is made meanwhile is deleted too, if it is there when its turn comes."""
    while True:
        while relationships := store.some_relationships(_AT_ONCE):
            for relationship in relationships:
                store.delete_relationship(relationship)
            await job.breathe()
        twins = store.some_twins(_AT_ONCE)
        if not twins:
            break
        for twin in twins:
            if not store.has_relationships(str(twin["$dtId"])):
                store.delete_twin(str(twin["$dtId"]), twin)
        await job.breathe()
    for model_id, *_ in store.models(0, -1):
        store.delete_model(str(model_id))
    await job.breathe()
