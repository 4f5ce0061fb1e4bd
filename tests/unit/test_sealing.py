"""What is sealed tells nothing and is opened only where it was meant to be."""

import base64

import pytest

from smart_auth.sealing import Seal

KEY = b"k" * 32
SSN = "123-45-6789"


def test_what_was_sealed_can_be_opened_by_every_worker_with_the_same_key() -> None:
    assert Seal(KEY).opened(Seal(KEY).sealed(SSN, "registration-1"), "registration-1") == SSN


def test_sealed_text_is_not_in_what_is_kept_and_differs_each_time() -> None:
    one, other = Seal(KEY).sealed(SSN, "a"), Seal(KEY).sealed(SSN, "a")
    assert one != other
    assert SSN.encode() not in base64.b64decode(one)


@pytest.mark.parametrize("about", ["registration-2", "", "registration-1 "])
def test_it_cannot_be_moved_to_another_document(about: str) -> None:
    sealed = Seal(KEY).sealed(SSN, "registration-1")
    with pytest.raises(ValueError, match="not sealed here"):
        Seal(KEY).opened(sealed, about)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ValueError, match="not sealed here"):
        Seal(b"l" * 32).opened(Seal(KEY).sealed(SSN, "a"), "a")


@pytest.mark.parametrize("garbled", ["", "AAAA", "not base64!", "é", base64.b64encode(b"x" * 40).decode()])
def test_what_was_never_sealed_is_refused_in_the_same_words(garbled: str) -> None:
    with pytest.raises(ValueError, match="not sealed here"):
        Seal(KEY).opened(garbled, "a")


def test_a_changed_bit_is_noticed() -> None:
    sealed = bytearray(base64.b64decode(Seal(KEY).sealed(SSN, "a")))
    sealed[-1] ^= 1
    with pytest.raises(ValueError, match="not sealed here"):
        Seal(KEY).opened(base64.b64encode(sealed).decode(), "a")


def test_a_keyed_digest_is_the_same_for_all_workers_and_unknown_without_the_key() -> None:
    digest = Seal(KEY).keyed_digest(SSN)
    assert digest == Seal(KEY).keyed_digest(SSN)
    assert len(digest) == 64 and int(digest, 16)
    assert digest not in (Seal(b"l" * 32).keyed_digest(SSN), Seal(KEY).keyed_digest("123-45-6780"))


def test_names_outside_ascii_are_sealed_too() -> None:
    seal = Seal.of_this_process()
    assert seal.opened(seal.sealed("José Müller 田", "ünder"), "ünder") == "José Müller 田"


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(b"short")
