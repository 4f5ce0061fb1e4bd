"""Who helps people: told at the foot of every page and with every refusal.

https://www.w3.org/WAI/WCAG22/Understanding/consistent-help.html
"""

HELP = "/help"
"""The page of answers, which everybody may read, at the origin."""

_desk = ["Global Service Center, 1-800-600-9332"]


def help_desk() -> str:
    """The help desk with its number, as the settings of this process have it."""
    return _desk[0]


def settle(desk: str) -> None:
    """Take the help desk of the settings; done once, as the routes of a process are made."""
    _desk[0] = desk
