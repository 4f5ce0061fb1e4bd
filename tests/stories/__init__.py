"""The first fourteen stories of patients, each from sign-in to the last answer, on the demo population."""
