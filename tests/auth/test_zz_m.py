import json
from tests.auth.attacks import READS
from tests.auth.two_worlds import *


async def test_x(mongodb_uri):
    async with two_worlds(mongodb_uri) as w:
        for sent in READS["by Bundle"][4::12]:
            a, b = await w.answers("agency for one", sent)
            if a != b:
                for e, x, y in zip(sent.body["entry"], json.loads(a.body)["entry"], json.loads(b.body)["entry"]):
                    if x != y:
                        f = lambda z: (
                            json.dumps([q.get("fullUrl") for q in z.get("resource", {}).get("entry", [])])
                            + json.dumps(z)[:300]
                        )
                        print("DIFF", e["request"]["url"], f(x), f(y), sep="\n  DIFF")
