// HAPI FHIR's generic client walks the server. Run by test_hapi.py; the variable FHIR is the base.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SearchStyleEnum;
import ca.uhn.fhir.rest.api.SearchTotalModeEnum;
import ca.uhn.fhir.rest.api.SortSpec;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.Enumerations.AdministrativeGender;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Identifier;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;
import org.hl7.fhir.r4.model.StringType;

public class Walk {
  interface Scenario {
    void run() throws Exception;
  }

  static final IGenericClient client = strict().newRestfulGenericClient(System.getenv("FHIR"));
  static int number = 0;

  // Whatever R4 does not know in an answer is an error, not a warning.
  static FhirContext strict() {
    FhirContext context = FhirContext.forR4();
    context.setParserErrorHandler(new StrictErrorHandler());
    return context;
  }

  static void scenario(String title, Scenario scenario) {
    number++;
    try {
      scenario.run();
      System.out.println("ok " + number + " - " + title);
    } catch (Throwable failure) {
      System.out.println("not ok " + number + " - " + title);
      System.out.println("  " + failure.toString().replace("\n", "\n  "));
      Arrays.stream(failure.getStackTrace()).limit(12).forEach(frame -> System.out.println("    " + frame));
    }
  }

  static void same(Object expected, Object actual) {
    if (!expected.equals(actual)) {
      throw new AssertionError("expected " + expected + " but it was " + actual);
    }
  }

  static <T extends BaseServerResponseException> T refused(Class<T> as, Scenario scenario) throws Exception {
    try {
      scenario.run();
    } catch (BaseServerResponseException raised) {
      if (as.isInstance(raised)) {
        return as.cast(raised);
      }
      throw raised;
    }
    throw new AssertionError("was not refused");
  }

  static String said(BaseServerResponseException refusal) {
    return ((OperationOutcome) refusal.getOperationOutcome()).getIssueFirstRep().getDetails().getText();
  }

  static String unique() {
    return UUID.randomUUID().toString().replace("-", "");
  }

  static Patient person() {
    Patient patient = new Patient();
    patient.addName().setFamily("Testpatient").addGiven("Synthia");
    return patient;
  }

  static Patient identified(String value) {
    return (Patient) person().addIdentifier(new Identifier().setSystem("urn:test").setValue(value));
  }

  static Patient created(Patient patient) {
    return (Patient) client.create().resource(patient).execute().getResource();
  }

  static Observation weight(String subject, String kilograms) {
    Observation weight = new Observation().setStatus(Observation.ObservationStatus.FINAL);
    weight.getCode().addCoding().setSystem("http://loinc.org").setCode("29463-7");
    weight.setSubject(new Reference(subject));
    return weight.setValue(
        new Quantity().setValue(new BigDecimal(kilograms)).setSystem("http://unitsofmeasure.org").setCode("kg"));
  }

  static String weighed(String... kilograms) {
    String id = created(person()).getIdElement().getIdPart();
    for (String value : kilograms) {
      client.create().resource(weight("Patient/" + id, value)).execute();
    }
    return id;
  }

  static List<String> values(Bundle page) {
    return page.getEntry().stream()
        .map(entry -> ((Observation) entry.getResource()).getValueQuantity().getValue().toPlainString())
        .collect(Collectors.toList());
  }

  static List<String> statuses(Bundle answered) {
    return answered.getEntry().stream()
        .map(entry -> entry.getResponse().getStatus().substring(0, 3))
        .collect(Collectors.toList());
  }

  public static void main(String[] words) {
    scenario("the capability statement is read and its version checked by the client itself", () -> {
      CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
      same("4.0.1", statement.getFhirVersion().toCode());
      client.forceConformanceCheck();
    });

    scenario("what is created comes back with its decimals as they were sent", () -> {
      String id = weighed("61.50");
      Bundle found = client.search().forResource(Observation.class).where(Observation.PATIENT.hasId(id))
          .returnBundle(Bundle.class).execute();
      same(List.of("61.50"), values(found));
    });

    scenario("the strict parser takes every resource of the demo population", () -> {
      String base = System.getenv("FHIR");
      Bundle page = client.search().byUrl(base + "?_tag=urn:fhir-server:seeds%7Cdemo&_count=500")
          .returnBundle(Bundle.class).execute();
      int read = page.getEntry().size();
      while (page.getLink(Bundle.LINK_NEXT) != null) {
        page = client.loadPage().next(page).execute();
        read += page.getEntry().size();
      }
      same(true, read > 3000);
    });

    scenario("a create answers where the resource lies and in which version", () -> {
      MethodOutcome outcome = client.create().resource(person()).execute();
      same(true, outcome.getCreated());
      same("1", outcome.getId().getVersionIdPart());
      same(201, outcome.getResponseStatusCode());
      same(System.getenv("FHIR"), outcome.getId().getBaseUrl());
    });

    scenario("a create may answer no resource", () -> {
      MethodOutcome outcome = client.create().resource(person()).prefer(PreferReturnEnum.MINIMAL).execute();
      same(true, outcome.getResource() == null);
      same(true, outcome.getId().hasIdPart());
    });

    scenario("a conditional create makes one resource", () -> {
      String value = unique();
      List<String> ids = new ArrayList<>();
      for (int sent = 0; sent < 3; sent++) {
        MethodOutcome outcome = client.create().resource(identified(value)).conditional()
            .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("urn:test", value)).execute();
        same(sent == 0 ? 201 : 200, outcome.getResponseStatusCode());
        ids.add(outcome.getId().getIdPart());
      }
      same(1L, ids.stream().distinct().count());
    });

    scenario("pages are loaded until there is none", () -> {
      String id = weighed("60", "61", "62", "63", "64");
      for (SearchStyleEnum style : List.of(SearchStyleEnum.GET, SearchStyleEnum.POST)) {
        Bundle page = client.search().forResource(Observation.class).where(Observation.PATIENT.hasId(id)).count(2)
            .usingStyle(style).returnBundle(Bundle.class).execute();
        List<String> found = new ArrayList<>(values(page));
        while (page.getLink(Bundle.LINK_NEXT) != null) {
          page = client.loadPage().next(page).execute();
          found.addAll(values(page));
        }
        same(List.of("60", "61", "62", "63", "64"), found.stream().sorted().collect(Collectors.toList()));
      }
    });

    scenario("criteria, includes, sort, total and summary of its search all work", () -> {
      String id = weighed("61", "60");
      Bundle found = client.search().forResource(Observation.class)
          .where(Observation.PATIENT.hasChainedProperty("Patient", Patient.RES_ID.exactly().code(id)))
          .and(Observation.CODE.exactly().systemAndCode("http://loinc.org", "29463-7"))
          .and(Observation.VALUE_QUANTITY.greaterThan().number("59500").andUnits("http://unitsofmeasure.org", "g"))
          .include(Observation.INCLUDE_PATIENT)
          .sort(new SortSpec("value-quantity"))
          .totalMode(SearchTotalModeEnum.ACCURATE)
          .returnBundle(Bundle.class).execute();
      same(2, found.getTotal());
      same(List.of("match", "match", "include"), found.getEntry().stream()
          .map(entry -> entry.getSearch().getMode().toCode()).collect(Collectors.toList()));
      Bundle counted = client.search().forResource(Observation.class).where(Observation.PATIENT.hasId(id))
          .summaryMode(SummaryEnum.COUNT).returnBundle(Bundle.class).execute();
      same(2, counted.getTotal());
    });

    scenario("a resource brings those that refer to it", () -> {
      String id = weighed("60");
      Bundle found = client.search().forResource(Patient.class).where(Patient.RES_ID.exactly().code(id))
          .revInclude(Observation.INCLUDE_PATIENT).returnBundle(Bundle.class).execute();
      same(2, found.getEntry().size());
    });

    scenario("an update sends the version it was read with, and an outdated one is refused", () -> {
      Patient read = created(person());
      read.setGender(AdministrativeGender.FEMALE);
      same("2", client.update().resource(read).execute().getId().getVersionIdPart());
      PreconditionFailedException refusal =
          refused(PreconditionFailedException.class, () -> client.update().resource(read).execute());
      same(true, said(refusal).toLowerCase().contains("version"));
    });

    scenario("a conditional update writes to its one match", () -> {
      String value = unique();
      String id = created(identified(value)).getIdElement().getIdPart();
      MethodOutcome outcome = client.update().resource(identified(value).setGender(AdministrativeGender.OTHER))
          .conditional().where(Patient.IDENTIFIER.exactly().systemAndIdentifier("urn:test", value)).execute();
      same(id, outcome.getId().getIdPart());
      same("2", outcome.getId().getVersionIdPart());
    });

    scenario("a patch may be a JSON Patch", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      String patch = "[{\"op\": \"add\", \"path\": \"/birthDate\", \"value\": \"1990-02-03\"}]";
      Patient patched = (Patient) client.patch().withBody(patch).withId(id).execute().getResource();
      same("1990-02-03", patched.getBirthDateElement().getValueAsString());
    });

    scenario("a patch may be a FHIRPath Patch", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      Parameters patch = new Parameters();
      Parameters.ParametersParameterComponent operation = patch.addParameter().setName("operation");
      operation.addPart().setName("type").setValue(new CodeType("add"));
      operation.addPart().setName("path").setValue(new StringType("Patient"));
      operation.addPart().setName("name").setValue(new StringType("gender"));
      operation.addPart().setName("value").setValue(new CodeType("female"));
      Patient patched = (Patient) client.patch().withFhirPatch(patch).withId(id).execute().getResource();
      same(AdministrativeGender.FEMALE, patched.getGender());
    });

    scenario("a patch may be conditional", () -> {
      String value = unique();
      created(identified(value));
      String patch = "[{\"op\": \"add\", \"path\": \"/gender\", \"value\": \"other\"}]";
      MethodOutcome outcome = client.patch().withBody(patch)
          .conditional("Patient").where(Patient.IDENTIFIER.exactly().systemAndIdentifier("urn:test", value)).execute();
      same(AdministrativeGender.OTHER, ((Patient) outcome.getResource()).getGender());
    });

    scenario("a patch that does not fit is refused and changes nothing", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      String patch = "[{\"op\": \"test\", \"path\": \"/gender\", \"value\": \"male\"}]";
      refused(UnprocessableEntityException.class, () -> client.patch().withBody(patch).withId(id).execute());
      same("1", client.read().resource(Patient.class).withId(id).execute().getMeta().getVersionId());
    });

    scenario("a transaction stores entries that refer to each other", () -> {
      Patient patient = person();
      patient.setId(IdType.newRandomUuid());
      Bundle sent = new Bundle().setType(Bundle.BundleType.TRANSACTION);
      sent.addEntry().setFullUrl(patient.getId()).setResource(patient)
          .getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
      sent.addEntry().setResource(weight(patient.getId(), "60"))
          .getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
      Bundle made = client.transaction().withBundle(sent).execute();
      same(List.of("201", "201"), statuses(made));
      String id = new IdType(made.getEntryFirstRep().getResponse().getLocation()).getIdPart();
      same(1, client.search().forResource(Observation.class).where(Observation.PATIENT.hasId(id))
          .returnBundle(Bundle.class).execute().getEntry().size());
    });

    scenario("a transaction with a bad entry stores none", () -> {
      String value = unique();
      Bundle sent = new Bundle().setType(Bundle.BundleType.TRANSACTION);
      sent.addEntry().setResource(identified(value)).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
      sent.addEntry().setResource(person()).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
      refused(BaseServerResponseException.class, () -> client.transaction().withBundle(sent).execute());
      same(false, client.search().forResource(Patient.class)
          .where(Patient.IDENTIFIER.exactly().identifier(value)).returnBundle(Bundle.class).execute().hasEntry());
    });

    scenario("a batch answers each entry on its own", () -> {
      Bundle sent = new Bundle().setType(Bundle.BundleType.BATCH);
      sent.addEntry().setResource(person()).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
      sent.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/" + unique());
      same(List.of("201", "404"), statuses(client.transaction().withBundle(sent).execute()));
    });

    scenario("history is there of a resource, a type and the server, and versions can be read", () -> {
      Patient first = created(person());
      IdType id = first.getIdElement().toVersionless();
      client.update().resource(first.copy().setGender(AdministrativeGender.FEMALE)).execute();
      Bundle versions = client.history().onInstance(id).returnBundle(Bundle.class).execute();
      same(2, versions.getTotal());
      same(true, client.history().onType(Patient.class).returnBundle(Bundle.class).count(1).execute().hasEntry());
      same(true, client.history().onServer().returnBundle(Bundle.class).count(1).execute().hasEntry());
      Patient old = client.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute();
      same(false, old.hasGender());
    });

    scenario("a read of an unchanged version need not answer it again", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      same(true, client.read().resource(Patient.class).withId(id).ifVersionMatches("1").returnNull().execute() == null);
    });

    scenario("what is deleted is gone", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      client.delete().resourceById(id).execute();
      refused(ResourceGoneException.class, () -> client.read().resource(Patient.class).withId(id).execute());
    });

    scenario("a conditional delete takes its one match", () -> {
      String value = unique();
      IdType id = created(identified(value)).getIdElement().toVersionless();
      client.delete().resourceConditionalByType("Patient")
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("urn:test", value)).execute();
      refused(ResourceGoneException.class, () -> client.read().resource(Patient.class).withId(id).execute());
    });

    scenario("XML is refused with a 406", () -> {
      IdType id = created(person()).getIdElement().toVersionless();
      BaseServerResponseException refusal = refused(BaseServerResponseException.class,
          () -> client.read().resource(Patient.class).withId(id).encodedXml().execute());
      same(406, refusal.getStatusCode());
    });

    scenario("errors carry the outcome", () -> {
      refused(ResourceNotFoundException.class, () -> client.read().resource(Patient.class).withId(unique()).execute());
      InvalidRequestException misspelt = refused(InvalidRequestException.class,
          () -> client.search().byUrl("Patient?famly=Rivera").returnBundle(Bundle.class).execute());
      same(true, said(misspelt).contains("famly"));
      Observation unfinished = new Observation();
      unfinished.getCode().setText("No status");
      InvalidRequestException invalid = refused(InvalidRequestException.class,
          () -> client.create().resource(unfinished).execute());
      same(true, said(invalid).contains("status"));
    });
  }
}
