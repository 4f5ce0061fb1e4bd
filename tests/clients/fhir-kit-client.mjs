// fhir-kit-client walks the server. Run by test_fhir_kit_client.py; FHIR is the base.
import assert from "node:assert/strict";
import test from "node:test";

import { Client } from "fhir-kit-client";

import { BASE, bundle, entry, patient, statuses, unique, urn, weight } from "./records.mjs";

const client = new Client({ baseUrl: BASE });

const create = (body, options = {}) => client.create({ resourceType: body.resourceType, body, options });
const named = ({ resourceType, id }) => ({ resourceType, id });

const weighed = async (...kilograms) => {
  const person = await create(patient());
  for (const value of kilograms) {
    await create(weight(`Patient/${person.id}`, value));
  }
  return person;
};

const refusal = async (promise) => {
  const { response } = await promise.then(
    () => assert.fail("was not refused"),
    (raised) => raised,
  );
  assert.equal(response.data.resourceType, "OperationOutcome");
  return { status: response.status, text: response.data.issue[0].details.text };
};

const values = ({ entry: entries = [] }) => entries.map(({ resource }) => resource.valueQuantity.value).toSorted();

test("the capability statement offers what this client uses", async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, "4.0.1");
  const { interaction, searchParam } = statement.rest[0].resource.find(({ type }) => type === "Patient");
  const offered = new Set(interaction.map(({ code }) => code));
  for (const code of ["read", "vread", "update", "patch", "delete", "create", "search-type", "history-instance"]) {
    assert.ok(offered.has(code), code);
  }
  assert.ok(searchParam.some(({ name }) => name === "birthdate"));
});

test("without sign-in no address of one is given", async () => {
  const { authorizeUrl, tokenUrl } = await client.smartAuthMetadata();
  assert.equal(authorizeUrl ?? tokenUrl, undefined);
});

test("what is created can be read, as can its version", async () => {
  const made = await create(patient({ gender: "female" }));
  const { response } = Client.httpFor(made);
  assert.equal(response.status, 201);
  assert.equal((await client.read(named(made))).gender, "female");
  assert.equal((await client.vread({ ...named(made), version: "1" })).meta.versionId, "1");
});

test("a conditional create makes one resource, however often it is sent", async () => {
  const value = unique();
  const body = patient({ identifier: [{ system: "urn:test", value }] });
  const headers = { "If-None-Exist": `identifier=urn:test|${value}` };
  const sent = await Promise.all(Array.from({ length: 5 }, () => create(body, { headers })));
  assert.deepEqual(sent.map((made) => Client.httpFor(made).response.status).toSorted(), [200, 200, 200, 200, 201]);
  assert.equal(new Set(sent.map(({ id }) => id)).size, 1);
});

test("pages hold each resource once and then end", async () => {
  const person = await weighed(60, 61, 62, 63, 64);
  const searchParams = { patient: person.id, _count: 2 };
  const found = [];
  let page = await client.search({ resourceType: "Observation", searchParams });
  while (page) {
    found.push(...values(page));
    page = await client.nextPage({ bundle: page });
  }
  assert.deepEqual(found.toSorted(), [60, 61, 62, 63, 64]);
});

test("a search may be by URL, by form, of a compartment or of several types", async () => {
  const person = await weighed(60, 61);
  const searchParams = { patient: person.id };
  const options = { postSearch: true };
  const compartment = named(person);
  const resourceType = "Observation";
  assert.deepEqual(values(await client.resourceSearch({ resourceType, searchParams })), [60, 61]);
  assert.deepEqual(values(await client.resourceSearch({ resourceType, searchParams, options })), [60, 61]);
  assert.deepEqual(values(await client.compartmentSearch({ resourceType, compartment })), [60, 61]);
  assert.deepEqual(values(await client.compartmentSearch({ resourceType, compartment, options })), [60, 61]);
  const system = await client.systemSearch({ searchParams: { _type: "Patient", _id: person.id }, options });
  assert.deepEqual(system.entry.map(({ resource }) => resource.id), [person.id]);
});

test("a parameter given twice narrows, and its values are escaped", async () => {
  const family = `O'Neil & Sons, ${unique()}`;
  await create(patient({ name: [{ family }] }));
  const searchParams = { "family:exact": family.replace(",", "\\,"), birthdate: ["gt1900-01-01", "lt1901-01-01"] };
  const none = await client.search({ resourceType: "Patient", searchParams });
  assert.equal(none.entry, undefined);
  delete searchParams.birthdate;
  const one = await client.search({ resourceType: "Patient", searchParams });
  assert.equal(one.entry.length, 1);
});

test("references are resolved from the server and from a bundle", async () => {
  const person = await weighed(60);
  const searchParams = { patient: person.id, _include: "Observation:patient" };
  const found = await client.search({ resourceType: "Observation", searchParams });
  const { reference } = found.entry[0].resource.subject;
  assert.equal((await client.resolve({ reference })).id, person.id);
  assert.equal((await client.resolve({ reference, context: found })).id, person.id);
});

test("a note leads to its PDF", async () => {
  const searchParams = { patient: "rivera-ana", contenttype: "application/pdf", _count: 1 };
  const found = await client.search({ resourceType: "DocumentReference", searchParams });
  const pdf = found.entry[0].resource.content.find(({ attachment }) => attachment.contentType === "application/pdf");
  const binary = await client.resolve({ reference: pdf.attachment.url });
  assert.equal(binary.contentType, "application/pdf");
  assert.equal(Buffer.from(binary.data, "base64").toString("latin1", 0, 5), "%PDF-");
});

test("an update from an outdated version is refused", async () => {
  const made = await create(patient());
  const options = { headers: { "If-Match": 'W/"1"' } };
  await client.update({ ...named(made), body: { ...made, gender: "female" }, options });
  const { status, text } = await refusal(client.update({ ...named(made), body: made, options }));
  assert.equal(status, 412);
  assert.match(text, /version/i);
});

test("a patch from the right version is taken, from a wrong one it is refused", async () => {
  const made = await create(patient());
  const jsonPatch = [{ op: "add", path: "/gender", value: "female" }];
  const patched = await client.patch({ ...named(made), jsonPatch, options: { headers: { "If-Match": 'W/"1"' } } });
  assert.equal(patched.gender, "female");
  const outdated = client.patch({ ...named(made), jsonPatch, options: { headers: { "If-Match": 'W/"1"' } } });
  assert.equal((await refusal(outdated)).status, 412);
});

test("a patch that makes no resource is refused and names the element", async () => {
  const made = await create(patient());
  const jsonPatch = [{ op: "add", path: "/birthDate", value: "yesterday" }];
  const { status, text } = await refusal(client.patch({ ...named(made), jsonPatch }));
  assert.equal(status, 400);
  assert.match(text, /birthDate/);
});

test("a transaction stores all or nothing", async () => {
  const person = urn();
  const both = bundle(
    "transaction",
    entry("POST", "Patient", patient(), { fullUrl: person }),
    entry("POST", "Observation", weight(person, 60)),
  );
  assert.deepEqual(statuses(await client.transaction({ body: both })), ["201", "201"]);
  const value = unique();
  const neither = bundle(
    "transaction",
    entry("POST", "Patient", patient({ identifier: [{ system: "urn:test", value }] })),
    entry("PUT", `Patient/${unique()}`, patient({ id: "another" })),
  );
  await refusal(client.transaction({ body: neither }));
  const found = await client.search({ resourceType: "Patient", searchParams: { identifier: value } });
  assert.equal(found.entry, undefined);
});

test("a transaction may patch", async () => {
  const made = await create(patient());
  const data = Buffer.from(JSON.stringify([{ op: "add", path: "/gender", value: "female" }])).toString("base64");
  const binary = { resourceType: "Binary", contentType: "application/json-patch+json", data };
  const body = bundle("transaction", entry("PATCH", `Patient/${made.id}`, binary));
  assert.deepEqual(statuses(await client.transaction({ body })), ["200"]);
  assert.equal((await client.read(named(made))).gender, "female");
});

test("a batch answers each entry on its own", async () => {
  const body = bundle("batch", entry("POST", "Patient", patient()), entry("GET", `Patient/${unique()}`));
  assert.deepEqual(statuses(await client.batch({ body })), ["201", "404"]);
});

test("history is there of a resource, a type and the whole server", async () => {
  const made = await create(patient());
  await client.update({ ...named(made), body: { ...made, gender: "female" } });
  const versions = await client.resourceHistory(named(made));
  assert.deepEqual(versions.entry.map(({ resource }) => resource.meta.versionId), ["2", "1"]);
  assert.equal((await client.typeHistory({ resourceType: "Patient" })).type, "history");
  assert.equal((await client.systemHistory()).type, "history");
});

test("what is deleted is gone", async () => {
  const made = await create(patient());
  await client.delete(named(made));
  assert.equal((await refusal(client.read(named(made)))).status, 410);
});

test("an operation that is not there is refused by name", async () => {
  const { status, text } = await refusal(client.operation({ resourceType: "Patient", name: "unheard-of" }));
  assert.equal(status, 404);
  assert.match(text, /unheard-of/);
});
