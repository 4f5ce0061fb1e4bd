"""Files of messages: each in a Binary of its own, looked at before the message is stored, and kept once it is sent.

https://hl7.org/fhir/R4/binary.html, docs/adr/0035-messages.md
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.care import attachments
from fhir_server.care.attachments import Attached
from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import Delete, Expect, Put, WritePlan
from fhir_server.definitions.attached import FILE
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.policy import row_filter, visible
from fhir_server.policy_writes import is_bound_to_patients
from fhir_server.search.parameter_types.reference import located
from fhir_server.store import holders, resources


@dataclass(frozen=True, slots=True)
class Filed:
    """A message whose Attachments lead to Binaries, and the Binaries that are made for it."""

    message: Resource
    files: tuple[Put, ...]


def keys(context: RequestContext, plan: WritePlan) -> tuple[str, ...]:
    """The turns of the files that a plan changes, or that its messages refer to: of a change of a file, and the sending
    of a message with it, one sees the other.
    """
    places = [f"{FILE}/{each.id}" for each in plan.documents if each.type == FILE and not _is_fresh(each)]
    for each in plan.documents:
        if each.type == "Communication" and isinstance(each, Put):
            for one in each.resource.get("payload", ()):
                text = (one.get("contentAttachment") or {}).get("url")
                place = located(text, context.own_bases) if isinstance(text, str) else None
                places += [place] if place is not None and place.startswith(f"{FILE}/") else []
    return tuple(dict.fromkeys(f"file {place}" for place in places))


async def refuse_kept(context: RequestContext, plan: WritePlan) -> None:
    """Raise FhirError 422 where a plan changes or deletes a file with which a message was sent, whoever asks; 404 or
    403 where the writer does not read the file: a patch would show it, and an update take it from those who do.
    """
    written = [each for each in plan.documents if each.type == FILE and not _is_fresh(each)]
    written = [each for each in written if await _is_met(context, each)]
    if not written:
        return
    places = [f"{FILE}/{each.id}" for each in written]
    deleted = [each.id for each in plan.documents if each.type == "Communication" and isinstance(each, Delete)]
    sent = await holders.sent_messages(context.server.database, places, deleted)
    for each in written:
        if f"{FILE}/{each.id}" in sent:
            text = "A message was sent with this file: it stays as it is."
            raise outcome.ATTACHMENT_KEPT(text, FILE).at(f"{FILE}/{each.id}")


async def _is_met(context: RequestContext, file: Put | Delete) -> bool:
    """Whether there is such a file within the reach of who writes it; any other the store answers with a 404."""
    owners = (await resources.owners_of(context.server.database, FILE, [file.id], file.within or {})).get(file.id)
    if owners is not None and is_bound_to_patients(context.sight):
        try:
            await refuse_unread(context, file.id, owners)
        except FhirError as error:
            raise error.at(f"{FILE}/{file.id}") from None
    return owners is not None


async def refuse_uploads(context: RequestContext, plan: WritePlan) -> None:
    """Raise FhirError 422 where a patient uploads what no message could take; 503 where it cannot be scanned now."""
    access = context.sight.access
    if access is None or access.kind != "patient":
        return
    for each in plan.documents:
        if each.type == FILE and isinstance(each, Put):
            file = Attached(FILE, each.resource.get("contentType", ""), _decoded(each.resource.get("data", "")))
            await computed(as_large(context), attachments.refuse, [file])
            await _scanned(context, [file])


async def filed(context: RequestContext, plan: WritePlan, message: Resource, id: str, subject: str) -> Filed:
    """The message with its files in Binaries of the patient's record.

    Raises FhirError 422 for files that are not taken, or that its writer cannot read; 503 where none can be scanned.
    """
    payload: list[Resource] = []
    files: list[Put] = []
    attached: list[Attached] = []
    for position, each in enumerate(message.get("payload", ())):
        attachment = each.get("contentAttachment")
        if attachment is None:
            payload.append(each)
            continue
        element = f"Communication.payload[{position}].contentAttachment"
        if len(attached) >= attachments.MAX_FILES:
            raise outcome.ATTACHMENT_LIMIT(f"A message has {attachments.MAX_FILES} files at most.", element)
        if "data" in attachment:
            file, put = await _inline(context, attachment, element, subject)
            attachment = {name: value for name, value in attachment.items() if name not in ("data", "url")}
            attachment["url"] = f"{FILE}/{put.id}"
            files.append(put)
        else:
            file, place = await _referred(context, plan, attachment, element, subject)
            attachment = attachment | {"url": place}
        attached.append(file)
        payload.append({"contentAttachment": attachment | {"contentType": file.media_type, "size": len(file.content)}})
    if attached:
        await computed(as_large(context), attachments.refuse, attached)
        await _scanned(context, attached)
    return Filed(message | ({"payload": payload} if payload else {}), tuple(files))


async def _inline(context: RequestContext, attachment: Resource, element: str, subject: str) -> tuple[Attached, Put]:
    if "url" in attachment:
        raise outcome.ATTACHMENT_KIND("An attachment has data or a url, not both.", f"{element}.url")
    content = _decoded(attachment["data"])
    media_type = attachment.get("contentType", "")
    binary = {
        "resourceType": FILE,
        "contentType": media_type or "application/octet-stream",
        "securityContext": {"reference": f"Patient/{subject}"},
        "data": base64.b64encode(content).decode("ascii"),
    }
    if context.server.custodian is not None:
        binary["meta"] = {"source": context.server.custodian}
    file = Attached(element, media_type, content)
    # Before it is kept: what is not taken is not to wait for the sweep.
    await computed(as_large(context), attachments.refuse, [file])
    return file, facts.added(context, binary, new_logical_id(), "POST")


async def _referred(
    context: RequestContext, plan: WritePlan, attachment: Resource, element: str, subject: str
) -> tuple[Attached, str]:
    text = attachment.get("url")
    place = located(text, context.own_bases) if isinstance(text, str) else None
    if place is None or not place.startswith(f"{FILE}/") or place.count("/") != 1:
        raise outcome.ATTACHMENT_KIND(
            "A file of a message is a Binary of this server (Binary/...), or comes as data.", f"{element}.url"
        )
    id = place.partition("/")[2]
    planned = next((each for each in plan.documents if (each.type, each.id) == (FILE, id)), None)
    if isinstance(planned, Put):
        binary = planned.resource if planned.index.owners == (subject,) else None
    elif planned is not None:
        # The same Bundle deletes it: the message would be sent with a file that nobody opens.
        binary = None
    else:
        binary = await _stored(context, id, subject)
    if binary is None:
        raise outcome.ATTACHMENT_KIND(f"There is no {FILE} with id '{id[:64]}' in this record.", f"{element}.url")
    media_type: str = binary.get("contentType", "")
    said: str = attachment.get("contentType", media_type)
    if said.partition(";")[0].strip().lower() != media_type.partition(";")[0].strip().lower():
        text = f"The file is {media_type}, as its Binary says."
        raise outcome.ATTACHMENT_KIND(text, f"{element}.contentType")
    return Attached(element, media_type, _decoded(binary.get("data", ""))), place


async def _stored(context: RequestContext, id: str, subject: str) -> Resource | None:
    """A Binary of the patient's record that the caller reads."""
    seen = visible(context.sight, FILE, "r")
    if seen is None:
        return None
    database, within = context.server.database, row_filter(seen)
    first = await resources.read_without_content(database, FILE, id, within)
    if first is None or first.body is None or first.owners != (subject,):
        return None
    if first.file is not None and first.file[1] > attachments.MAX_FILE_BYTES:
        raise outcome.ATTACHMENT_LIMIT(f"A file has {attachments.MAX_FILE_BYTES // 1024 // 1024} MB at most.", FILE)
    try:
        await refuse_unread(context, id, first.owners)
    except FhirError:
        return None
    row = await resources.read(database, FILE, id, within)
    return None if row is None or row.body is None else decode(row.body)


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return b""


async def _scanned(context: RequestContext, files: Sequence[Attached]) -> None:
    scan = context.server.scan
    if scan is None:
        return
    for each in files:
        if not await scan(each.content):
            raise outcome.ATTACHMENT_SCANNED("The scan of files refuses this one. Send another.", each.element)


def _is_fresh(document: Put | Delete) -> bool:
    return isinstance(document, Put) and document.expect is Expect.NOTHING
