"""The demo population and its stories, as data. Empty in this version; see README.md."""
