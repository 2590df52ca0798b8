"""The `@context` of a document or element: the version of DTDL, and the extensions in force."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeIs

from local.digital_twins.dtdl.identifiers import is_dtmi
from local.digital_twins.dtdl.vocabulary import (
    CENTRAL,
    LANGUAGE,
    VERSIONS,
    extension_terms,
    known_contexts,
    language_context,
    terms,
)
from local.digital_twins.jsontypes import Json

type Report = Callable[[str, str], None]
"""Called with the rule that a context breaks and a sentence about it."""


@dataclass(frozen=True, slots=True)
class Context:
    version: int
    extensions: tuple[str, ...] = ()
    complete: bool = True
    """False when an extension is named that nobody here knows: unknown words may be its own."""

    def dtmi(self, term: str) -> str | None:
        """What a term stands for, None when it is no word of the language or its extensions."""
        found = terms(language_context(self.version)).get(term)
        for extension in self.extensions:
            found = found or extension_terms(extension).get(term)
        return found


def read_context(
    value: Json, outer: Context | None, report: Report, *, undefined_extensions: bool | None
) -> Context | None:
    """The context that `value` sets inside `outer`; None after reporting why there is none.

    `undefined_extensions` says whether extensions may be named that are unknown here; None means
    as the language has it: in v2 yes, in v3 no.
    """
    named: list[Json] = value if isinstance(value, list) else [value]
    if not named:
        if outer is None:
            report("emptyContext", "@context is empty")
        return outer
    version, affiliates = _language(named, outer, report)
    if version is None:
        return None
    extensions = list(outer.extensions) if outer is not None else []
    complete = outer is None or outer.complete
    sound = True
    tolerant = version == 2 if undefined_extensions is None else undefined_extensions

    def wrong(rule: str, message: str) -> None:
        nonlocal sound
        sound = False
        report(rule, message)

    for specifier in affiliates:
        if isinstance(specifier, dict):
            wrong(
                "disallowedLocalContext", f"@context defines terms of its own, which DTDL v{version} forbids"
            )
        elif not isinstance(specifier, str):
            wrong("invalidContext", "@context has a value that is no string")
        elif (rule := _fault(specifier, version)) is not None:
            wrong(rule, f"@context has value '{specifier}', which is no context of DTDL v{version}")
        elif specifier in known_contexts():
            extensions.append(specifier)
        elif tolerant:
            complete = False
        else:
            known = any(specifier.partition(";")[0] == name.partition(";")[0] for name in known_contexts())
            rule = "unresolvableContextVersion" if known else "unresolvableContextSpecifier"
            wrong(rule, f"@context has value '{specifier}', which is unrecognized")
    return Context(version, tuple(extensions), complete) if sound else None


def _language(named: list[Json], outer: Context | None, report: Report) -> tuple[int | None, list[Json]]:
    """The version of DTDL, which the last of the leading DTDL contexts sets, and the contexts of extensions.

    IoT Central's extension of v2 may stand before the DTDL context.
    """
    ahead = 1 if named[0] == CENTRAL and len(named) > 1 and named[1] == language_context(2) else 0
    first = ahead
    version = outer.version if outer is not None else None
    while first < len(named) and _is_language(specifier := named[first]):
        version = _version(specifier, report)
        if version is None:
            return None, []
        first += 1
    if version is None and isinstance(named[0], str | dict):
        report("missingDtdlContext", f"@context does not begin with a DTDL context such as '{LANGUAGE};3'")
    elif version is None:
        report("invalidContext", "@context has a value that is no string")
    return version, named[:ahead] + named[first:]


def _is_language(specifier: Json) -> TypeIs[str]:
    return isinstance(specifier, str) and specifier.partition(";")[0].partition("#")[0] == LANGUAGE


def _version(specifier: str, report: Report) -> int | None:
    _, semicolon, version = specifier.partition(";")
    if "#" in specifier:
        report("disallowedContextFragment", f"@context has value '{specifier}', which includes a fragment")
    elif not semicolon:
        report("missingContextVersion", f"@context has value '{specifier}' without a version")
    elif version not in map(str, VERSIONS):
        report(
            "unrecognizedContextVersion",
            f"@context has value '{specifier}', a version that is not recognized",
        )
    else:
        return int(version)
    return None


def _fault(specifier: str, version: int) -> str | None:
    """The rule that an extension's context breaks by its form."""
    if _is_language(specifier):
        return "dtdlContextFollowsAffiliate"
    if not specifier.startswith("dtmi:"):
        return "nonDtmiContextSpecifier"
    if not is_dtmi(specifier) or "#" in specifier:
        return "invalidContextSpecifier"
    if ";" not in specifier:
        return "missingContextVersion"
    if version == 2 and "." in specifier:
        return "invalidContextSpecifierForVersion"
    return None
