"""A checked factory description -> the documents of one version, in the signals' units."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson
from pydantic import BaseModel

from millwright.alarm_rules import compiled_rules
from millwright.calendars import bands, calendar, line_oee
from millwright.model_cards import Cards, card_of
from millwright.quantities import overridden
from shared.contracts.factory import (
    Binding,
    Factory,
    Line,
    Machine,
    MachineClass,
    Rule,
    RuleOverride,
    ScoreRule,
    Site,
)
from shared.contracts.model_card import ModelCard
from shared.contracts.spec_documents import (
    ClassPart,
    LineDocument,
    MachinePart,
    ReasonPart,
    SiteDocument,
    SourceDocument,
    line_document_id,
    site_document_id,
    source_document_id,
)
from shared.domain.feature_recipe import FeaturePlan
from shared.domain.maintenance.records import Task
from shared.domain.packml import STATES_BY_WORD, TimeCategory
from shared.domain.spec import Bands, ModelBinding, SignalSpec


@dataclass(frozen=True, slots=True)
class SiteVersion:
    """One site's part of a description, ready to be stored."""

    site: SiteDocument
    lines: tuple[LineDocument, ...]
    sources: tuple[SourceDocument, ...] = ()

    @property
    def documents(self) -> tuple[SiteDocument | LineDocument | SourceDocument, ...]:
        return (self.site, *self.lines, *self.sources)

    @property
    def sha256(self) -> str:
        """Of the content; the version number, which follows from it, is left out."""
        content = [document.model_dump(mode="json", exclude={"id", "version"}) for document in self.documents]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def numbered(self, version: int) -> "SiteVersion":
        """The same content as another version."""
        return SiteVersion(
            self.site.model_copy(update={"version": version, "id": site_document_id(version)}),
            tuple(
                line.model_copy(update={"version": version, "id": line_document_id(version, line.line_id)})
                for line in self.lines
            ),
            tuple(
                part.model_copy(update={"version": version, "id": source_document_id(version, part.line_id)})
                for part in self.sources
            ),
        )


def site_versions(factory: Factory, cards: Cards) -> list[SiteVersion]:
    """Every site of a checked description, numbered 1. Order follows the file."""
    classes = {name: class_part(factory, name) for name in factory.classes}
    return [_site_version(factory, site, classes, cards) for site in factory.sites]


def lines_of(site: Site) -> Iterator[tuple[str | None, Line]]:
    """(area id, line) of a site; None for lines outside areas."""
    for area in site.areas:
        for line in area.lines:
            yield area.id, line
    for line in site.lines:
        yield None, line


def class_part(factory: Factory, name: str) -> ClassPart:
    """A machine class with all its numbers. Raises BadRule as `compiled` does."""
    kind = factory.classes[name]
    words = {} if kind.state_map is None else factory.state_maps[kind.state_map]
    return ClassPart(
        twin_model=kind.twin_model or f"dtmi:millwright:{name};1",
        signals=tuple(
            SignalSpec(signal, spec.unit, spec.range[0], spec.range[1], spec.deadband)
            for signal, spec in kind.signals.items()
        ),
        rules=compiled_rules(factory, kind, kind.rules),
        ideal_cycle_ms={
            product: round(cycles[name] * 1000)
            for product, spec in factory.products.items()
            if name in (cycles := spec.ideal_cycle_s)
        }
        | ({"": round(kind.ideal_cycle_s * 1000)} if kind.ideal_cycle_s else {}),
        state_map={word.lower(): STATES_BY_WORD[state.lower()] for word, state in words.items()},
        lateness_ms=round(kind.lateness_s * 1000),
        silence_ms=round(kind.silence_s * 1000),
        close_after_ms=round(kind.close_after_h * 3_600_000),
        counter_modulus=kind.counter_modulus,
        counter_fastest_ms=round((kind.counter_fastest_s or 0) * 1000),
        counter_restart=kind.counter_restart,
        minor_stop_ms=round(kind.minor_stop_s * 1000),
        startup_ms=round(kind.startup_s * 1000),
        tasks=tuple(
            Task(
                task.id,
                task.component,
                task.work,
                round(task.within_h * 3_600_000),
                tuple(task.models),
                tuple(task.signals),
                tuple(task.rules),
                tuple(task.renews),
            )
            for task in kind.maintenance
        ),
        state_reasons={STATES_BY_WORD[word.lower()]: code for word, code in kind.state_reasons.items()},
    )


def machine_rules(kind: MachineClass, line: Line, machine: Machine) -> list[Rule] | None:
    """The machine's rules after its line and it itself changed some; None when neither did."""
    changes = [*line.rules, *machine.rules]
    rules = {rule.id: rule for rule in kind.rules}
    before = dict(rules)
    for change in changes:
        if not isinstance(change, RuleOverride):
            if has_signals(kind, change):
                rules[change.id] = change
        elif change.id in rules:
            rules[change.id] = overridden(rules[change.id], change)
    return None if rules == before else list(rules.values())


def has_signals(kind: MachineClass, rule: Rule) -> bool:
    """Whether a line's own rule is about machines of this class: they have what it watches."""
    named = (getattr(rule, "signal", None), getattr(rule, "target_signal", None))
    if isinstance(rule, ScoreRule) and rule.model not in {binding.model for binding in kind.models}:
        return False
    return all(name in kind.signals for name in named if name is not None)


def model_binding(binding: Binding, machine: Machine, card: ModelCard | None) -> ModelBinding:
    """The binding of one machine. KeyError for an attribute or a word without a number."""
    threshold = binding.threshold or (card.threshold if card else None) or 0.5
    return ModelBinding(
        model=binding.model,
        version=card.version if card else "",
        inputs=tuple(binding.inputs.items()),
        threshold=threshold,
        features=card.feature_names if card else (),
        cadence_ms=round(binding.cadence_s * 1000),
        attributes=tuple(
            (name, _number(machine.attributes[source.attribute], source.codes))
            for name, source in binding.attributes.items()
        ),
        plan=card.plan if card else FeaturePlan(),
        kind=card.kind if card else "failure",
        unit=card.answer_unit if card else "",
        horizon_ms=round((card.horizon_hours if card and card.horizon_hours else _HORIZON_H) * 3_600_000),
    )


_HORIZON_H = 24.0
"""How long a warning of a model without a horizon waits for somebody to find its cause."""


def _number(value: float | str, codes: Mapping[str, float]) -> float:
    return codes[value] if isinstance(value, str) else float(value)


def _site_version(factory: Factory, site: Site, classes: dict[str, ClassPart], cards: Cards) -> SiteVersion:
    pairs = list(lines_of(site))
    devices = {name: device.profile for name, device in site.devices.items() if device.profile}
    used = {machine.machine_class for _, line in pairs for machine in line.machines}
    document = SiteDocument(
        id=site_document_id(1),
        site_id=site.id,
        version=1,
        name=site.name,
        enterprise_id=factory.enterprise.id,
        enterprise_name=factory.enterprise.name,
        calendar=calendar(site),
        classes={name: part for name, part in classes.items() if name in used},
        products={product: spec.name for product, spec in factory.products.items()},
        reasons={
            code: ReasonPart(
                category=TimeCategory(reason.category), texts=reason.texts, maintenance=reason.maintenance
            )
            for code, reason in factory.stop_reasons.items()
        },
        profiles={name: factory.profiles[name] for name in sorted(set(devices.values()))},
        device_profiles=devices,
        notifications=tuple(n for n in factory.notifications if not n.sites or site.id in n.sites),
        recipients=factory.recipients,
        automation=factory.automation,
        areas={area.id: area.name for area in site.areas},
        lines=tuple(line.id for _, line in pairs),
        green_ratio=factory.oee.green_ratio,
        yellow_ratio=factory.oee.yellow_ratio,
        line_oee={line.id: line_oee(factory, site, area, line) for area, line in pairs},
        bands=bands(factory, site, (factory.enterprise.id, site.id)),
        area_bands={
            area.id: bands(factory, site, (factory.enterprise.id, site.id, area.id)) for area in site.areas
        },
        enterprise_bands=bands(factory, site, (factory.enterprise.id,)),
    )
    return SiteVersion(
        document,
        tuple(_line(factory, site, area, line, cards) for area, line in pairs),
        tuple(_sources(factory, site)),
    )


def _sources(factory: Factory, site: Site) -> Iterator[SourceDocument]:
    """The file's own words: of the description with this site alone, then of each line."""
    bare = site.model_copy(
        update={"lines": [], "areas": [area.model_copy(update={"lines": []}) for area in site.areas]}
    )
    yield _source(site, None, factory.model_copy(update={"sites": [bare]}))
    for _, line in lines_of(site):
        yield _source(site, line.id, line)


def _source(site: Site, line_id: str | None, said: BaseModel) -> SourceDocument:
    return SourceDocument(
        id=source_document_id(1, line_id),
        site_id=site.id,
        line_id=line_id,
        version=1,
        description=said.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    )


def _line(factory: Factory, site: Site, area: str | None, line: Line, cards: Cards) -> LineDocument:
    return LineDocument(
        id=line_document_id(1, line.id),
        site_id=site.id,
        line_id=line.id,
        version=1,
        name=line.name,
        area_id=area,
        machines={
            machine.id: _machine(
                factory,
                line,
                machine,
                cards,
                bands=bands(factory, site, (factory.enterprise.id, site.id, area, line.id, machine.id)),
            )
            for machine in line.machines
        },
        calendar=calendar(site, line) if line.calendar_exceptions else None,
    )


def _machine(
    factory: Factory, line: Line, machine: Machine, cards: Cards, *, bands: tuple[Bands, ...]
) -> MachinePart:
    kind = factory.classes[machine.machine_class]
    rules = machine_rules(kind, line, machine)
    return MachinePart(
        name=machine.name or machine.id,
        machine_class=machine.machine_class,
        devices=tuple(machine.devices),
        feeds=tuple(machine.feeds),
        attributes=machine.attributes,
        models=tuple(model_binding(binding, machine, card_of(binding, cards)) for binding in kind.models),
        rules=None if rules is None else compiled_rules(factory, kind, rules),
        ideal_cycle_ms={product: round(s * 1000) for product, s in machine.ideal_cycle_s.items()},
        bands=bands,
    )
