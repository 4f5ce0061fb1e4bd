"""Stories and examples name what the population has; that they work is shown on a running server elsewhere."""

from collections import Counter
from datetime import date

import pytest

from seeds.example_reads import READS
from seeds.examples import EXAMPLES
from seeds.population import demo
from seeds.stories import STORIES

ids = {(each["resourceType"], each["id"]) for each in demo(date(2026, 11, 22))}
types = {type for type, _ in ids}


def test_there_are_about_fifteen_stories_each_with_links() -> None:
    assert 12 <= len(STORIES) <= 20
    assert all(story.links and story.text.endswith(".") for story in STORIES)
    assert len({story.title for story in STORIES}) == len(STORIES)


@pytest.mark.parametrize("type", sorted(types))
def test_every_type_of_the_population_has_a_read_and_a_search(type: str) -> None:
    paths = [each.path for each in EXAMPLES if each.type == type and each.method == "GET"]
    assert f"{type}/{READS[type][1]}" in paths and (type, READS[type][1]) in ids
    assert any(path.startswith(f"{type}?") for path in paths)


def test_no_two_examples_of_a_type_have_one_title() -> None:
    titles = Counter((each.type, each.title) for each in EXAMPLES)
    assert max(titles.values()) == 1


def test_examples_show_every_interaction_that_changes_something() -> None:
    methods = Counter(each.method for each in EXAMPLES)
    assert methods.keys() == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert {'"batch"', '"transaction"'} <= {word for each in EXAMPLES for word in each.body.replace(",", "").split()}
