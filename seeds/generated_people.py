"""Families made up by chance: who they are, where they live, who is enrolled through whom.

Given and family names are common ones, put together at random: no person is meant.
"""

from random import Random
from typing import Literal

from seeds.calendar import FIRST_DAY
from seeds.chart import Directory
from seeds.model import Agency, BeneficiaryClass, Branch, Facility, Person
from seeds.people import Household

Gender = Literal["female", "male"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FAMILY_NAMES = _words(
    "Adams Alvarez Anderson Bailey Baker Barnes Bennett Brooks Brown Butler Campbell Carter Castillo Chavez Clark "
    "Coleman Collins Cook Cooper Cox Cruz Davis Diaz Edwards Evans Fisher Flores Foster Garcia Gomez Gonzales Gray "
    "Green Gutierrez Hall Harris Hayes Henderson Hernandez Hill Howard Hughes Jackson James Jenkins Johnson Jones "
    "Kelly Kim King Lee Lewis Long Lopez Martin Martinez Mendoza Miller Mitchell Moore Morales Morgan Morris Murphy "
    "Myers Nelson Nguyen Ortiz Parker Patel Perez Perry Peterson Phillips Powell Price Ramirez Ramos Reed Reyes "
    "Richardson Rivera Roberts Robinson Rodriguez Rogers Ross Ruiz Russell Sanchez Sanders Scott Simmons Smith Stewart "
    "Sullivan Taylor Thomas Thompson Torres Turner Walker Ward Washington Watson White Williams Wilson Wood Young"
)
_GIVEN_NAMES: dict[Gender, tuple[str, ...]] = {
    "female": _words(
        "Abigail Alice Amanda Amelia Andrea Angela Ava Brenda Camila Carol Charlotte Chloe Clara Daniela Diana Elena "
        "Ella Emily Emma Evelyn Grace Hannah Helen Irene Isabella Jasmine Julia Karen Laura Leah Lily Lucy Maria Maya "
        "Mia Naomi Natalie Nora Olivia Rachel Rosa Ruth Sarah Sophia Stella Teresa Valeria Victoria Violet Zoe"
    ),
    "male": _words(
        "Aaron Adam Adrian Alan Albert Andrew Anthony Arthur Benjamin Brian Caleb Carlos Charles Daniel David Diego "
        "Dominic Edward Eli Eric Ethan Felix Gabriel George Henry Hugo Isaac Jacob James Jason Joel John Jonah Jose "
        "Joseph Joshua Julian Kevin Leo Liam Lucas Luis Marcus Mark Martin Mason Miguel Nathan Noah Oliver Oscar Owen "
        "Paul Peter Ryan Samuel Simon Thomas Victor Vincent William"
    ),
}
_STREETS = _words("Oak Maple Cedar Pine Elm Harbor Ridge Meadow Park Lake Hill River Mill Church Spring Summit")
_RACES = ("white", "black", "asian", "native-american", "pacific-islander")
_RACE_WEIGHTS = (68, 18, 6, 1, 2)
_RANKS: dict[Branch, tuple[str, ...]] = {
    Branch.ARMY: ("SPC", "SGT", "SSG", "SFC", "CPT", "MAJ"),
    Branch.NAVY: ("SN", "PO3", "PO2", "PO1", "CPO", "LT"),
    Branch.AIR_FORCE: ("A1C", "SrA", "SSgt", "TSgt", "Capt", "Maj"),
    Branch.MARINES: ("LCpl", "Cpl", "Sgt", "SSgt", "Capt"),
    Branch.SPACE_FORCE: ("Spc4", "Sgt", "TSgt", "Capt"),
    Branch.COAST_GUARD: ("SN", "PO3", "PO2", "CPO", "LT"),
    Branch.NOAA: ("ENS", "LTJG", "LT", "LCDR"),
    Branch.PUBLIC_HEALTH: ("LT", "LCDR", "CDR"),
}
_CLASSES = (
    BeneficiaryClass.ACTIVE_DUTY,
    BeneficiaryClass.RETIREE,
    BeneficiaryClass.RESERVE,
    BeneficiaryClass.NATIONAL_GUARD,
)
_CLASS_WEIGHTS = (50, 28, 12, 10)
_AGES: dict[BeneficiaryClass, tuple[int, int]] = {
    BeneficiaryClass.ACTIVE_DUTY: (19, 46),
    BeneficiaryClass.RETIREE: (42, 84),
    BeneficiaryClass.RESERVE: (20, 52),
    BeneficiaryClass.NATIONAL_GUARD: (19, 54),
    BeneficiaryClass.VETERAN: (26, 88),
}
_CHILDREN_WEIGHTS = (30, 25, 28, 12, 5)
"""Of no child, one, two, three and four, in a family that may have children."""
_GROWN_UP = 21


def family(random: Random, directory: Directory, number: int, prefix: str) -> tuple[Person, ...]:
    """The sponsor first, then those who are enrolled through them; their numbers count up from `number`, their keys
    are `<prefix>-<number>`."""
    facility = random.choice([each for each in directory.facilities.values() if each.live_in_days <= FIRST_DAY])
    if facility.agency is Agency.VA:
        beneficiary_class, branch = BeneficiaryClass.VETERAN, random.choice(list(Branch))
    else:
        beneficiary_class = random.choices(_CLASSES, _CLASS_WEIGHTS)[0]
        branch = random.choice(_branches(facility))
    age = random.randint(*_AGES[beneficiary_class])
    drawn = _Family(random, directory, facility, branch, prefix, number)
    sponsor = drawn.sponsor(beneficiary_class, age)
    if beneficiary_class is BeneficiaryClass.VETERAN:
        return (sponsor,)
    return (sponsor, *drawn.dependents(sponsor))


class _Family:
    """What one family shares while its members are drawn."""

    def __init__(
        self, random: Random, directory: Directory, facility: Facility, branch: Branch, prefix: str, number: int
    ) -> None:
        self.random = random
        self.prefix = prefix
        self.number = number
        self.name = random.choice(_FAMILY_NAMES)
        self.adults, self.children = _clinicians(directory, facility)
        self.home = Household(
            facility.agency,
            branch,
            facility.key,
            (f"{random.randint(1, 999)} {random.choice(_STREETS)} Street",),
            facility.city,
            facility.state,
            facility.postal_code,
            race=(random.choices(_RACES, _RACE_WEIGHTS)[0],),
            ethnicity="hispanic" if random.random() < 0.17 else "not-hispanic",
        )
        self.branch = branch

    def sponsor(self, beneficiary_class: BeneficiaryClass, age: int) -> Person:
        served = beneficiary_class in (BeneficiaryClass.VETERAN, BeneficiaryClass.RETIREE)
        return self._person(
            self._gender(0.2),
            age,
            beneficiary_class,
            rank="" if beneficiary_class is BeneficiaryClass.VETERAN else self.random.choice(_RANKS[self.branch]),
            marital_status=self.random.choice("MMSD"),
            is_veteran=served,
            has_icn=served,
        )

    def dependents(self, sponsor: Person) -> list[Person]:
        found = []
        if sponsor.marital_status == "M":
            gender: Gender = "male" if sponsor.gender == "female" else "female"
            found.append(
                self._person(
                    gender,
                    max(19, sponsor.age + self.random.randint(-4, 4)),
                    BeneficiaryClass.DEPENDENT_SPOUSE,
                    marital_status="M",
                    sponsor=sponsor.key,
                    relationship="spouse",
                )
            )
        oldest = min(sponsor.age - 20, _GROWN_UP - 1)
        if oldest < 0 or sponsor.age - 45 > oldest or sponsor.marital_status == "S":
            return found
        for _ in range(self.random.choices(range(5), _CHILDREN_WEIGHTS)[0]):
            age = self.random.randint(max(0, sponsor.age - 45), oldest)
            found.append(
                self._person(
                    self._gender(0.5),
                    age,
                    BeneficiaryClass.DEPENDENT_CHILD,
                    marital_status="S",
                    sponsor=sponsor.key,
                    relationship="child",
                )
            )
        return found

    def _gender(self, share_of_women: float) -> Gender:
        return "female" if self.random.random() < share_of_women else "male"

    def _person(self, gender: Gender, age: int, beneficiary_class: BeneficiaryClass, **other: object) -> Person:
        number, self.number = self.number, self.number + 1
        given = tuple(self.random.sample(_GIVEN_NAMES[gender], self.random.choice((1, 2, 2))))
        birthday = (self.random.randint(1, 12), self.random.randint(1, 28))
        clinician = self.children if age < 18 else self.adults
        key = f"{self.prefix}-{number}"
        return self.home.person(
            key, self.name, given, gender, age, birthday, beneficiary_class, number, clinician, **other
        )


def _branches(facility: Facility) -> tuple[Branch, ...]:
    """Whose members are enrolled at a facility."""
    if facility.agency is Agency.USCG:
        return (Branch.COAST_GUARD,)
    if facility.agency is Agency.NOAA:
        return (Branch.NOAA, Branch.PUBLIC_HEALTH)
    if "naval" in facility.key:
        return (Branch.NAVY, Branch.NAVY, Branch.MARINES)
    if "air" in facility.key:
        return (Branch.AIR_FORCE, Branch.AIR_FORCE, Branch.SPACE_FORCE)
    return (Branch.ARMY,)


def _clinicians(directory: Directory, facility: Facility) -> tuple[str, str]:
    """Who leads the care of adults and of children at a facility."""
    here = [each for each in directory.clinicians.values() if each.facility == facility.key]
    children = next((each for each in here if each.specialty == "pediatrics"), here[0])
    return here[0].key, children.key
