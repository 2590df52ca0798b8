"""Localizable text: a string, an object by language, or an array of tagged strings."""

import re
from collections.abc import Callable

from local.digital_twins.dtdl.metamodel import Literal
from local.digital_twins.jsontypes import Json, JsonObject

type Report = Callable[[str, str], None]
"""Called with the rule that a value breaks and a sentence about it."""

_LANGUAGE_CODE = re.compile("[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_DEFAULT_LANGUAGE = "en"


def flat(value: Json) -> list[Json]:
    """The values of a property: to JSON-LD arrays in arrays are flat, and one value is an array of it."""
    if not isinstance(value, list):
        return [value]
    return [part for item in value for part in flat(item)]


def read_lang_string(declared: Literal, value: Json, version: int, report: Report) -> JsonObject:
    """Language -> text; what is not sound is reported and left out."""
    if isinstance(value, dict):
        texts = _language_map(declared.name, value, report)
    else:
        texts = _language_list(declared.name, flat(value), version, report)
        if not isinstance(value, list | str):
            report(
                "langStringNotLangString",
                f"property '{declared.name}' has a value that is neither string nor object",
            )
    limit = declared.max_length
    for language, text in texts.items():
        if limit is not None and isinstance(text, str) and len(text) > limit:
            report(
                "langStringValueTooLong",
                f"property '{declared.name}' has a value in '{language}' longer than {limit} characters",
            )
    return texts


def _language_map(name: str, value: JsonObject, report: Report) -> JsonObject:
    if set(value) == {"@language", "@value"}:
        report("langTagValueInLangMap", f"property '{name}' has '@value' where languages are expected")
        return {}
    texts: JsonObject = {}
    for language, text in value.items():
        if language.startswith("@"):
            report("langMapObjKeyword", f"property '{name}' has '{language}', which is no language")
        elif not _LANGUAGE_CODE.fullmatch(language):
            report("langStringInvalidCode", f"property '{name}' has '{language}', which is no language code")
        elif not isinstance(text, str):
            report(
                "langStringValueNotString", f"property '{name}' has a value in '{language}' that is no string"
            )
        else:
            texts[language] = text
    return texts


def _language_list(name: str, values: list[Json], version: int, report: Report) -> JsonObject:
    texts: JsonObject = {}
    for item in values:
        language: Json = _DEFAULT_LANGUAGE
        text: Json = item
        if isinstance(item, dict):
            language, text = _tagged(name, item, version, report)
        elif not isinstance(item, str):
            report(
                "langStringElementNotStringOrObject",
                f"property '{name}' has an element that is neither string nor object",
            )
            continue
        if not isinstance(language, str) or not isinstance(text, str):
            continue
        if language in texts:
            report(
                "langStringElementCodeNotUnique", f"property '{name}' has more than one value in '{language}'"
            )
        texts[language] = text
    return texts


def _tagged(name: str, item: JsonObject, version: int, report: Report) -> tuple[Json, Json]:
    """Language and text of `{"@language": ..., "@value": ...}`."""
    for key in item:
        if key in ("@context", "@graph", "@id"):
            report(
                f"langStringElement{key[1:].capitalize()}", f"property '{name}' has an element with '{key}'"
            )
        elif key == "@type" and version > 2:
            report("langStringElementType", f"property '{name}' has an element with '@type'")
        elif key.startswith("@") and key not in ("@language", "@type", "@value") and version > 2:
            report("langStringElementKeyword", f"property '{name}' has an element with '{key}'")
        elif not key.startswith("@"):
            report("langStringElementInvalidProp", f"property '{name}' has an element with '{key}'")
    language = item.get("@language", _DEFAULT_LANGUAGE)
    if not isinstance(language, str):
        report(
            "langStringElementCodeNotString",
            f"property '{name}' has an element whose '@language' is no string",
        )
    elif not _LANGUAGE_CODE.fullmatch(language):
        report(
            "langStringElementInvalidCode", f"property '{name}' has '{language}', which is no language code"
        )
    if "@value" not in item:
        report("langStringElementNoValue", f"property '{name}' has an element without '@value'")
    elif not isinstance(item["@value"], str):
        report(
            "langStringElementValueNotString", f"property '{name}' has an element whose '@value' is no string"
        )
    return language, item.get("@value")
