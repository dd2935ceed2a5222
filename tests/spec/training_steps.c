/* Training steps of the tutorial's kind of network (input, dense layers, read-out) in plain C99, written
 * from the spec: NUM-11 to NUM-13 in every sum. Compile with -ffp-contract=off. Reads a network and its
 * batches from standard input and writes its parameters after the last step (test_training_step_c.py).
 * Letters: N samples, I inputs, O outputs, T steps. A layer's values are (N, T, I), with T = 1 as rates. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int knots; float *edge, *base, *slope, scale, eps; } Curve;
typedef struct { float *data, *grad, *m, *v; int size; } Parameter;

static void take(void *to, size_t size) { if (fread(to, 1, size, stdin) != size) exit(2); }
static int32_t whole(void) { int32_t x; take(&x, 4); return x; }
static float real(void) { float x; take(&x, 4); return x; }
static float *room(size_t n) { return calloc(n ? n : 1, sizeof(float)); }
static float *reals(int n) { float *x = room(n); take(x, 4 * (size_t)n); return x; }

static float exp_negative(float x)
{
    if (x < -87.0f) return 0.0f;
    float k = floorf(x * 1.44269504f + 0.5f);
    float r = x - k * 0.693359375f;
    r = r - k * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;
    return ldexpf(p + 1.0f, (int)k);
}

static double power(double base, unsigned exponent)
{
    double result = 1;
    for (int bit = 31; bit >= 0; bit--) {
        result = result * result;
        if (exponent >> bit & 1) result = result * base;
    }
    return result;
}

static float quantised(float x)
{
    float r = rintf(x * 32.0f) / 32.0f;
    return fminf(fmaxf(r, -4.0f), 3.96875f) + 0.0f;
}

static float let_through(float grad, float x)  /* GRD-5 */
{
    float r = rintf(x * 32.0f) / 32.0f;
    return r >= -4.0f && r <= 3.96875f ? grad : 0.0f;
}

static float length_of(const float *v, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++) { float term = v[i] * v[i]; sum = sum + term; }
    return sqrtf(sum);
}

static Parameter parameter(int size)
{
    Parameter p = {reals(size), room(size), room(size), room(size), size};
    return p;
}

static void adam(Parameter *p, int step, double lr)
{
    float rate = (float)(lr / (1 - power(0.9, step)));
    float root = (float)(1 / sqrt(1 - power(0.999, step)));
    float b1 = 0.9f, c1 = (float)(1 - 0.9), b2 = 0.999f, c2 = (float)(1 - 0.999), eps = 1e-8f;
    for (int i = 0; i < p->size; i++) {
        float g = p->grad[i], m = p->m[i] * b1, v = p->v[i] * b2;
        m = m + c1 * g;
        v = v + c2 * g * g;
        if (fabsf(m) < 0x1p-126f) m = 0;
        if (v < 0x1p-126f) v = 0;
        p->m[i] = m;
        p->v[i] = v;
        p->data[i] = p->data[i] - rate * m / (sqrtf(v) * root + eps);
    }
}

static int32_t keep_i, keep_v, limit;
static float level, slope, inverse;

static int64_t leak(int64_t state, int64_t keep) { return state * keep / 4096; }

static void spikes_of(const float *z, float *s, float *volt, int N, int T, int n)  /* LIF-4 */
{
    for (int row = 0; row < N; row++)
        for (int i = 0; i < n; i++) {
            int64_t u = 0, v = 0;
            for (int t = 0; t < T; t++) {
                int at = (row * T + t) * n + i;
                u = leak(u, keep_i) + (int64_t)(z[at] * 4096.0f);
                v = leak(v, keep_v) + u;
                s[at] = v > limit;
                volt[at] = (float)v / 4096.0f;
                if (v > limit) v = 0;
            }
        }
}

static void spikes_back(float *g, const float *volt, int N, int T, int n)  /* GRD-1, GRD-3; in place */
{
    float ki = 1.0f - (float)(4096 - keep_i) / 4096.0f, kv = 1.0f - (float)(4096 - keep_v) / 4096.0f;
    for (int row = 0; row < N; row++)
        for (int i = 0; i < n; i++) {
            float gu = 0, gi = 0;
            for (int t = T - 1; t >= 0; t--) {
                int at = (row * T + t) * n + i;
                float surrogate = slope * exp_negative(fabsf(volt[at] - level) * inverse);
                gu = g[at] * surrogate + kv * gu;
                gi = gu + ki * gi;
                g[at] = gi;
            }
        }
}

static void rates_of(const float *z, float *a, float *gain, int count, const Curve *c)  /* ACT-1, ACT-4 */
{
    for (int at = 0; at < count; at++) {
        float x = z[at], y = 0, by = 0.0f * c->scale + c->eps;
        for (int k = 0; k < c->knots - 1; k++)
            if (x > c->edge[k]) {
                y = c->base[k] + c->slope[k] * (x - c->edge[k]);
                by = c->slope[k] * c->scale + c->eps;
            }
        if (x > c->edge[c->knots - 1]) { y = c->base[c->knots - 1]; by = 0.0f * c->scale + c->eps; }
        a[at] = y;
        gain[at] = by;
    }
}

int main(void)
{
    int layers = whole(), steps = whole(), batches = whole(), N = whole();
    int *size = calloc(layers + 1, sizeof *size);
    for (int l = 0; l <= layers; l++) size[l] = whole();
    int K = size[layers];
    keep_i = whole(); keep_v = whole(); limit = whole();
    level = real(); slope = real(); inverse = real();
    double lr;
    take(&lr, 8);
    Parameter weight = parameter(1), bias = parameter(1), *v = calloc(layers, sizeof *v), *g = calloc(layers, sizeof *g);
    Curve *curve = calloc(layers, sizeof *curve);
    for (int l = 0; l < layers; l++) { v[l] = parameter(size[l + 1] * size[l]); g[l] = parameter(size[l + 1]); }
    for (int l = 0; l < layers; l++) {  /* of the input layer and all but the read-out */
        int k = curve[l].knots = whole();
        curve[l].edge = reals(k); curve[l].base = reals(k); curve[l].slope = reals(k - 1);
        curve[l].scale = real(); curve[l].eps = real();
    }
    float **a = calloc(layers + 1, sizeof *a), **z = calloc(layers + 1, sizeof *z), **by = calloc(layers + 1, sizeof *by);
    for (int l = 0; l <= layers; l++) { a[l] = room(N * steps * size[l]); z[l] = room(N * steps * size[l]); by[l] = room(N * steps * size[l]); }
    float **w = calloc(layers, sizeof *w), **len = calloc(layers, sizeof *len);
    for (int l = 0; l < layers; l++) { w[l] = room(v[l].size); len[l] = room(size[l + 1]); }

    for (int step = 1; step <= batches; step++) {
        int T = whole() ? steps : 1;
        float *x = reals(N * size[0]);
        int32_t *label = malloc(sizeof *label * N);
        take(label, sizeof *label * N);
        float wq = quantised(weight.data[0]), bq = quantised(bias.data[0]);
        for (int n = 0; n < N; n++)
            for (int t = 0; t < T; t++)
                for (int i = 0; i < size[0]; i++) {
                    float drive = quantised(x[n * size[0] + i]) * wq;
                    z[0][(n * T + t) * size[0] + i] = drive + bq;
                }
        for (int l = 0; l < layers; l++) {  /* forward */
            int I = size[l], O = size[l + 1];
            if (T > 1) spikes_of(z[l], a[l], by[l], N, T, I);
            else rates_of(z[l], a[l], by[l], N * I, &curve[l]);
            for (int o = 0; o < O; o++) {  /* SYN-5 */
                len[l][o] = length_of(v[l].data + o * I, I);
                float ratio = len[l][o] != 0 ? g[l].data[o] / len[l][o] : 0.0f;
                for (int i = 0; i < I; i++) w[l][o * I + i] = quantised(v[l].data[o * I + i] * ratio);
            }
            for (int row = 0; row < N * T; row++)
                for (int o = 0; o < O; o++) {
                    float sum = 0;
                    for (int i = 0; i < I; i++) { float term = a[l][row * I + i] * w[l][o * I + i]; sum = sum + term; }
                    z[l + 1][row * O + o] = sum;
                }
        }
        float *gz = room(N * T * K), *p = room(K);
        for (int n = 0; n < N; n++) {  /* TRN-1 to TRN-3 */
            float largest = -INFINITY, total = 0;
            for (int o = 0; o < K; o++) {
                float sum = 0;
                for (int t = 0; t < T; t++) sum = sum + z[layers][(n * T + t) * K + o];
                p[o] = sum / (float)T;
                largest = fmaxf(largest, p[o]);
            }
            for (int o = 0; o < K; o++) { p[o] = exp_negative(p[o] - largest); total = total + p[o]; }
            for (int o = 0; o < K; o++) {
                float grad = p[o] / total;
                if (o == label[n]) grad = grad - 1.0f;
                grad = grad / (float)N / (float)T;
                for (int t = 0; t < T; t++) gz[(n * T + t) * K + o] = grad;
            }
        }
        for (int l = layers - 1; l >= 0; l--) {  /* backward */
            int I = size[l], O = size[l + 1];
            float *gx = room(N * T * I);
            for (int row = 0; row < N * T; row++)
                for (int i = 0; i < I; i++) {
                    float sum = 0;
                    for (int o = 0; o < O; o++) { float term = gz[row * O + o] * w[l][o * I + i]; sum = sum + term; }
                    gx[row * I + i] = sum;
                }
            for (int o = 0; o < O; o++) {
                float along = 0, ratio = len[l][o] != 0 ? g[l].data[o] / len[l][o] : 0.0f;
                for (int i = 0; i < I; i++) {
                    float sum = 0;
                    for (int row = 0; row < N * T; row++) { float term = gz[row * O + o] * a[l][row * I + i]; sum = sum + term; }
                    sum = let_through(sum, v[l].data[o * I + i] * ratio);
                    v[l].grad[o * I + i] = sum;
                    float term = sum * v[l].data[o * I + i];
                    along = along + term;
                }
                g[l].grad[o] = len[l][o] != 0 ? along / len[l][o] : 0.0f;
                float share = len[l][o] != 0 ? g[l].grad[o] / len[l][o] : 0.0f;
                for (int i = 0; i < I; i++) {
                    float part = v[l].data[o * I + i] * share;
                    v[l].grad[o * I + i] = ratio * (v[l].grad[o * I + i] - part);
                }
            }
            if (T > 1) spikes_back(gx, by[l], N, T, I);
            else for (int at = 0; at < N * I; at++) gx[at] = gx[at] * by[l][at];
            free(gz);
            gz = gx;
        }
        float sum_w = 0, sum_b = 0;
        for (int i = 0; i < size[0]; i++) {  /* GRD-9 */
            float own_w = 0, own_b = 0;
            for (int row = 0; row < N * T; row++) {
                float term = gz[row * size[0] + i] * quantised(x[row / T * size[0] + i]);
                own_w = own_w + term;
                own_b = own_b + gz[row * size[0] + i];
            }
            sum_w = sum_w + own_w;
            sum_b = sum_b + own_b;
        }
        weight.grad[0] = let_through(sum_w, weight.data[0]);
        bias.grad[0] = let_through(sum_b, bias.data[0]);
        adam(&weight, step, lr);
        adam(&bias, step, lr);
        for (int l = 0; l < layers; l++) { adam(&v[l], step, lr); adam(&g[l], step, lr); }
        free(gz); free(p); free(x); free(label);
    }
    fwrite(weight.data, 4, 1, stdout);
    fwrite(bias.data, 4, 1, stdout);
    for (int l = 0; l < layers; l++) { fwrite(v[l].data, 4, v[l].size, stdout); fwrite(g[l].data, 4, g[l].size, stdout); }
    return 0;
}
