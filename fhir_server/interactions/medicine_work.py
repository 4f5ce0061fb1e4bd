"""What the rules of medicines make of one plan: what they found, and what is written and told besides.

docs/adr/0034-medicines.md
"""

from dataclasses import dataclass, field, replace

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Notice, Put, WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.medicine_facts import Picture
from fhir_server.policy_writes import spoken_for
from fhir_server.search.ownership import owned_by
from fhir_server.search.parameter_types.reference import located
from smart_auth.access import AccessContext


@dataclass(slots=True)
class Work:
    """One plan on its way through the rules, at `now` (ms since 1970; `instant` as a resource writes it)."""

    context: RequestContext
    access: AccessContext
    picture: Picture
    now: int
    instant: str
    documents: dict[tuple[str, str], Put] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    contents: list[tuple[Put, Resource]] = field(default_factory=list)

    def change(self, type: str, id: str, resource: Resource, patient: str) -> None:
        """Write a stored resource of the patient's anew; one that the plan writes itself is left."""
        if self.picture.planned(type, id) is not None:
            return
        put = facts.added(self.context, resource, id, "PUT", seen=self.picture.stored[type][id].version)
        # Whose Task it is was judged when it was asked for: whoever carries it out may have no scope for Tasks.
        self.documents[type, id] = replace(put, index=owned_by(put.index, (patient,), type, id))

    def tell(self, kind: str, proposal: str, status: str, patient: str) -> None:
        """Let the patient know what became of a renewal."""
        id = f"renewal/{proposal}/{status}"
        about = f"MedicationRequest/{proposal}"
        self.notices.append(Notice(id, kind, f"Patient/{patient}", about=about, state=status))

    def completed(self, plan: WritePlan) -> WritePlan:
        """The plan with all of it."""
        for document, resource in self.contents:
            plan = facts.with_resource(self.context, plan, document, resource)
        plan = replace(plan, notices=(*plan.notices, *self.notices))
        return facts.with_added(plan, self.documents.values())

    def speaks(self, resource: Resource, name: str) -> bool:
        """Whether the patient who writes may speak for whom an element names."""
        text = resource.get(name, {}).get("reference")
        place = located(text, self.context.own_bases) if isinstance(text, str) else None
        return place is not None and place in spoken_for(self.context.sight)

    def refuse_others_words(self, resource: Resource, *names: str) -> None:
        """Raise FhirError 403 where one of these elements names somebody for whom the patient does not speak."""
        for name in names:
            if not self.speaks(resource, name):
                text = f"'{name}' must name you, or the one for whom you act in the family: nobody speaks for others."
                raise outcome.FORBIDDEN_CONTENT(text, f"{resource['resourceType']}.{name}")
