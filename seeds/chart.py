"""The record of one person while it is written: gives each resource its id, its labels and its agency.

Each visit closes with a Provenance that names who wrote it down (US Core Provenance:
https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-provenance.html).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from seeds.codes import coding, label_codings
from seeds.model import Agency, Clinician, Clock, Facility, Labels, Person, Resource

TAG_SYSTEM = "urn:fhir-server:seeds"
"""System of the tag that marks what belongs to the demo population (`demo`) or a generated one (`generated`)."""

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"

MAX_ID_CHARS = 64
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Directory:
    """Facilities and clinicians by key."""

    facilities: Mapping[str, Facility]
    clinicians: Mapping[str, Clinician]


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter on the way: its Encounter's reference, when it begins and ends, where and with whom."""

    reference: str
    start: datetime
    end: datetime
    facility: Facility
    clinician: Clinician


@dataclass(slots=True)
class Chart:
    """The resources of one person, in the order in which they refer to each other.

    `random` is seeded by the person's key, so that one person's record does not change with the others'.
    """

    person: Person
    directory: Directory
    clock: Clock
    random: Random
    population: str = "demo"
    resources: list[Resource] = field(default_factory=list)
    _unsigned: list[tuple[str, Labels]] = field(default_factory=list)
    _references: set[str] = field(default_factory=set)
    _labels: Labels = ()

    @property
    def patient(self) -> Resource:
        """The Reference to the Patient, with the name to show."""
        name = f"{' '.join(self.person.given)} {self.person.family}"
        return {"reference": f"Patient/{self.person.key}", "display": name}

    @property
    def facility(self) -> Facility:
        """Where the person is enrolled."""
        return self.directory.facilities[self.person.facility]

    @property
    def clinician(self) -> Clinician:
        """Who leads the person's care."""
        return self.directory.clinicians[self.person.clinician]

    def ago(self, days: int, hour: int, minute: int = 0, facility: Facility | None = None) -> datetime:
        """A time of the wall clock of the facility (where the person is enrolled, if none is given), `days` ago, or on
        the Friday before a weekend."""
        weekday = self.clock.day(-days).weekday()
        return self.clock.at(-days - max(0, weekday - FRIDAY), hour, minute, (facility or self.facility).zone)

    def add(
        self,
        type: str,
        key: str,
        elements: Mapping[str, Any],
        *,
        profiles: tuple[str, ...] = (),
        labels: Labels = (),
        agency: Agency | None = None,
    ) -> str:
        """Write down one resource under the id `<person>-<key>` (the Patient itself under the person's key, which an
        empty `key` says); its reference, such as `Observation/rivera-ana-bp-1`.

        `profiles` are names of US Core profiles, such as `us-core-patient`, or whole URLs. Raises ValueError for an id
        that is used already or too long.
        """
        id = f"{self.person.key}-{key}" if key else self.person.key
        reference = f"{type}/{id}"
        if len(id) > MAX_ID_CHARS or reference in self._references:
            raise ValueError(f"{reference} is too long or there already")
        self._references.add(reference)
        every = tuple(dict.fromkeys((*self._labels, *labels)))
        marks = meta(self.population, agency or self.person.agency, profiles, every)
        self.resources.append({"resourceType": type, "id": id, "meta": marks, **elements})
        if type != "Provenance":
            self._unsigned.append((reference, every))
        return reference

    @contextmanager
    def labelled(self, labels: Labels) -> Iterator[None]:
        """Whatever is added inside bears these security labels besides its own."""
        kept, self._labels = self._labels, (*self._labels, *labels)
        yield
        self._labels = kept

    @contextmanager
    def signed(self, key: str, when: datetime, facility: Facility, clinician: Clinician) -> Iterator[None]:
        """What is added inside is signed at the end by one Provenance `<person>-<key>-provenance`.

        A Provenance names its targets, so what is labelled otherwise than the rest gets one of its own, labelled alike:
        `<person>-<key>-provenance-2`, and so on.
        """
        kept, self._unsigned = self._unsigned, []
        yield
        added, self._unsigned = self._unsigned, kept
        by_labels: dict[Labels, list[str]] = {}
        for reference, labels in sorted(added, key=lambda each: each[1] != ()):
            by_labels.setdefault(labels, []).append(reference)
        for number, (labels, targets) in enumerate(by_labels.items(), start=1):
            suffix = "" if number == 1 else f"-{number}"
            self._sign(f"{key}-provenance{suffix}", targets, labels, when, facility, clinician)

    def _sign(
        self, key: str, targets: list[str], labels: Labels, when: datetime, facility: Facility, clinician: Clinician
    ) -> None:
        organization = {"reference": f"Organization/{facility.key}", "display": facility.name}
        author = {
            "type": {"coding": [coding("provenance-participant-type", "author")]},
            "who": {"reference": f"Practitioner/{clinician.key}"},
            "onBehalfOf": organization,
        }
        transmitter = {
            "type": {"coding": [coding("us-core-provenance-participant-type", "transmitter")]},
            "who": organization,
        }
        self.add(
            "Provenance",
            key,
            {
                "target": [{"reference": target} for target in targets],
                "recorded": instant(when),
                "agent": [author, transmitter],
            },
            profiles=("us-core-provenance",),
            labels=labels,
            agency=facility.agency,
        )


def meta(population: str, agency: Agency, profiles: tuple[str, ...] = (), labels: Labels = ()) -> Resource:
    """`meta` of a seeded resource: profiles, source agency, the label for test data and the tag of the population."""
    urls = [each if "://" in each else f"{US_CORE}{each}" for each in profiles]
    found: Resource = {"source": f"urn:fhir-server:agency:{agency}"}
    if urls:
        found["profile"] = urls
    found["security"] = label_codings(("HTEST", *labels))
    found["tag"] = [{"system": TAG_SYSTEM, "code": population}]
    return found


def instant(when: datetime) -> str:
    """An instant or dateTime with its offset, as FHIR writes it."""
    return when.isoformat(timespec="seconds")
