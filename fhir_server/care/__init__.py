"""The rules of care, families and registration, pure: what is allowed and what follows, without a database."""
