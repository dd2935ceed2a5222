"""Damage to the bytes of a file, as hypothesis draws it: what goes wrong on disks, and what an
enemy tries.
"""

import zlib

from hypothesis import strategies as st

BYTES = [0, 1, 0x7F, 0x80, 0xFF]
WORDS = [
    b"\0" * 8,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\x01\0\0\0\0\0\0\0",
    b"\0\0\0\0\0\0\0\x80",
    b"\x7f\xff\xff\xff",
    b"NaN",
    b"-1",
    b"1e999",
    b"{",
    b'"',
]

# A place is a share of the length, so that the same damage can be done to a shorter file.
PLACE = st.floats(0, 1, exclude_max=True)
DAMAGE = st.one_of(
    st.tuples(st.just("flip"), PLACE, st.integers(0, 7)),
    st.tuples(st.just("set"), PLACE, st.sampled_from(BYTES)),
    st.tuples(st.just("word"), PLACE, st.sampled_from(WORDS)),
    st.tuples(st.just("any"), PLACE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("insert"), PLACE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("delete"), PLACE, st.integers(1, 64)),
    st.tuples(st.just("cut"), PLACE, st.none()),
    st.tuples(st.just("copy"), PLACE, PLACE),
    st.tuples(st.just("swap"), PLACE, PLACE),
)
DAMAGES = st.lists(DAMAGE, min_size=1, max_size=6)


def damaged(content, damages):
    """`content` with every one of `damages` done to it in turn."""
    data = bytearray(content)
    for kind, place, how in damages:
        DOING[kind](data, int(place * len(data)), how)
    return bytes(data)


def _put(data, at, new):
    data[at : at + len(new)] = new


def _insert(data, at, new):
    data[at:at] = new


def _delete(data, at, count):
    del data[at : at + count]


def _cut(data, at, _):
    del data[at:]


def _copy(data, at, share):
    source = int(share * len(data))
    _put(data, at, bytes(data[source : source + 16]))


def _swap(data, at, share):
    other = int(share * len(data))
    one, two = bytes(data[at : at + 8]), bytes(data[other : other + 8])
    if len(one) == len(two):
        _put(data, at, two)
        _put(data, other, one)


def _byte(change):
    def do(data, at, how):
        if data:
            data[at] = change(data[at], how)

    return do


DOING = {
    "flip": _byte(lambda old, bit: old ^ (1 << bit)),
    "set": _byte(lambda old, new: new),
    "word": _put,
    "any": _put,
    "insert": _insert,
    "delete": _delete,
    "cut": _cut,
    "copy": _copy,
    "swap": _swap,
}


def deflated(content):
    """The same in gzip, with a checksum that fits."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()
