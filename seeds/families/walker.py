"""James Walker: eleven years in the Army, now a veteran in VA care; one record, two agencies' contributions.

There is one Patient with both numbers. What the Department of Defense sent about him stays as a source copy, a Patient
of its own that points back to him; what it wrote down says so in `meta.source` and in its Provenance.
"""

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    ids,
    immunizations,
    medications,
    messages,
    notes,
    plans,
    radiology,
    routine,
    service,
    social,
    vitals,
)
from seeds.chart import Chart
from seeds.codes import concept
from seeds.model import Agency, BeneficiaryClass, Branch, Resource
from seeds.people import Household, Identity, Member, address, birth_date, name

HOME = Household(
    Agency.VA,
    Branch.ARMY,
    "mission-valley-va",
    ("905 Eucalyptus Court",),
    "San Diego",
    "CA",
    "92117",
    race=("black",),
)
JAMES = HOME.person(
    "walker-james",
    "Walker",
    ("James", "Earl"),
    "male",
    41,
    (5, 9),
    BeneficiaryClass.VETERAN,
    8,
    "salazar-monica",
    marital_status="D",
    is_veteran=True,
    has_icn=True,
)
COPY = "dod-copy"


def _james(chart: Chart) -> None:
    copy = {"other": {"reference": f"Patient/{JAMES.key}-{COPY}"}, "type": "seealso"}
    enrollment.veteran(
        chart,
        years_ago=4,
        years_of_service=11,
        team=("ostrander-neil", "tran-bao"),
        identity=Identity(elements={"link": [copy]}),
        priority_group=1,
        deployments=((4_000, 3_700, "KWT"),),
    )
    service.phase(chart, "active-duty", chart.clock.day(-365 * 15), chart.clock.day(-365 * 4), Agency.DOD)
    _source_copy(chart)
    consents.terms(chart)
    _years_in_the_army(chart)
    _years_since(chart)


def _source_copy(chart: Chart) -> None:
    """What the Department of Defense sent about the same man, kept as it came, under its own record number."""
    post = chart.directory.facilities["sandhills-army"]
    person = chart.person
    record = ids.identifier("MR", "Medical record number", ids.mrn_system(post), ids.mrn(person.number), "usual")
    elements: Resource = {
        "identifier": [record, ids.dod_identifier(person.number)],
        "active": True,
        "name": [name(person) | {"prefix": ["SSG"], "use": "old"}],
        "gender": person.gender,
        "birthDate": birth_date(person, chart.clock).isoformat(),
        "address": [
            address(person)
            | {"line": ["4 Barracks Row"], "city": post.city, "state": post.state, "postalCode": "28307", "use": "old"}
        ],
        "communication": [{"language": concept("language", "en-US")}],
        "managingOrganization": {"reference": f"Organization/{post.key}", "display": post.name},
        "link": [{"other": chart.patient, "type": "refer"}],
    }
    with chart.signed("copy", chart.ago(365 * 4, 11), post, chart.directory.clinicians["boone-calvin"]):
        chart.add("Patient", COPY, elements, profiles=("us-core-patient",), agency=Agency.DOD)


def _years_in_the_army(chart: Chart) -> None:
    day = chart.clock.day
    with routine.seen(
        chart,
        "theatre",
        3_850,
        "deployment",
        "Vehicle struck by a blast, thrown against the frame. Brief confusion, ringing in both ears. Kept overnight.",
        by="prentiss-jude",
        hour=4,
        minutes=720,
        note="consultation",
        is_any_day=True,
        signs={"pulse": 104},
    ) as visit:
        conditions.diagnosis(chart, "concussion", "62106007", visit, days=60)
        radiology.study(
            chart,
            "head-ct",
            "head-ct",
            visit,
            findings="No bleeding, no fracture. Ventricles of normal size.",
            impression="Normal study.",
        )
    with routine.seen(
        chart,
        "army-exam",
        1_700,
        "checkup",
        "Ringing in the ears since deployment; hearing test shows loss of high notes. Low back pain after marches.",
        by="boone-calvin",
        panels=("bmp", "cbc"),
        signs={},
    ) as visit:
        conditions.problem(chart, "tinnitus", "60862001", day(-3_800), visit=visit)
        conditions.problem(chart, "back-pain", "278860009", day(-2_300), visit=visit)
        allergies.allergy(chart, "penicillin", "764146007", reactions=("271807003",), onset=day(-5_000), visit=visit)
        immunizations.given(chart, "anthrax", "24", day(-1_700), visit=visit, dose=3)
        immunizations.given(chart, "typhoid", "101", day(-1_700), visit=visit)
    with routine.seen(
        chart,
        "separation",
        1_470,
        "checkup",
        "Separation health assessment. Sleeps badly since the last deployment, startles easily; referred to the VA.",
        by="boone-calvin",
        signs={},
        panels=("bmp",),
    ) as visit:
        social.survey(chart, "separation-phq-9", visit, "phq-9", answers=(1, 1, 3, 2, 0, 1, 1, 1, 0))


def _years_since(chart: Chart) -> None:
    with routine.checkup(
        chart,
        "va-annual",
        96,
        "First visit this year. Army records reviewed with him. Blood pressure high at home too; starts lisinopril.",
        values={"glucose": 101, "cholesterol": 231, "ldl": 152, "hdl": 48, "triglyceride": 155},
        signs={"systolic": 148, "diastolic": 92},
        smoking="former",
        surveys=("phq-9", "audit-c"),
        answers={"phq-9": (2, 1, 3, 2, 0, 1, 2, 1, 0)},
    ) as visit:
        pressure = conditions.problem(chart, "hypertension", "59621000", visit.start.date(), visit=visit)
        vitals.average_pressure(chart, "home-pressure", visit, 151, 94, since=chart.ago(104, 7))
        notes.note(
            chart,
            "history",
            "history-physical",
            visit,
            "History:\nEleven years in the Army, one deployment, blast injury. No operations.\nExamination:\nHeart and "
            "lungs normal. Loss of high notes on both sides.",
        )
        social.treatment_preference(chart, "treatment-wish", visit, "Wants to try therapy before more medicines.")
        social.care_experience_preference(chart, "care-wish", visit, "Sit where I can see the door.")
        plans.care_plan(
            chart,
            "plan",
            visit,
            "Lower the blood pressure and sleep through the night.",
            ("Blood pressure below 130/80", "Seven hours of sleep"),
            addresses=(pressure,),
        )
        medications.prescription(chart, "lisinopril", "lisinopril", "refills-left", visit)
    with routine.seen(
        chart,
        "ptsd",
        57,
        "mental-health",
        "Nightmares three times a week. Begins weekly therapy and prazosin at night.",
        by="ostrander-neil",
        minutes=50,
        labels=("R", "PSY"),
    ) as visit:
        conditions.problem(chart, "ptsd", "47505003", visit.start.date(), labels=("R", "PSY"), visit=visit)
        medications.prescription(
            chart, "prazosin", "prazosin", "renewed", labels=("R", "PSY"), by="ostrander-neil", days_ago=57
        )
    messages.thread(
        chart,
        "records",
        "Are my Army records here?",
        "general",
        (
            ("patient", "Do you see what was done in the Army? I do not want to do the hearing test again."),
            ("team", "Yes, all of it, with the date and who wrote it. You need no new hearing test."),
        ),
        days_ago=85,
    )
    appointments.appointment(chart, "therapy", 5, 14, 0, "mental-health", "booked", clinician="ostrander-neil")


PEOPLE = (Member(JAMES, _james),)
