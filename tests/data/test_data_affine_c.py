"""TRN-16 repeated in C from its text: the same maps, bit for bit."""

import shutil
import subprocess

import numpy as np
import pytest

from refboot.data.affine import fixed_maps

COMPILER = shutil.which("cc") or shutil.which("gcc")
PROGRAM = r"""
#include <math.h>
#include <stdio.h>

static void sine_cosine(double angle, double *sine, double *cosine) {
    long long k = (long long)floor(1024 * angle + 0.5);
    long long q = (long long)floor((double)(k + 46080) / 92160.0);
    double x = (double)(k - 92160 * q) * 1.7044230976507124e-05, y = x * x, s = 1, c = 1;
    for (int i = 7; i >= 1; i--) s = 1 - y * s / (double)(2 * i * (2 * i + 1));
    s = x * s;
    for (int i = 8; i >= 1; i--) c = 1 - y * c / (double)(2 * i * (2 * i - 1));
    switch (((q % 4) + 4) % 4) {
        case 0: *sine = s; *cosine = c; break;
        case 1: *sine = c; *cosine = -s; break;
        case 2: *sine = -s; *cosine = -c; break;
        default: *sine = -c; *cosine = s;
    }
}

static long long fixed(double v) {
    v = v > 1073741824.0 ? 1073741824.0 : v < -1073741824.0 ? -1073741824.0 : v;
    return (long long)floor(v * 65536 + 0.5);
}

int main(void) {
    double a, right, down, z, sx, sy, S, C, s, c0, H, W;
    while (scanf("%la %la %la %la %la %la %la %la", &a, &right, &down, &z, &sx, &sy, &H, &W) == 8) {
        sine_cosine(a, &S, &C);
        sine_cosine(sx, &s, &c0);
        double t = s / c0;
        sine_cosine(sy, &s, &c0);
        double u = s / c0;
        double c = u * C - S, d = u * S + C;
        double m00 = (C + t * c) / z, m01 = (S + t * d) / z, m10 = c / z, m11 = d / z;
        double px = W / 2 + rint(right * W), py = H / 2 + rint(down * H);
        double bx = W / 2 - (m00 * px + m01 * py) + m00 * 0.5 + m01 * 0.5;
        double by = H / 2 - (m10 * px + m11 * py) + m10 * 0.5 + m11 * 0.5;
        printf("%lld %lld %lld %lld %lld %lld\n", fixed(m00), fixed(m01), fixed(bx),
               fixed(m10), fixed(m11), fixed(by));
    }
    return 0;
}
"""


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_a_c_program_gives_the_same_maps(tmp_path):
    """TRN-16."""
    (tmp_path / "maps.c").write_text(PROGRAM)
    options = ["-std=c99", "-O2", "-ffp-contract=off", "maps.c", "-o", "maps", "-lm"]
    subprocess.run([COMPILER, *options], cwd=tmp_path, check=True)
    low, high = np.array([[-360, 360], [-1, 1], [-1, 1], [0.1, 3], [-89, 89], [-89, 89]]).T
    drawn = np.random.default_rng(0).uniform(low, high, (2000, 6))
    lines = "\n".join(" ".join(float(v).hex() for v in (*row, 28, 31)) for row in drawn)
    told = subprocess.run(
        [tmp_path / "maps"], input=lines, capture_output=True, text=True, check=True
    ).stdout
    found = np.array(told.split(), np.int64).reshape(-1, 2, 3)
    np.testing.assert_array_equal(found, fixed_maps(drawn, (28, 31)))
