// Small synthetic records, and a value that no other scenario uses.
import { randomUUID } from "node:crypto";

export const BASE = process.env.FHIR;
export const unique = () => randomUUID().replaceAll("-", "");
export const urn = () => `urn:uuid:${randomUUID()}`;

export const patient = (elements = {}) => ({
  resourceType: "Patient",
  name: [{ family: "Testpatient", given: ["Synthia"] }],
  ...elements,
});

export const weight = (subject, kilograms, elements = {}) => ({
  resourceType: "Observation",
  status: "final",
  category: [
    {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" }],
    },
  ],
  code: { coding: [{ system: "http://loinc.org", code: "29463-7", display: "Body weight" }] },
  subject: { reference: subject },
  effectiveDateTime: "2026-03-01T09:30:00Z",
  valueQuantity: { value: kilograms, unit: "kg", system: "http://unitsofmeasure.org", code: "kg" },
  ...elements,
});

export const bundle = (type, ...entry) => ({ resourceType: "Bundle", type, entry });

export const entry = (method, url, resource, more = {}) => ({ request: { method, url }, resource, ...more });

export const statuses = (answered) => answered.entry.map(({ response }) => response.status.slice(0, 3));
