"""What a process works with, by the document that all follow: the sets it indexes and searches by, and what it says of
those that are not ready.
"""

from fhir_server.definitions.custom_parameters import applied
from fhir_server.definitions.parameter_set import STANDARD, InForce, ParameterSet
from fhir_server.store.mongo import Database
from fhir_server.store.parameter_sets import Agreed, existing, refuse_newer


def take_up(in_force: InForce, agreed: Agreed) -> None:
    """Work with the sets of the document from now on."""
    indexed = in_force.indexed
    if indexed.version != agreed.indexed_version:
        indexed = ParameterSet(agreed.indexed_version, applied(agreed.indexed)) if agreed.indexed_version else STANDARD
    is_live = agreed.state == "live"
    in_force.indexed = indexed
    in_force.searched = indexed if is_live else ParameterSet(agreed.version, applied(agreed.kept()))
    in_force.step, in_force.is_settled = agreed.step, is_live
    say_progress(in_force, agreed, "none of the resources")


def say_progress(in_force: InForce, agreed: Agreed, reached: str) -> None:
    """Give those who ask for what is not ready yet a sentence that says how far it is."""
    in_force.unready = (
        f"The search values of all resources are being made anew by this version of the server: {reached} so far. "
        "Reads and writes go on; search again shortly."
        if agreed.renewing
        else None
    )
    if agreed.state != "live":
        how_far = f"is being indexed: {reached} so far. Search by it again shortly."
        in_force.searched.pending = {(each.base, each.code): how_far for each in agreed.coming()}


async def refresh(database: Database, in_force: InForce) -> None:
    """Take up what was agreed meanwhile."""
    agreed = await existing(database)
    refuse_newer(agreed)
    if agreed.step != in_force.step:
        take_up(in_force, agreed)
