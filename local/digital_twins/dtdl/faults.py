"""What is wrong with a document, one fault a place, each under the name of the rule it breaks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    rule: str
    """Name of the broken rule, as Microsoft's DTDL parser names it, e.g. `missingRequiredId`."""
    element: str
    """DTMI of the element that breaks it; empty where it has none."""
    property: str
    """The property at fault; empty where the whole element is."""
    message: str

    def __str__(self) -> str:
        return self.message


class InvalidDtdl(ValueError):
    """Documents that are not DTDL; `faults` has every fault found, in the order of the documents."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class UnresolvedReferences(ValueError):
    """Documents that refer to elements nobody has defined."""

    def __init__(self, missing: dict[str, str]) -> None:
        super().__init__(
            "; ".join(
                f"{source} refers to {target}, which is not defined" for target, source in missing.items()
            )
        )
        self.missing = missing
        """Undefined DTMI -> the first element that refers to it."""
