"""The stories of the demo population: what somebody can look at first, as links that give at least one result each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a story: `path` is relative to the FHIR base, such as `Patient/rivera-ana`."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Story:
    """One thing the population shows, told in a sentence or two."""

    title: str
    text: str
    links: tuple[Link, ...]


STORIES: tuple[Story, ...] = (
    Story(
        "A sponsor and her family",
        "Petty Officer Ana Rivera serves in the Navy. Her husband, four children and mother are in the record through "
        "her, and she acts for the children.",
        (
            Link("Ana Rivera", "Patient/rivera-ana"),
            Link("Everybody covered through her", "Coverage?subscriber=Patient/rivera-ana"),
            Link("Her laboratory results", "Observation?patient=rivera-ana&category=laboratory"),
            Link("Notes of her visits, as text and PDF", "DocumentReference?patient=rivera-ana&category=clinical-note"),
            Link("Lucia, six: peanut allergy", "AllergyIntolerance?patient=rivera-lucia"),
            Link("Tomas, the baby: vaccinations", "Immunization?patient=rivera-tomas&_sort=-date"),
        ),
    ),
    Story(
        "A teenager's own part of the record",
        "Sofia Rivera is fifteen. What she said alone to her clinician is labelled; her mother's proxy leaves it out.",
        (
            Link("Her visits, labels in meta.security", "Encounter?patient=rivera-sofia"),
            Link("What is labelled as hers alone", "Condition?patient=rivera-sofia&_security=ADOL"),
            Link("The limited proxy", "Consent?patient=rivera-sofia"),
        ),
    ),
    Story(
        "From the Army to the VA",
        "James Walker served eleven years and is in VA care now. One Patient carries both agencies' numbers; what the "
        "Department of Defense wrote is there with its Provenance, beside the copy it came with.",
        (
            Link("James Walker", "Patient/walker-james"),
            Link("His conditions from both agencies", "Condition?patient=walker-james"),
            Link("Only what came from the DoD", "Condition?patient=walker-james&_source=urn:fhir-server:agency:dod"),
            Link("Who wrote what down, and for whom", "Encounter?patient=walker-james&_revinclude=Provenance:target"),
            Link("The source copy", "Patient/walker-james-dod-copy"),
            Link("His phases of service", "EpisodeOfCare?patient=walker-james"),
        ),
    ),
    Story(
        "Substance use treatment under 42 CFR Part 2",
        "Staff Sergeant Jordan Hayes is in outpatient treatment. Those records are restricted, must not be passed on, "
        "and may go to the VA by his consent.",
        (
            Link("Records that the law protects", "Condition?patient=hayes-jordan&_security=42CFRPart2"),
            Link("His consent to disclose", "Consent?patient=hayes-jordan"),
            Link("The plan of recovery", "CarePlan?patient=hayes-jordan"),
        ),
    ),
    Story(
        "Records the VA must protect: 38 USC 7332",
        "Denise Brooks agreed that her HIV records be shared with a military hospital; Samuel Okoye refused for his "
        "sickle cell trait.",
        (
            Link("Denise Brooks: labelled results", "Observation?patient=brooks-denise&_security=Title38Section7332"),
            Link(
                "Her helper cells over two years",
                "Observation?patient=brooks-denise&code=http://loinc.org%7C24467-3&_sort=date",
            ),
            Link("Her consent", "Consent?patient=brooks-denise&status=active"),
            Link("Samuel Okoye: his refusal", "Consent?patient=okoye-samuel&status=rejected"),
        ),
    ),
    Story(
        "A surrogate decides",
        "Kenji Nakamura cannot decide for himself since a head injury. His wife Emi holds his power of attorney.",
        (
            Link("Kenji and who acts for him", "RelatedPerson?patient=nakamura-kenji"),
            Link("The proxy and the living will", "Consent?patient=nakamura-kenji"),
            Link("A message Emi wrote for him", "Communication?patient=nakamura-kenji"),
        ),
    ),
    Story(
        "A prescription in every state",
        "Retired Master Chief Harold Washington has a medicine in every state a prescription can be in: refills left, "
        "the last refill, renewal asked for, approved and denied, on hold, stopped, expired.",
        (
            Link("All his prescriptions", "MedicationRequest?patient=washington-harold"),
            Link("Requests for renewal", "MedicationRequest?patient=washington-harold&intent=proposal"),
            Link("What became of them", "Task?patient=washington-harold"),
            Link("What was dispensed", "MedicationDispense?patient=washington-harold"),
            Link(
                "Three years of hemoglobin A1c",
                "Observation?patient=washington-harold&code=http://loinc.org%7C4548-4&_sort=date",
            ),
        ),
    ),
    Story(
        "Coast Guard, with a Navy past",
        "Rosa Delgado changed from the Navy to the Coast Guard. The Navy's allergy entry came along, with who made it.",
        (
            Link("Rosa Delgado", "Patient/delgado-rosa"),
            Link(
                "Her allergy, and who wrote it down",
                "AllergyIntolerance?patient=delgado-rosa&_revinclude=Provenance:target",
            ),
            Link("Erik Lindqvist: his dental class", "Observation?patient=lindqvist-erik&code=dental-readiness-class"),
        ),
    ),
    Story(
        "A NOAA officer at sea",
        "Lieutenant Nora Fairchild dives off the Aleutians; her ship's notes arrived late and keep their own times.",
        (
            Link("Her visits", "Encounter?patient=fairchild-nora&_sort=-date"),
            Link("Her messages", "Communication?patient=fairchild-nora"),
        ),
    ),
    Story(
        "A clinic that has not gone live",
        "Peter and Amy Kowalski are enrolled, but their facility in Fairbanks keeps its records elsewhere until its "
        "go-live date.",
        (
            Link("The facility and its date", "Location/boreal-air"),
            Link("Peter Kowalski", "Patient/kowalski-peter"),
            Link("All that is there of him", "Coverage?patient=kowalski-peter"),
        ),
    ),
    Story(
        "Ready to deploy?",
        "Readiness is six elements and a dental class, without a diagnosis: Corporal Tuiasosopo is class 3.",
        (
            Link("Who is in which dental class", "Observation?code=dental-readiness-class"),
            Link("Minjun Park: the six elements", "Observation?patient=park-minjun&category=exam"),
            Link("The unit", "Group/unit-readiness"),
        ),
    ),
    Story(
        "A knee, from injury to implant",
        "Sione Tuiasosopo tore a meniscus; Ruth Washington got a new knee. Orders, images, reports and the device.",
        (
            Link(
                "The report of the MRI",
                "DiagnosticReport?patient=tuiasosopo-sione&category=http://loinc.org%7CLP29684-5",
            ),
            Link("The images", "ImagingStudy?patient=tuiasosopo-sione"),
            Link("The implant and its identifier", "Device?patient=washington-ruth"),
        ),
    ),
    Story(
        "Two parents, two proxies",
        "Owen Sullivan's parents are divorced: father and mother each have a standing of their own.",
        (
            Link("Who acts for Owen", "RelatedPerson?patient=sullivan-owen"),
            Link("Their consents", "Consent?patient=sullivan-owen"),
        ),
    ),
    Story(
        "Eighteen",
        "Hannah Foster turned eighteen; her father's access ended. His own record once had a duplicate, now merged.",
        (
            Link("The proxy that ended", "RelatedPerson?patient=foster-hannah&active=false"),
            Link("The duplicate, and what replaced it", "Patient/foster-daniel-duplicate"),
        ),
    ),
    Story(
        "On the way in",
        "Registrations: done, held up by a discrepancy, refused, and one whose proof of service is under review.",
        (
            Link("All registrations", "Task?code=registration"),
            Link("Checks of eligibility", "VerificationResult?_count=10"),
        ),
    ),
    Story(
        "Booking a visit",
        "Twelve weeks of calendars with about 3,000 slots, and appointments in every status.",
        (
            Link(
                "Free slots of Dr. Okafor",
                "Slot?schedule=Schedule/okafor-grace-schedule&status=free&_sort=start&_count=20",
            ),
            Link("All appointments, by date", "Appointment?_sort=date"),
            Link("Who can be booked", "Schedule?_include=Schedule:actor"),
        ),
    ),
)
