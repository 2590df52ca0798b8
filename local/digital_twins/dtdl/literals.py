"""Values that are text, numbers or truth values, in all the forms that JSON-LD gives them."""

import re
from functools import cache

from local.digital_twins.dtdl.identifiers import ID_LIMIT, is_own_dtmi
from local.digital_twins.dtdl.lang_strings import Report, flat, read_lang_string
from local.digital_twins.dtdl.metamodel import Literal
from local.digital_twins.jsontypes import Json, JsonObject

_DURATION = re.compile(
    r"P(?!$)(\d+(?:\.\d+)?Y)?(\d+(?:\.\d+)?M)?(\d+(?:\.\d+)?W)?(\d+(?:\.\d+)?D)?"
    r"(T(?=\d)(\d+(?:\.\d+)?H)?(\d+(?:\.\d+)?M)?(\d+(?:\.\d+)?S)?)?"
)
_XSD = "http://www.w3.org/2001/XMLSchema#"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def read_literal(declared: Literal, value: Json, version: int, report: Report) -> Json:
    """The plain value of a literal property; None after reporting why it has none."""
    if value is None:
        report("propertyValueNull", f"property '{declared.name}' has value null")
        return None
    match declared.datatype:
        case "langString":
            found: Json = read_lang_string(declared, value, version, report)
        case "identifier":
            found = _identifier(declared, value, version, report)
        case _:
            found = _single(declared, value, version, report)
    return found


def _single(declared: Literal, value: Json, version: int, report: Report) -> Json:
    datatype, name = declared.datatype, declared.name
    stem = "literal" if datatype == "untyped" else "string" if datatype == "duration" else datatype
    values = flat(value)
    if not values:
        if declared.required:
            report(f"{stem}CountBelowMin", f"property '{name}' has no value, but needs one")
        return None
    if len(values) > 1:
        report(f"{stem}MultipleValues", f"property '{name}' has multiple values, but only one is allowed")
        return None
    plain: Json = values[0]
    if isinstance(plain, dict):
        plain = _value_object(stem, name, plain, version, report)
    elif not _is_a(datatype, plain):
        rule = "literalNotValid" if stem == "literal" else f"{stem}Not{stem.capitalize()}"
        report(rule, f"property '{name}' has a value that is no JSON {stem}")
        return None
    if plain is not None:
        _check_limits(declared, plain, report)
    return plain


def _is_a(datatype: str, value: Json) -> bool:
    match datatype:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "untyped":
            return isinstance(value, str | int) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _value_object(stem: str, name: str, value: JsonObject, version: int, report: Report) -> Json:
    """The value of `{"@value": ..., "@type": "xsd:..."}`."""
    sound = True

    def wrong(rule: str, message: str) -> None:
        nonlocal sound
        sound = False
        report(rule, f"property '{name}' {message}")

    for key in value:
        if key in ("@context", "@graph", "@id"):
            wrong(f"valueObject{key[1:].capitalize()}", f"has '{key}', which a value object must not have")
        elif key == "@language" and version > 2:
            wrong("valueObjectLanguage", "has '@language', which a value object must not have")
        elif key.startswith("@") and key not in ("@value", "@type", "@language") and version > 2:
            wrong("valueObjectKeyword", f"has '{key}', which a value object must not have")
        elif not key.startswith("@"):
            wrong("valueObjectInvalidProp", f"has '{key}', which a value object must not have")
    stated: Json = value.get("@type", f"xsd:{stem}")
    if isinstance(stated, list):
        if len(stated) != 1:
            wrong("literalTypeNotSingular", "has a value object whose '@type' is not one string")
            return None
        stated = stated[0]
    if isinstance(stated, str):
        stated = stated.replace(_XSD, "xsd:")
    if "@value" not in value:
        wrong(f"{stem}ObjectNoValue", "has a value object without '@value'")
        return None
    plain = value["@value"]
    if stem == "literal":
        datatype = stated.removeprefix("xsd:") if isinstance(stated, str) else ""
        datatype = "untyped" if datatype == stem else datatype
        if datatype not in ("boolean", "integer", "string", "untyped"):
            wrong("literalNotValid", f"has a value object of @type '{stated}'")
        elif not _is_a(datatype, plain):
            wrong(
                f"{datatype}ValueNot{datatype.capitalize()}" if datatype != "untyped" else "literalNotValid",
                f"has an '@value' that is no JSON {datatype}",
            )
    else:
        if stated != f"xsd:{stem}":
            wrong(
                f"{stem}TypeNot{stem.capitalize()}", f"has a value object whose '@type' is not 'xsd:{stem}'"
            )
        if not _is_a(stem, plain):
            wrong(f"{stem}ValueNot{stem.capitalize()}", f"has an '@value' that is no JSON {stem}")
    return plain if sound else None


def _check_limits(declared: Literal, plain: Json, report: Report) -> None:
    place = f"property '{declared.name}' has value '{plain}', which"
    if isinstance(plain, str):
        if declared.max_length is not None and len(plain) > declared.max_length:
            report("stringTooLong", f"{place} is longer than {declared.max_length} characters")
        if declared.pattern is not None and not _compiled(declared.pattern).fullmatch(plain):
            report("stringInvalid", f"{place} does not match the required pattern {declared.pattern}")
        if declared.datatype == "duration" and not is_duration(plain):
            report("durationInvalid", f"{place} is no ISO 8601 duration")
        return
    if not isinstance(plain, int):
        return
    if declared.exactly is not None and plain != declared.exactly:
        report("valueNotExact", f"{place} is not {declared.exactly}")
    if declared.minimum is not None and plain < declared.minimum:
        rule = "valueBelowMin" if declared.maximum is None else "valueBelowRange"
        report(rule, f"{place} is less than {declared.minimum}")
    if declared.maximum is not None and plain > declared.maximum:
        rule = "valueAboveMax" if declared.minimum is None else "valueAboveRange"
        report(rule, f"{place} is greater than {declared.maximum}")


def is_duration(text: str) -> bool:
    """Whether `text` is an ISO 8601 duration: no weeks beside years or months, a fraction only at the end.

    >>> is_duration("P3Y6M4DT8H9M5.5S"), is_duration("P1Y3W"), is_duration("P3.5DT2H")
    (True, False, False)
    """
    found = _DURATION.fullmatch(text)
    if found is None or (found[3] and (found[1] or found[2])):
        return False
    dot = text.find(".")
    return dot < 0 or not any(character.isdigit() for character in text[dot + 1 :].lstrip("0123456789"))


def _identifier(declared: Literal, value: Json, version: int, report: Report) -> Json:
    values = flat(value)
    if len(values) > 1:
        report(
            "identifierMultipleValues",
            f"property '{declared.name}' has multiple values, but only one is allowed",
        )
        return None
    plain: Json = values[0] if values else None
    if not isinstance(plain, str):
        if values:
            report("identifierNotString", f"property '{declared.name}' has a value that is no JSON string")
        return None
    if not is_own_dtmi(plain, version):
        report(
            "identifierNotDtmi",
            f"property '{declared.name}' has value '{plain}', which is no DTMI of DTDL v{version}",
        )
        return None
    if len(plain) > ID_LIMIT:
        report(
            "identifierTooLong", f"property '{declared.name}' has a value longer than {ID_LIMIT} characters"
        )
        return None
    return plain
