"""The letters of registrations: no health data, nobody's name, no id; and the same text for all that did not fit."""

from urllib.parse import quote

NOT_RECOGNIZED = (
    "Somebody, probably you, registered with this e-mail address. It could not be completed with what was entered. "
    "Check it against your official documents and register again, or ask the help desk.\n"
)
REGISTERED = (
    "Somebody, probably you, registered with this e-mail address. You are registered already: sign in, or ask for a "
    "new password at the sign-in page.\n"
)
UNDER_WAY = "Your registration is under way already. You get another letter when it is decided.\n"
COMPLETE = "Your registration is complete. You can sign in now with the username and password that you chose.\n"


def confirm(origin: str, token: str, hours: int) -> str:
    """The letter with the link to who registered alone."""
    link = f"{origin}/auth/registration/confirm?token={quote(token, safe='')}"
    return (
        "Somebody, probably you, registered with this e-mail address.\n\n"
        f"To go on, open this page and type the password that you chose:\n{link}\n\n"
        f"The link works once, for {hours} hours. If you did not register, do nothing.\n"
    )


def invite(origin: str, token: str, days: int) -> str:
    """The letter to a dependent of age."""
    link = f"{origin}/auth/registration/dependent?token={quote(token, safe='')}"
    return (
        "A member of your family enrolled you. To take up a sign-in of your own, open this page and choose a username "
        f"and a password:\n{link}\n\nThe link works once, for {days} days.\n"
    )


def signed(text: str, help_desk: str) -> str:
    """A letter with its last line."""
    return f"{text}\nNobody of ours asks for your password. Help: {help_desk}.\n"
