"""Visits that nobody who acts for a teenager sees: of mental health, substance use and reproductive health.

https://hl7.org/fhir/R4/security-labels.html, http://terminology.hl7.org/CodeSystem/service-type
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_server.care.proxies import ACT_CODE, KEPT_BY_TEENAGERS
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.token import label

MENTAL_HEALTH, SUBSTANCE_USE, REPRODUCTIVE = "MH", "SUD", "SEX"

DISPLAYS: Mapping[str, str] = {
    MENTAL_HEALTH: "mental health information sensitivity",
    SUBSTANCE_USE: "substance use disorder information sensitivity",
    REPRODUCTIVE: "sexuality and reproductive health information sensitivity",
}

_HL7 = "http://terminology.hl7.org/CodeSystem"
_NUCC = "http://nucc.org/provider-taxonomy"
_SNOMED = "http://snomed.info/sct"
_SERVICE_TYPES: Mapping[str, str] = {
    MENTAL_HEALTH: (
        "69 70 71 72 74 79 81 134 135 136 137 138 139 140 141 142 239 242 243 244 250 259 260 262 283 305 308 316 328 "
        "346 351 352 406 414 417 418 419 420 421 422 423 490 538 541 542 564 610"
    ),
    SUBSTANCE_USE: "105 106 107 108 109 111 246 247 248 317 325 326 386 455 457 552",
    REPRODUCTIVE: (
        "54 58 67 80 185 186 187 188 213 245 249 263 264 265 271 301 319 385 401 409 410 411 433 438 439 440 441 450 "
        "451 452 481 482 543 559 567 582"
    ),
}
"""Codes of HL7's service types: a display need not come with them (https://terminology.hl7.org/CodeSystem-service-type)."""
_CODES: Mapping[tuple[str, str], str] = {
    **{(f"{_HL7}/service-type", code): kind for kind, codes in _SERVICE_TYPES.items() for code in codes.split()},
    (_SNOMED, "394587001"): MENTAL_HEALTH,
    (_SNOMED, "394588006"): MENTAL_HEALTH,
    (_SNOMED, "394585009"): REPRODUCTIVE,
    (_SNOMED, "394586005"): REPRODUCTIVE,
    (_SNOMED, "408470005"): REPRODUCTIVE,
    (_NUCC, "207QA0401X"): SUBSTANCE_USE,
    (_NUCC, "2084A0401X"): SUBSTANCE_USE,
    (_NUCC, "207RA0401X"): SUBSTANCE_USE,
    (_NUCC, "101YA0400X"): SUBSTANCE_USE,
    (_NUCC, "103TA0400X"): SUBSTANCE_USE,
}
_NUCC_STARTS = (
    ("2084P08", MENTAL_HEALTH),
    ("2084P0015", MENTAL_HEALTH),
    ("103", MENTAL_HEALTH),
    ("101Y", MENTAL_HEALTH),
    ("1041C", MENTAL_HEALTH),
    ("106H", MENTAL_HEALTH),
    ("363LP0808", MENTAL_HEALTH),
    ("207V", REPRODUCTIVE),
    ("363LX0001", REPRODUCTIVE),
    ("367A", REPRODUCTIVE),
)
"""Beginnings of codes of the NUCC taxonomy: psychiatry, psychology, counselling, obstetrics, midwifery."""
_WORDS = (
    (SUBSTANCE_USE, re.compile(r"substance|addict|alcohol|drug|opioid|detox|methadone", re.IGNORECASE)),
    (
        MENTAL_HEALTH,
        re.compile(
            r"mental|psych|counsel|behaviou?ral|suicid|self.?harm|depressi|anxiety|eating disorder", re.IGNORECASE
        ),
    ),
    (
        REPRODUCTIVE,
        re.compile(
            r"obstet|gyn|reproduct|contracep|birth control|family planning|pregnan|natal|matern|midwi|sexual|abortion"
            r"|\b(?:hiv|st[di]s?)\b",
            re.IGNORECASE,
        ),
    ),
)
"""Words that tell of a service or a reason whose code is in no table: rather too much is hidden than too little."""


def sensitivities(resource: Resource) -> tuple[str, ...]:
    """The codes (v3-ActCode) of how sensitive an Appointment, Slot, Schedule or HealthcareService is by its kind."""
    found: dict[str, None] = {}
    for concept in _concepts(resource):
        texts = [concept.get("text")]
        for coding in concept.get("coding", ()):
            texts.append(coding.get("display"))
            code = _by_code(str(coding.get("system", "")), str(coding.get("code", "")))
            if code is not None:
                found[code] = None
        words = " ".join(text for text in texts if isinstance(text, str))
        found |= dict.fromkeys(code for code, pattern in _WORDS if pattern.search(words))
    return tuple(found)


def _concepts(resource: Resource) -> Iterator[dict[str, Any]]:
    for name in ("serviceCategory", "serviceType", "specialty", "category", "type", "appointmentType", "reasonCode"):
        value = resource.get(name, ())
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, dict):
                yield each


def _by_code(system: str, code: str) -> str | None:
    if system == _NUCC:
        return _CODES.get((system, code)) or next(
            (kind for start, kind in _NUCC_STARTS if code.startswith(start)), None
        )
    return _CODES.get((system, code))


def hiding(resources: Iterable[Resource]) -> list[Resource]:
    """The security labels that hide a visit of these from who acts for a teenager: by what they are, and those that
    they have themselves.
    """
    found: dict[str, Resource] = {}
    for resource in resources:
        for coding in resource.get("meta", {}).get("security", ()):
            name = label(coding)
            if name in KEPT_BY_TEENAGERS:
                found.setdefault(name, coding)
        for code in sensitivities(resource):
            coding = {"system": ACT_CODE, "code": code, "display": DISPLAYS[code]}
            found.setdefault(label(coding) or "", coding)
    return list(found.values())


def with_labels(appointment: Resource, labels: Iterable[Resource]) -> Resource:
    """The Appointment with these security labels besides its own."""
    meta = dict(appointment.get("meta") or {})
    own = list(meta.get("security", ()))
    known = {label(each) for each in own}
    more = [each for each in labels if label(each) not in known]
    if not more:
        return appointment
    return appointment | {"meta": meta | {"security": own + more}}
