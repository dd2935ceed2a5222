"""Damage to what an HDF5 file says, not to its bytes: links, shapes, types and attributes that no
honest writer makes.
"""

import h5py
import numpy as np
from hypothesis import strategies as st

VALUES = {
    "nan": np.nan,
    "infinity": np.float64(np.inf),
    "huge": np.float64(1e300),
    "negative": np.int64(-(2**63)),
    "text": "type",
    "bytes": np.bytes_(b"\xff\xfe"),
    "empty": np.empty((0, 3), np.float32),
    "half": np.ones(3, np.float16),
    "complex": np.complex64(1j),
    "bool": np.True_,
    "long double": np.ones(2, np.longdouble),
    "texts": np.array([b"a", b"bc"], "S2"),
    "compound": np.zeros(2, [("x", "f4"), ("y", "i4")]),
    "null": h5py.Empty("f4"),
    "array": np.zeros((2, 2, 2, 2), np.float32),
    "json": '{"epoch": 1e999, "settings": {"hidden": [[]]}, "epoch": null}',
}
HOLES = [
    "virtual",
    "external",
    "undelivered",
    "chunked",
    "bomb",
    "references",
    "soft",
    "outside",
    "cycle",
    "bush",
    "deep",
    "many",
]
PLACE = st.integers(0, 10**6)
CUT = st.one_of(
    st.tuples(st.just("dataset"), PLACE, st.sampled_from(sorted(VALUES))),
    st.tuples(st.just("attribute"), PLACE, st.sampled_from(sorted(VALUES))),
    st.tuples(st.just("delete"), PLACE, st.none()),
    st.tuples(st.just("add"), PLACE, st.sampled_from(sorted(VALUES))),
    st.tuples(st.just("hole"), PLACE, st.sampled_from(HOLES)),
    st.tuples(st.just("move"), PLACE, PLACE),
)
CUTS = st.lists(CUT, min_size=1, max_size=3)


def operated(path, cuts):
    """The HDF5 file `path` with every one of `cuts` made in it."""
    with h5py.File(path, "r+") as file:
        for kind, place, how in cuts:
            try:
                DOING[kind](file, place, how)
            except (KeyError, ValueError, OSError, RuntimeError, TypeError, ZeroDivisionError):
                continue  # h5py will not write that here


def _items(file):
    found = []
    file.visit(found.append)
    return found


def _choose(file, place):
    items = _items(file)
    return items[place % len(items)]


def _dataset(file, place, how):
    name = _choose(file, place)
    del file[name]
    file[name] = VALUES[how]


def _attribute(file, place, how):
    owners = [item for item in (file, *(file[name] for name in _items(file))) if len(item.attrs)]
    owner = owners[place % len(owners)]
    names = sorted(owner.attrs)
    owner.attrs[names[place % len(names)]] = VALUES[how]


def _delete(file, place, _):
    del file[_choose(file, place)]


def _add(file, place, how):
    parent = file[_choose(file, place)].parent
    parent[f"more{place}"] = VALUES[how]


def _move(file, place, other):
    file.move(_choose(file, place), _choose(file, other))


def _hole(file, place, how):
    name = _choose(file, place)
    del file[name]
    MAKING[how](file, name)


def _virtual(file, name):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4, 4))
    file.create_virtual_dataset(name, layout)


def _external(file, name):
    file.create_dataset(name, (4,), "f4", external=[("/etc/hostname", 0, 16)])


def _undelivered(file, name):
    file.create_dataset(name, (1 << 16, 1 << 14), "f4")


def _chunked(file, name):
    file.create_dataset(
        name, (1 << 40,), "f4", chunks=(1 << 10,), maxshape=(None,), compression="gzip"
    )


def _bomb(file, name):
    file.create_dataset(
        name, data=np.zeros(1 << 18, np.float32), compression="gzip", compression_opts=9
    )


def _references(file, name):
    file.create_dataset(name, data=[file.ref], dtype=h5py.ref_dtype)


def _soft(file, name):
    file[name] = h5py.SoftLink("/")


def _outside(file, name):
    file[name] = h5py.ExternalLink("/etc/hostname", "/")


def _cycle(file, name):
    file[name] = file["/"]


def _bush(file, name):
    """A few groups that all paths lead through: few bytes, and more paths than can be walked."""
    below = file.create_group(f"{name}/0")
    for level in range(1, 6):
        group = file.create_group(f"{name}/{level}")
        for twin in range(30):
            group[f"twin{twin}"] = below
        below = group


def _deep(file, name):
    file.create_group(name + "/a" * 200)


def _many(file, name):
    group = file.create_group(name)
    for number in range(200):
        group.create_group(str(number))


MAKING = {
    "virtual": _virtual,
    "external": _external,
    "undelivered": _undelivered,
    "chunked": _chunked,
    "bomb": _bomb,
    "references": _references,
    "soft": _soft,
    "outside": _outside,
    "cycle": _cycle,
    "bush": _bush,
    "deep": _deep,
    "many": _many,
}
DOING = {
    "dataset": _dataset,
    "attribute": _attribute,
    "delete": _delete,
    "add": _add,
    "hole": _hole,
    "move": _move,
}
