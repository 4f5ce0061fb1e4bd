"""Names as people type them, and as official documents have them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_auth.identity.names import comparable, same_name


class TestWhatDoesNotCount:
    @pytest.mark.parametrize(
        "typed",
        [
            "José Ángel Muñoz",
            "jose angel munoz",
            "  JOSÉ   MUÑOZ ",
            "Jose\u0301 Mun\u0303oz",
            "Muñoz, José",
            "MUNOZ, JOSE A.",
            "José A Muñoz",
        ],
    )
    def test_case_accents_and_spaces(self, typed: str) -> None:
        assert same_name(typed, "Muñoz", ("José", "Ángel"))
        assert same_name(typed, "MUNOZ", ("JOSE", "ANGEL"))

    @pytest.mark.parametrize(
        ("typed", "family", "first"),
        [
            ("Siobhán O’Brien", "O'Brien", "Siobhan"),
            ("Siobhan OBrien", "O'Brien", "Siobhan"),
            ("Siobhan O Brien", "O'Brien", "Siobhan"),
            ("Anne-Marie Smith-Jones", "Smith Jones", "Anne Marie"),
            ("Juan de la Cruz", "De La Cruz", "Juan"),
            ("Søren Łukasz", "Lukasz", "Soren"),
            ("Jörg Weiß", "WEISS", "JORG"),
        ],
    )
    def test_punctuation_and_letters_of_other_alphabets(self, typed: str, family: str, first: str) -> None:
        assert same_name(typed, family, (first,))

    @given(st.text(max_size=40))
    def test_what_is_compared_is_the_same_twice_and_in_every_normal_form(self, text: str) -> None:
        once = comparable(text)
        assert comparable(once) == once
        assert comparable(unicodedata.normalize("NFD", text)) == comparable(unicodedata.normalize("NFC", text))


class TestSuffixes:
    @pytest.mark.parametrize(
        "typed", ["Harold Washington", "Harold Washington Jr", "Harold Washington, Jr.", "Washington, Harold, Junior"]
    )
    def test_they_may_be_written_in_any_way_or_left_out(self, typed: str) -> None:
        assert same_name(typed, "Washington", ("Harold",), "Jr.")

    @pytest.mark.parametrize("typed", ["Harold Washington Sr", "Harold Washington III", "Washington, Harold, 2nd"])
    def test_another_one_is_another_person(self, typed: str) -> None:
        assert not same_name(typed, "Washington", ("Harold",), "Jr.")

    def test_one_that_nobody_has_is_not_accepted(self) -> None:
        assert not same_name("Harold Washington Jr", "Washington", ("Harold",))

    def test_it_may_stand_in_the_family_name(self) -> None:
        assert same_name("Harold Washington II", "Washington II", ("Harold",))

    def test_a_last_v_is_the_fifth_or_an_initial(self) -> None:
        assert same_name("Maria Lopez V", "Lopez", ("Maria",), "V")
        assert same_name("Lopez, Maria V", "Lopez", ("Maria", "Valeria"))
        assert not same_name("Lopez, Maria V", "Lopez", ("Maria", "Teresa"))


class TestWhatCounts:
    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "Rivera",
            "Ana",
            "Anna Rivera",
            "Ana Riviera",
            "Rivera Ana",
            "Ana, Rivera",
            "Maria Rivera",
            "Ana Sofia Rivera",
            "Ana X Rivera",
            "Rivera, Ana, Rivera",
            "A Rivera",
            "Ana Rivera" + " " * 300,
        ],
    )
    def test_another_name_is_none(self, typed: str) -> None:
        assert not same_name(typed, "Rivera", ("Ana", "Maria"))

    def test_middle_names_come_in_their_order(self) -> None:
        assert same_name("Ana Maria T Rivera", "Rivera", ("Ana", "Maria", "Teresa"))
        assert not same_name("Ana Teresa Maria Rivera", "Rivera", ("Ana", "Maria", "Teresa"))

    def test_nobody_without_a_name_is_anybody(self) -> None:
        assert not same_name("", "", ())
        assert not same_name(" ", "", ("",))
        assert not same_name(", ", "", ("",))
