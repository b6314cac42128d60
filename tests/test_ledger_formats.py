"""Trees, notes, keys and checkpoints against published vectors and other people's implementations."""

import base64
import hashlib
import struct

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.runs.ledger.format import merkle, signed_note

from . import counts

# trees: the leaves and roots that Certificate Transparency implementations publish for RFC 6962
# https://github.com/google/certificate-transparency/blob/master/cpp/merkletree/merkle_tree_test.cc
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [merkle.leaf(bytes.fromhex(data)) for data in LEAVES]


def test_the_roots_of_certificate_transparency():
    for size, root in enumerate(ROOTS, start=1):
        assert merkle.root(HASHES[:size]).hex() == root


def test_the_empty_tree():
    """RFC 6962, 2.1: the hash of an empty list is the hash of an empty string."""
    assert merkle.root([]).hex() == hashlib.sha256(b"").hexdigest()


def test_the_example_of_rfc_6962():
    """Section 2.1.3: seven leaves, whose proofs are [b, h, l], [c, g, l], [f, j, k] and [i, k] for d0, d3, d4, d6."""
    a, b, c, d, e, f, j = HASHES[:7]
    g, h, i = merkle.node(a, b), merkle.node(c, d), merkle.node(e, f)
    k, whole = merkle.node(g, h), merkle.node(i, j)
    assert merkle.Tree(HASHES[:7]).path(0) == [b, h, whole]
    assert merkle.Tree(HASHES[:7]).path(3) == [c, g, whole]
    assert merkle.Tree(HASHES[:7]).path(4) == [f, j, k]
    assert merkle.Tree(HASHES[:7]).path(6) == [i, k]


@settings(deadline=None)
@given(st.integers(1, 130).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_roots_and_proofs_of_pymerkle(case):
    size, index = case
    data = [b"%d" % i for i in range(size)]
    tree, hashes = pymerkle.InmemoryTree(algorithm="sha256"), [merkle.leaf(d) for d in data]
    for entry in data:
        tree.append_entry(entry)
    assert merkle.root(hashes) == tree.get_root()
    proof = merkle.Tree(hashes).path(index)
    assert proof == tree.prove_inclusion(index + 1, size).path[1:]
    assert merkle.root_from_path(hashes[index], index, size, proof) == tree.get_root()


@settings(deadline=None)
@given(st.integers(1, 20), st.data())
def test_no_other_proof_leads_to_the_root(size, data):
    hashes = [merkle.leaf(b"%d" % i) for i in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.Tree(hashes).path(index), merkle.root(hashes)
    others = [(other, size, proof) for other in range(-1, size + 2) if other != index] + [
        (index, size, proof[:-1]),
        (index, size, [*proof, root]),
        (index, size, proof[::-1]),
    ]
    for place, total, path in others:
        if (place, path) == (index, proof):
            continue
        try:
            found = merkle.root_from_path(hashes[index], place, total, path)
        except ValueError:
            continue
        assert found != root


def test_a_leaf_that_is_not_there():
    with pytest.raises(ValueError, match="no leaf 3"):
        merkle.Tree(HASHES[:3]).path(3)


# signatures (RFC 8032, section 7.1): secret key, public key, message, signature
ED25519 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "r",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), ED25519, ids=["1", "2"])
def test_the_signatures_of_rfc_8032(secret, public, message, signature):
    signer = signed_note.signer("test", seed=bytes.fromhex(secret))
    assert signer.key.public.hex() == public
    name, raw = signed_note.signature(signer.sign(message))
    assert (name, raw[4:].hex()) == ("test", signature)


# notes: the examples of golang.org/x/mod/sumdb/note (note_test.go)
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCH = "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
NOTE = f"{TEXT}\n\u2014 PeterNeumann {PETER}\n\u2014 EnochRoot {ENOCH}\n"


def test_the_note_of_go():
    peter, enoch = signed_note.parse_key(VKEY), signed_note.parse_key(ENOCH_KEY)
    assert signed_note.parse_signer(SKEY).key == peter
    assert signed_note.parse_signer(SKEY).sign(TEXT) == f"\u2014 PeterNeumann {PETER}\n"
    note = signed_note.parse(NOTE.encode())
    assert note.text == TEXT
    assert str(note) == NOTE
    assert signed_note.verified(note, [peter, enoch]) == [peter, enoch]
    assert signed_note.verified(note, [enoch]) == [enoch]
    assert signed_note.verified(note, [signed_note.signer("Nobody", seed=b"n" * 32).key]) == []


def test_every_mangled_key_of_go():
    for good, parse in ((VKEY, signed_note.parse_key), (SKEY, signed_note.parse_signer)):
        bad = [
            good[i:j] for i in range(len(good)) for j in range(i, len(good) + 1) if (i, j) != (0, len(good))
        ]
        bad += [good[:i] + chr(ord(good[i]) + 1) + good[i + 1 :] for i in range(len(good))]
        bad += ["PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="]
        bad += ["PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
        for text in bad:
            with pytest.raises(signed_note.NoteError):
                parse(text)


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def doubled(x, y):
    """Return 2 (x, y) on edwards25519 (RFC 8032, section 5.1.4, in affine coordinates)."""
    k = D * x * x * y * y % P
    return 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P


def root_of(square):
    """Return a square root modulo P (RFC 8032, section 5.1.3)."""
    root = pow(square, (P + 3) // 8, P)
    root = root if root * root % P == square % P else root * pow(2, (P - 1) // 4, P) % P
    assert root * root % P == square % P
    return root


def test_keys_for_which_anybody_can_sign():
    """Points P with 8 P = (0, 1): a signature of zeros, and R = A, may hold for them whatever the text is."""
    weak = {y % P for y in signed_note._WEAK}
    assert len(weak) == 5  # orders 1, 2, 4 and 8; x has two signs
    for y in weak:
        point = root_of((y * y - 1) * pow(D * y * y + 1, -1, P)), y
        assert doubled(*doubled(*doubled(*point))) == (0, 1)
    for y in signed_note._WEAK:
        for sign in (0, 2**255):
            key = signed_note.Key("m", signed_note.LOG, (y + sign).to_bytes(32, "little"))
            with pytest.raises(signed_note.NoteError, match="public key"):
                signed_note.parse_key(str(key))


BAD_NOTES = {
    "no signature": f"{TEXT}\n",
    "no newline at the end": NOTE[:-1],
    "control character": "\x01" + NOTE,
    "carriage return": NOTE.replace("\n", "\r\n"),
    "another line": NOTE + "Unexpected line.\n",
    "a name with a space": f"{TEXT}\n\u2014 Bad Name {PETER}\n",
    "a name with a plus": f"{TEXT}\n\u2014 Bad+Name {PETER}\n",
    "a hyphen": NOTE.replace("\u2014", "-"),
    "base64 of another spelling": NOTE.replace("nAM=", "nAN="),
    "base64 with a space": NOTE.replace("x08g", "x08g "),
    "a short signature": f"{TEXT}\n\u2014 PeterNeumann x08gow==\n",
    "too many": f"{TEXT}\n" + f"\u2014 PeterNeumann {PETER}\n" * 101,
}


@pytest.mark.parametrize("case", BAD_NOTES)
def test_a_malformed_note(case):
    with pytest.raises(signed_note.NoteError):
        signed_note.parse(BAD_NOTES[case].encode())


def test_a_note_that_is_no_text():
    with pytest.raises(signed_note.NoteError, match="UTF-8"):
        signed_note.parse(b"\xff" + NOTE.encode())


def test_every_flipped_bit_of_a_note():
    """A changed signature of somebody unknown is nobody's business; anything else is seen."""
    keys, good = [signed_note.parse_key(VKEY), signed_note.parse_key(ENOCH_KEY)], NOTE.encode()
    for place in range(len(good)):
        for bit in counts.bits(place):
            data = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            try:
                assert len(signed_note.verified(signed_note.parse(data), keys)) < 2
            except signed_note.NoteError:
                continue


CHECKPOINT = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGz"
    "Gku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
    "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


def test_the_checkpoint_of_c2sp():
    """The examples of https://c2sp.org/tlog-checkpoint and https://c2sp.org/tlog-cosignature."""
    note = signed_note.parse(CHECKPOINT.encode())
    found = signed_note.parse_checkpoint(note.text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert (str(found), str(note)) == (note.text, CHECKPOINT)
    (_, log), (name, witness) = note.signatures
    assert (len(log), len(witness)) == (4 + 64, 4 + 8 + 64)
    assert (name, struct.unpack(">Q", witness[4:12])[0]) == ("witness.example.com/w1", 1679315147)


def test_a_cosignature_by_hand():
    """The signed message is what c2sp.org/tlog-cosignature shows: a header, the time, the text."""
    witness = signed_note.signer("w", signed_note.WITNESS, b"w" * 32)
    text = signed_note.parse(CHECKPOINT.encode()).text
    _, raw = signed_note.signature(witness.sign(text, 1679315147))
    assert raw[:4] == hashlib.sha256(b"w\n\x04" + witness.key.public).digest()[:4]
    twin = signed_note.signer("w", signed_note.LOG, b"w" * 32)
    _, plain = signed_note.signature(twin.sign("cosignature/v1\ntime 1679315147\n" + text))
    assert raw[12:] == plain[4:]
    for key in (witness.key, twin.key):
        note = signed_note.Note(text, (("w", key.id + raw[4:]),))
        if key is witness.key:
            assert signed_note.verified(note, [key]) == [key]
        else:
            with pytest.raises(signed_note.NoteError):
                signed_note.verified(note, [key])


HASH = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"\n1\n{HASH}\n",
        f"o\n01\n{HASH}\n",
        f"o\n-1\n{HASH}\n",
        f"o\n\u0661\n{HASH}\n",
        f"o\n1\n{HASH}\nextension\n",
        f"o\n1\n{HASH}",
        "o\n1\nAAAA\n",
        f"o\n1\n{HASH[:-2]}J=\n",
        f"o\n{'9' * 17}\n{HASH}\n",
    ],
)
def test_a_malformed_checkpoint(text):
    with pytest.raises(signed_note.NoteError):
        signed_note.parse_checkpoint(text)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode(errors="ignore")))
def test_any_bytes_are_a_note_or_refused(data):
    try:
        note = signed_note.parse(data)
    except signed_note.NoteError:
        return
    assert str(note).encode() == data


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_key_or_refused(text):
    for parse in (signed_note.parse_key, signed_note.parse_signer, signed_note.parse_checkpoint):
        with pytest.raises(signed_note.NoteError):
            parse(text)


@settings(deadline=None)
@given(st.sampled_from((signed_note.LOG, signed_note.WITNESS)), st.binary(min_size=32, max_size=32))
def test_key_round_trip(kind, seed):
    signer = signed_note.signer("otonari.example/street", kind, seed)
    assert signed_note.parse_key(str(signer.key)) == signer.key
    assert signed_note.parse_signer(signer.secret()) == signer
    assert seed.hex() not in repr(signer)
    assert "PRIVATE" not in str(signer)


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_every_market_has_an_origin_of_its_own(market):
    assert signed_note.signer(signed_note.origin(market), seed=b"k" * 32).key.name == signed_note.origin(
        market
    )


def test_a_bad_name():
    with pytest.raises(signed_note.NoteError, match="name of a key"):
        signed_note.signer("a b")
