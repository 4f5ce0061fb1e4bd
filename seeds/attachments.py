"""Files that come with a record: a Binary with a PDF, and the Attachment that points to it.

https://hl7.org/fhir/R4/binary.html, https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

import base64
from datetime import datetime

from seeds import pdf
from seeds.chart import Chart, instant
from seeds.model import Labels, Resource


def pdf_attachment(
    chart: Chart, key: str, title: str, text: str, created: datetime, *, labels: Labels = ()
) -> Resource:
    """Write the text down as a PDF in the Binary `<person>-<key>-file`; the Attachment that refers to it."""
    content = pdf.document(title, (("", text),))
    elements = {
        "contentType": "application/pdf",
        "securityContext": {"reference": f"Patient/{chart.person.key}"},
        "data": base64.b64encode(content).decode("ascii"),
    }
    return {
        "contentType": "application/pdf",
        "url": chart.add("Binary", f"{key}-file", elements, labels=labels),
        "size": len(content),
        "title": title,
        "creation": instant(created),
    }
