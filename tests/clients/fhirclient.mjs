// SMART's own client walks the server. Run by test_fhirclient.py; FHIR is the base.
import assert from "node:assert/strict";
import test from "node:test";

import FHIR from "fhirclient";

import { BASE, bundle, entry, patient, statuses, unique, urn, weight } from "./records.mjs";

const client = new FHIR.FhirClient(BASE);
const FHIR_JSON = { "content-type": "application/fhir+json" };

// What a launch will hand over; without sign-in it is written down.
const launched = (id) => FHIR({ headers: {} }, {}).client({ serverUrl: BASE, tokenResponse: { patient: id } });

const weighed = async (...kilograms) => {
  const person = await client.create(patient());
  const subject = `Patient/${person.id}`;
  for (const value of kilograms) {
    await client.create(weight(subject, value));
  }
  return person;
};

const refusal = async (promise) => {
  const error = await promise.then(
    () => assert.fail("was not refused"),
    (raised) => raised,
  );
  return error;
};

test("the capability statement says which FHIR this is", async () => {
  assert.equal(await client.getFhirVersion(), "4.0.1");
  assert.equal(await client.getFhirRelease(), 4);
});

test("what is created comes back with an id, a version and where it lies", async () => {
  const family = `Zoë-${unique()} O'Neil 李`;
  const { body, response } = await client.create(patient({ name: [{ family }] }), { includeResponse: true });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("location"), `${BASE}/Patient/${body.id}/_history/1`);
  assert.equal(response.headers.get("etag"), 'W/"1"');
  assert.equal((await client.fhirRequest(`Patient/${body.id}`)).name[0].family, family);
});

test("pages hold each resource once, whatever their size", async () => {
  const person = await weighed(60, 61, 62, 63, 64, 65, 66);
  for (const size of [1, 3, 7, 50]) {
    const values = [];
    for await (const found of client.resources(`Observation?patient=${person.id}&_count=${size}`)) {
      values.push(found.valueQuantity.value);
    }
    assert.deepEqual(values.toSorted(), [60, 61, 62, 63, 64, 65, 66]);
  }
});

test("a limit ends the pages", async () => {
  const person = await weighed(60, 61, 62);
  const pages = [];
  for await (const page of client.pages(`Observation?patient=${person.id}&_count=1`, { limit: 2 })) {
    pages.push(page);
  }
  assert.equal(pages.length, 2);
});

test("three months of slots come page by page, each once", async () => {
  const { total } = await client.fhirRequest("Slot?_summary=count");
  const ids = new Set();
  let found = 0;
  for await (const slot of client.resources("Slot?_count=400&_elements=status")) {
    ids.add(slot.id);
    found += 1;
  }
  assert.ok(total > 1000);
  assert.deepEqual([ids.size, found], [total, total]);
});

test("a search of nothing is an empty page", async () => {
  const found = [];
  for await (const resource of client.resources(`Patient?identifier=${unique()}`)) found.push(resource);
  assert.deepEqual(found, []);
});

test("a posted search finds what a search by URL finds", async () => {
  const person = await weighed(60, 61);
  const form = new URLSearchParams({ patient: person.id, code: "http://loinc.org|29463-7" });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const posted = await client.fhirRequest("Observation/_search", { method: "POST", headers, body: `${form}` });
  const asked = await client.fhirRequest(`Observation?${form}`);
  assert.equal(posted.entry.length, 2);
  assert.deepEqual(
    posted.entry.map(({ resource }) => resource.id),
    asked.entry.map(({ resource }) => resource.id),
  );
});

test("references are resolved in place, also through each other", async () => {
  const organization = await client.create({ resourceType: "Organization", name: "Example clinic" });
  const managingOrganization = { reference: `Organization/${organization.id}` };
  const person = await client.create(patient({ managingOrganization }));
  const made = await client.create(weight(`Patient/${person.id}`, 60));
  await client.resolveReferences(made, ["subject", "subject.managingOrganization"]);
  assert.equal(made.subject.managingOrganization.name, "Example clinic");
});

test("a launched app asks for its own patient", async () => {
  const person = await weighed(60, 61);
  await weighed(99);
  const app = launched(person.id);
  assert.equal((await app.patient.read()).id, person.id);
  const found = await app.patient.request("Observation", { flat: true, pageLimit: 0 });
  assert.deepEqual(found.map(({ valueQuantity }) => valueQuantity.value).toSorted(), [60, 61]);
  assert.deepEqual((await app.patient.request("Patient", { flat: true })).map(({ id }) => id), [person.id]);
});

test("request gathers all pages into one flat list with their references", async () => {
  const person = await weighed(60, 61, 62);
  const app = launched(person.id);
  const { data, references } = await app.request(`Observation?patient=${person.id}&_count=1`, {
    pageLimit: 0,
    flat: true,
    graph: false,
    resolveReferences: ["subject"],
  });
  assert.equal(data.length, 3);
  assert.deepEqual(Object.keys(references), [`Patient/${person.id}`]);
  assert.equal(app.byCode(data, "code")["29463-7"].length, 3);
  assert.equal(app.units.kg(data[0].valueQuantity), data[0].valueQuantity.value);
});

test("of two updates from one version the second is refused and says why", async () => {
  const person = await client.create(patient());
  const headers = { "if-match": 'W/"1"' };
  const [first, second] = await Promise.allSettled([
    client.update({ ...person, gender: "female" }, { headers }),
    client.update({ ...person, gender: "other" }, { headers }),
  ]);
  const [won, lost] = first.status === "fulfilled" ? [first, second] : [second, first];
  assert.equal(won.value.meta.versionId, "2");
  assert.equal(lost.reason.status, 412);
  assert.match(lost.reason.message, /version/i);
  assert.equal((await client.fhirRequest(`Patient/${person.id}`)).gender, won.value.gender);
});

test("an update under an id of its own creates", async () => {
  const id = unique();
  const { response } = await client.update(patient({ id }), { includeResponse: true });
  assert.equal(response.status, 201);
});

test("a patch changes what it names and answers the whole", async () => {
  const person = await client.create(patient({ gender: "female" }));
  const patched = await client.patch(`Patient/${person.id}`, [
    { op: "add", path: "/birthDate", value: "1990-02-03" },
    { op: "remove", path: "/gender" },
  ]);
  assert.equal(patched.birthDate, "1990-02-03");
  assert.equal(patched.gender, undefined);
  assert.equal(patched.name[0].family, "Testpatient");
});

test("a patch whose test fails changes nothing", async () => {
  const person = await client.create(patient({ gender: "female" }));
  const error = await refusal(
    client.patch(`Patient/${person.id}`, [
      { op: "test", path: "/gender", value: "male" },
      { op: "replace", path: "/gender", value: "other" },
    ]),
  );
  assert.ok(error.status >= 400 && error.status < 500, `${error.status}`);
  assert.equal((await client.fhirRequest(`Patient/${person.id}`)).meta.versionId, "1");
});

test("a transaction stores all of its entries, referring to each other", async () => {
  const person = urn();
  const sent = bundle(
    "transaction",
    entry("POST", "Patient", patient(), { fullUrl: person }),
    entry("POST", "Observation", weight(person, 60)),
  );
  const answered = await client.fhirRequest("", { method: "POST", headers: FHIR_JSON, body: JSON.stringify(sent) });
  assert.deepEqual(statuses(answered), ["201", "201"]);
  const [madePatient, madeWeight] = answered.entry.map(({ response }) => response.location);
  const { subject } = await client.fhirRequest(madeWeight);
  assert.ok(madePatient.includes(`/${subject.reference}/`));
});

test("a transaction with one bad entry stores none", async () => {
  const value = unique();
  const sent = bundle(
    "transaction",
    entry("POST", "Patient", patient({ identifier: [{ system: "urn:test", value }] })),
    entry("POST", "Patient", patient({ gender: "unheard-of" })),
  );
  const body = JSON.stringify(sent);
  const error = await refusal(client.fhirRequest("", { method: "POST", headers: FHIR_JSON, body }));
  assert.ok(error.status >= 400 && error.status < 500, `${error.status}`);
  const found = await client.fhirRequest(`Patient?identifier=urn:test|${value}`);
  assert.equal(found.entry, undefined);
});

test("a batch answers each entry on its own", async () => {
  const person = await client.create(patient());
  const sent = bundle("batch", entry("GET", `Patient/${person.id}`), entry("GET", `Patient/${unique()}`));
  const answered = await client.fhirRequest("", { method: "POST", headers: FHIR_JSON, body: JSON.stringify(sent) });
  assert.deepEqual(statuses(answered), ["200", "404"]);
});

test("history lists the versions and each can be read", async () => {
  const person = await client.create(patient({ gender: "female" }));
  await client.update({ ...person, gender: "other" });
  const history = await client.fhirRequest(`Patient/${person.id}/_history`);
  assert.deepEqual(
    history.entry.map(({ resource }) => resource.gender),
    ["other", "female"],
  );
  assert.equal((await client.fhirRequest(`Patient/${person.id}/_history/1`)).gender, "female");
});

test("what is deleted is gone, and deleting it again is no error", async () => {
  const person = await client.create(patient());
  await client.delete(`Patient/${person.id}`);
  await client.delete(`Patient/${person.id}`);
  assert.equal((await refusal(client.fhirRequest(`Patient/${person.id}`))).status, 410);
});

test("errors carry the outcome's own words", async () => {
  const unknown = await refusal(client.fhirRequest(`Patient/${unique()}`));
  assert.equal(unknown.status, 404);
  const misspelt = await refusal(client.fhirRequest("Patient?famly=Rivera"));
  assert.equal(misspelt.status, 400);
  assert.match(misspelt.message, /famly/);
  const invalid = await refusal(client.create(patient({ birthDate: "yesterday" })));
  assert.match(invalid.message, /birthDate/);
});
