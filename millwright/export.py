"""The live graph written back as a factory description.

The graph says what there is, what it is called, where it belongs and what it feeds; a graph cannot
hold rules, shifts or profiles, so those are taken from the applied description in its own words.
So whatever was changed by hand in the graph comes out in a file that can be reviewed and applied.
"""

from dataclasses import dataclass

from millwright.live import Live, NotExportable
from millwright.ontology import Ontology
from millwright.twin_service import TwinService
from millwright.versions import applied_version, pointers
from millwright.yaml_text import yaml_text
from shared.ports import Documents

_HEAD = "# The live graph, written by `millwright factory export`.\n"


@dataclass(frozen=True, slots=True)
class Exported:
    text: str
    notes: list[str]
    """What was left out or made up."""


async def exported(
    documents: Documents, twins: TwinService, shipped: Ontology, enterprise: str | None
) -> Exported:
    """The description of one enterprise. Raises NotExportable, and UnknownSpec for half a version."""
    applied = [pointer for pointer in await pointers(documents) if not pointer.retired]
    versions = [await applied_version(documents, pointer) for pointer in applied]
    names = sorted({version.site.enterprise_id for version in versions})
    if not names:
        raise NotExportable("nothing is applied here: run `millwright factory apply FILE` first")
    if enterprise is None and len(names) > 1:
        raise NotExportable(f"there are {', '.join(names)}: name one with --enterprise")
    wanted = enterprise or names[0]
    if wanted not in names:
        raise NotExportable(f"there is no enterprise {wanted}, but {', '.join(names)}")
    ours = [version for version in versions if version.site.enterprise_id == wanted]
    for version in ours:
        if len(version.sources) != 1 + len(version.lines):
            raise NotExportable(
                f"{version.site.site_id} was applied by an older millwright: apply its file again"
            )
    live = Live(ours, await twins.graph(), shipped)
    return Exported(_HEAD + yaml_text(live.description()), live.notes)
