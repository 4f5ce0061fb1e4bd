"""The medicines of the population: RxNorm codes, and how each is usually taken and dispensed."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Drug:
    """A medicine and how it is usually taken.

    `code` is RxNorm. `route` is a name of ROUTES. One dose is `dose` of `unit` (UCUM; `shown` for people), taken
    `times` in `period` of `period_unit`. `quantity` of `unit` is dispensed for `days`. `reason` and `reason_code`
    (SNOMED CT) say what it is for. `is_listed` says that a Medication resource stands for it in the formulary, which
    prescriptions then refer to.
    """

    code: str
    name: str
    form: str
    route: str
    dose: Decimal | int
    unit: str
    shown: str
    times: int
    quantity: Decimal | int
    days: int
    reason_code: str
    sig: str
    period: int = 1
    period_unit: str = "d"
    as_needed: bool = False
    is_listed: bool = False


def _tablet(code: str, name: str, times: int, days: int, reason: str, sig: str, *, form: str = "tablet") -> Drug:
    unit = "{capsule}" if form == "capsule" else "{tbl}"
    return Drug(code, name, form, "oral", 1, unit, form, times, times * days, days, reason, sig)


ROUTES: Mapping[str, str] = {
    "oral": "26643006",
    "sublingual": "37839007",
    "inhaled": "447694001",
    "subcutaneous": "34206005",
    "intramuscular": "78421000",
    "nasal": "46713006",
    "topical": "6064005",
}
"""SNOMED CT codes of routes."""

FORMS: Mapping[str, str] = {
    "tablet": "385055001",
    "capsule": "385049006",
    "suspension": "385024007",
    "injection": "385219001",
}
"""SNOMED CT codes of dose forms, for those that have one here."""

DRUGS: Mapping[str, Drug] = {
    "lisinopril": _tablet("314076", "lisinopril 10 MG Oral Tablet", 1, 90, "59621000", "Take 1 tablet once a day."),
    "amlodipine": _tablet("197361", "amlodipine 5 MG Oral Tablet", 1, 90, "59621000", "Take 1 tablet once a day."),
    "hydrochlorothiazide": _tablet(
        "310798", "hydrochlorothiazide 25 MG Oral Tablet", 1, 90, "59621000", "Take 1 tablet every morning."
    ),
    "atorvastatin": _tablet(
        "617310", "atorvastatin 20 MG Oral Tablet", 1, 90, "55822004", "Take 1 tablet each evening."
    ),
    "metformin": _tablet(
        "861007",
        "metformin hydrochloride 500 MG Oral Tablet",
        2,
        90,
        "44054006",
        "Take 1 tablet twice daily with food.",
    ),
    "insulin": Drug(
        "311041",
        "insulin glargine 100 UNT/ML Injectable Solution",
        "injection",
        "subcutaneous",
        20,
        "[iU]",
        "units",
        1,
        1000,
        50,
        "44054006",
        "Inject 20 units under the skin every night.",
        is_listed=True,
    ),
    "sertraline": _tablet("312941", "sertraline 50 MG Oral Tablet", 1, 30, "370143000", "Take 1 tablet every morning."),
    "prazosin": _tablet(
        "312593", "prazosin 1 MG Oral Capsule", 1, 30, "47505003", "Take 1 capsule at bedtime.", form="capsule"
    ),
    "albuterol": Drug(
        "745679",
        "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler",
        "inhaler",
        "inhaled",
        2,
        "{puff}",
        "puffs",
        1,
        200,
        30,
        "195967001",
        "Breathe in 2 puffs every 4 hours if short of breath.",
        period=4,
        period_unit="h",
        as_needed=True,
        is_listed=True,
    ),
    "omeprazole": _tablet(
        "198051",
        "omeprazole 20 MG Delayed Release Oral Capsule",
        1,
        30,
        "235595009",
        "Take 1 capsule before breakfast.",
        form="capsule",
    ),
    "levothyroxine": _tablet(
        "892246", "levothyroxine sodium 0.1 MG Oral Tablet", 1, 90, "40930008", "Take 1 tablet on an empty stomach."
    ),
    "gabapentin": _tablet(
        "310431",
        "gabapentin 300 MG Oral Capsule",
        3,
        30,
        "247398009",
        "Take 1 capsule three times a day.",
        form="capsule",
    ),
    "ibuprofen": _tablet(
        "197807", "ibuprofen 800 MG Oral Tablet", 3, 10, "22253000", "Take 1 tablet three times a day with food."
    ),
    "acetaminophen": Drug(
        "313782",
        "acetaminophen 325 MG Oral Tablet",
        "tablet",
        "oral",
        2,
        "{tbl}",
        "tablets",
        1,
        60,
        10,
        "22253000",
        "Take 2 tablets every 6 hours if in pain.",
        period=6,
        period_unit="h",
        as_needed=True,
    ),
    "aspirin": _tablet("243670", "aspirin 81 MG Oral Tablet", 1, 90, "53741008", "Take 1 tablet once a day."),
    "amoxicillin": Drug(
        "308189",
        "amoxicillin 80 MG/ML Oral Suspension",
        "suspension",
        "oral",
        5,
        "mL",
        "mL",
        2,
        100,
        10,
        "65363002",
        "Give 5 mL twice a day for 10 days.",
        is_listed=True,
    ),
    "cetirizine": _tablet(
        "1014678", "cetirizine hydrochloride 10 MG Oral Tablet", 1, 30, "61582004", "Take 1 tablet once a day."
    ),
    "ondansetron": _tablet(
        "198052", "ondansetron 4 MG Oral Tablet", 2, 5, "422587007", "Take 1 tablet twice a day if sick."
    ),
    "tamsulosin": _tablet(
        "863669",
        "tamsulosin hydrochloride 0.4 MG Oral Capsule",
        1,
        90,
        "266569009",
        "Take 1 capsule after the same meal each day.",
        form="capsule",
    ),
    "donepezil": _tablet(
        "997223", "donepezil hydrochloride 10 MG Oral Tablet", 1, 30, "26929004", "Take 1 tablet at bedtime."
    ),
    "warfarin": _tablet("855332", "warfarin sodium 5 MG Oral Tablet", 1, 30, "49436004", "Take 1 tablet each evening."),
    "buprenorphine-naloxone": Drug(
        "351267",
        "buprenorphine 8 MG / naloxone 2 MG Sublingual Tablet",
        "tablet",
        "sublingual",
        1,
        "{tbl}",
        "tablet",
        1,
        30,
        30,
        "75544000",
        "Let 1 tablet dissolve under the tongue once a day.",
        is_listed=True,
    ),
    "naloxone": Drug(
        "1725059",
        "naloxone hydrochloride 40 MG/ML Nasal Spray",
        "spray",
        "nasal",
        1,
        "{spray}",
        "spray",
        1,
        2,
        365,
        "75544000",
        "Spray once into one nostril in an opioid emergency and call 911.",
        as_needed=True,
    ),
    "bictegravir": _tablet(
        "1999667",
        "bictegravir 50 MG / emtricitabine 200 MG / tenofovir alafenamide 25 MG Oral Tablet",
        1,
        30,
        "86406008",
        "Take 1 tablet once a day.",
    ),
    "epinephrine": Drug(
        "727316",
        "0.3 ML Epinephrine 0.5 MG/ML Auto-Injector",
        "injection",
        "intramuscular",
        Decimal("0.3"),
        "mL",
        "mL",
        1,
        Decimal("0.6"),
        365,
        "39579001",
        "Inject into the outer thigh at signs of a severe allergic reaction and call 911.",
        as_needed=True,
    ),
    "norethindrone": _tablet(
        "748962", "Camila 28 Day Pack", 1, 28, "13197004", "Take 1 tablet daily, always at one time."
    ),
}
"""The medicines of the population by the names that prescriptions use."""
