"""What a site's description says about its roll-ups: scopes above a line, their limits, whose OEE it is."""

from dataclasses import dataclass

from shared.contracts.spec_documents import LineOee, SiteDocument
from shared.domain.spec import Bands
from shared.relay.rollup import OEE


@dataclass(frozen=True, slots=True)
class Scope:
    """One document of one scope."""

    scope_id: str
    site_id: str
    document_id: str
    level: str
    kind: str
    bands: tuple[Bands, ...]
    only: str | None = None
    """The child that the scope's OEE is; None: the sum of all."""

    @property
    def key(self) -> str:
        return f"{self.scope_id}/{self.document_id}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site's description says about its roll-ups."""

    site_id: str
    enterprise_id: str
    usual: tuple[Bands, ...]
    site_bands: tuple[Bands, ...]
    area_bands: dict[str, tuple[Bands, ...]]
    enterprise_bands: tuple[Bands, ...]
    lines: dict[str, LineOee]
    applied: bool = True
    """False: nothing is described, these are the usual rules."""

    def line(self, line_id: str) -> LineOee:
        return self.lines.get(line_id) or LineOee()

    def line_scope(self, line_id: str, document_id: str, kind: str) -> Scope:
        line = self.line(line_id)
        only = line.machine if kind == OEE else None
        return Scope(line_id, self.site_id, document_id, "line", kind, self.usual + line.bands, only)

    def scope(self, scope_id: str, below: Scope, level: str, own: tuple[Bands, ...]) -> Scope:
        """The same document one level up, with the usual limits, and its own from their dates on."""
        return Scope(scope_id, self.site_id, below.document_id, level, below.kind, self.usual + own)


def rules_of(site_id: str, site: SiteDocument | None) -> Rules:
    """The usual rules where no description of the site is applied."""
    if site is None:
        return Rules(site_id, "enterprise", (Bands(0, 0.9, 0.8),), (), {}, (), {}, applied=False)
    return Rules(
        site_id,
        site.enterprise_id,
        (Bands(0, site.green_ratio, site.yellow_ratio),),
        site.bands,
        site.area_bands,
        site.enterprise_bands,
        site.line_oee,
    )
