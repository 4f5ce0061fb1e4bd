"""Types whose content is encrypted before it reaches the database: messages, requests for them, and files.

Their search tokens stay clear, so that they are found; nobody's words are among these, and no text search finds them.
docs/adr/0032-encryption-at-rest.md
"""

ENCRYPTED = frozenset({"Binary", "Communication", "CommunicationRequest"})
