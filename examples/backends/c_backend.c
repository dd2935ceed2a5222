/* A backend in C99: level 1 of the spec (numbers, neuron, spikes, synapses, norms) by the command protocol of spec/vectors/README.md.

   cc -std=c99 -O2 -ffp-contract=off -o c_backend c_backend.c -lm
   refboot verify --level 1 --command './c_backend {input} {output}'

   Written for a little-endian machine whose int64_t and IEEE 754 float are what the spec means. Clauses stand beside the code. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t whole;
typedef struct { char name[40], kind[8]; double real; int axes; whole size[8], count; double *f; whole *i; } Value;

static Value values[32];
static int found;
static FILE *out;

/* The protocol: a value by name, an answer of arrays, a rejection. */

static void finish(const char *line) {
    fprintf(out, "%send\n", line);
    exit(fclose(out) != 0);
}

static Value *get(const char *name) {
    for (int n = 0; n < found; n++)
        if (!strcmp(values[n].name, name)) return &values[n];
    fprintf(stderr, "no input %s\n", name);
    exit(2);
}

static int absent(const char *name) { return !strcmp(get(name)->kind, "none"); }

static double number(const char *name) {
    if (!strcmp(get(name)->kind, "text")) finish("reject dtype\n"); /* NUM-9 */
    return get(name)->real;
}

static void *room(whole count) {
    void *p = calloc((size_t)(count > 0 ? count : 1), 8);
    if (!p) exit(2);
    return p;
}

static void read_case(FILE *in) {
    char line[256], kind[8], code[4];
    while (fgets(line, sizeof line, in) && strcmp(line, "end\n")) {
        Value *v = &values[found++];
        int at = 0;
        if (found > 32 || sscanf(line, "%7s %39s %n", v->kind, v->name, &at) != 2) exit(2);
        strcpy(kind, v->kind);
        if (!strcmp(kind, "int") || !strcmp(kind, "real")) v->real = strtod(line + at, NULL);
        if (strcmp(kind, "array")) continue;
        int more = 0;
        if (sscanf(line + at, "%3s %d%n", code, &v->axes, &more) != 2 || v->axes > 8) exit(2);
        char *rest = line + at + more;
        v->count = 1;
        for (int a = 0; a < v->axes; a++) v->count *= v->size[a] = strtoll(rest, &rest, 10);
        v->f = room(v->count);
        v->i = room(v->count);
        for (whole n = 0; n < v->count; n++) {
            float single;
            if (!strcmp(code, "f4")) { if (fread(&single, 4, 1, in) != 1) exit(2); v->f[n] = single; }
            else if (!strcmp(code, "f8")) { if (fread(&v->f[n], 8, 1, in) != 1) exit(2); }
            else { if (fread(&v->i[n], 8, 1, in) != 1) exit(2); v->f[n] = (double)v->i[n]; }
        }
    }
}

static void head(const char *name, const char *code, int axes, const whole *size) {
    fprintf(out, "array %s %s %d", name, code, axes);
    for (int a = 0; a < axes; a++) fprintf(out, " %" PRId64, size[a]);
    fputc('\n', out);
}

static void put_floats(const char *name, int axes, const whole *size, const float *x) {
    whole count = 1;
    for (int a = 0; a < axes; a++) count *= size[a];
    head(name, "f4", axes, size);
    fwrite(x, 4, (size_t)count, out);
}

static void put_wholes(const char *name, int axes, const whole *size, const whole *x) {
    whole count = 1;
    for (int a = 0; a < axes; a++) count *= size[a];
    head(name, "i8", axes, size);
    fwrite(x, 8, (size_t)count, out);
}

/* Chapter 1: numbers. */

static float q(double x) { return (float)fmin(fmax(rint(x * 32) / 32, -4), 3.96875); }          /* NUM-2 */
static whole threshold_of(double x) { return (whole)(x * 64); }                                  /* NUM-4 */
static whole decay_of(double d) { return (whole)rint(fmin(fmax(d, 0), 4096)); }                  /* NUM-5 */
static whole to_state(double x) { return (whole)(x * 4096); }                                    /* NUM-6: a cast cuts off */
static float to_real(whole y) { return (float)((double)y / 4096); }                              /* NUM-7 */
static whole shift0(whole a) { return a < 0 ? -(-a >> 12) : a >> 12; }                           /* NUM-8 */

static void finite(const Value *v) {
    for (whole n = 0; n < v->count; n++)
        if (!(fabs(v->f[n]) <= FLT_MAX)) finish("reject range\n");                               /* NUM-9 */
}

/* Chapters 2 and 3: neuron and spike. */

static whole leak(whole y, whole drive, whole decay) { return shift0(y * (4096 - decay)) + drive; } /* LIF-1 */

static whole of_channel(const Value *decay, whole c) { return decay->i[decay->count > 1 ? c : 0]; } /* LIF-3 */

static void leaky_forward(void) {
    Value *drive = get("drive"), *state = get("state");
    whole C = drive->size[1], T = drive->size[2], reset = !absent("threshold"), th = reset ? (whole)number("threshold") : 0;
    whole *y = room(drive->count);
    for (whole k = 0; k < state->count; k++)
        for (whole t = 0; t < T; t++) {
            y[k * T + t] = leak(state->i[k], drive->i[k * T + t], of_channel(get("decay"), k % C));
            state->i[k] = reset && y[k * T + t] > th ? 0 : y[k * T + t];                         /* LIF-2, LIF-6 */
        }
    put_wholes("y", 3, drive->size, y);
    put_wholes("last", 2, state->size, state->i);
}

static void fire(int graded) {
    Value *v = get("voltage");
    float *s = room(v->count);
    for (whole n = 0; n < v->count; n++)
        s[n] = v->i[n] > (whole)number("threshold") ? (graded ? to_real(v->i[n]) : 1) : 0;       /* SPK-1, SPK-2 */
    put_floats("s", 3, v->size, s);
}

static void cuba_forward(void) {
    Value *z = get("z"), *u = get("u"), *v = get("v");
    whole C = z->size[1], T = z->size[2], th = (whole)number("threshold");
    float *s = room(z->count), *voltage = room(z->count);
    for (whole k = 0; k < u->count; k++)
        for (whole t = 0; t < T; t++) {
            whole n = k * T + t;
            u->i[k] = leak(u->i[k], to_state(z->f[n]), of_channel(get("i_decay"), k % C));       /* LIF-4, LIF-7 */
            v->i[k] = leak(v->i[k], u->i[k], of_channel(get("v_decay"), k % C));
            voltage[n] = to_real(v->i[k]);
            s[n] = v->i[k] > th;                                                                 /* LIF-5 */
            if (v->i[k] > th) v->i[k] = 0;
        }
    put_floats("s", 3, z->size, s);
    put_floats("voltage", 3, z->size, voltage);
    put_wholes("u_last", 2, u->size, u->i);
    put_wholes("v_last", 2, v->size, v->i);
}

static void neuron_forward(void) {
    Value *z = get("z");
    double threshold = number("threshold"), decay[2] = {number("current_decay"), number("voltage_decay")};
    if (!(threshold > 0) || threshold_of(threshold) < 1) finish("reject range\n");               /* LIF-12 */
    for (int d = 0; d < 2; d++) if (!(decay[d] >= 0 && decay[d] <= 1)) finish("reject range\n");
    finite(z);
    whole T = z->size[2], rows = z->count / T, calls = (whole)number("calls"), steps = T / calls, th = 64 * threshold_of(threshold);
    whole i = decay_of((float)(4096 * decay[0])), w = decay_of((float)(4096 * decay[1]));
    whole *u = room(rows), *v = room(rows);
    float *s = room(z->count);
    for (whole call = 0; call < calls; call++) {
        double most = 0, most_u = 0, most_v = 0;                                                 /* LIF-10 */
        for (whole k = 0; k < rows; k++) {
            most_u = fmax(most_u, fabs((double)u[k])), most_v = fmax(most_v, fabs((double)v[k]));
            for (whole t = 0; t < steps; t++) most = fmax(most, fabs(z->f[k * T + call * steps + t]));
        }
        if (!((double)(steps * steps) * (most + (most_u + most_v) / 4096) < ldexp(1, 39))) finish("reject range\n");
        for (whole k = 0; k < rows; k++)
            for (whole t = call * steps; t < (call + 1) * steps; t++) {
                u[k] = leak(u[k], to_state(z->f[k * T + t]), i);
                v[k] = leak(v[k], u[k], w);
                s[k * T + t] = v[k] > th ? (number("graded") != 0 ? to_real(v[k]) : 1) : 0;
                if (v[k] > th) v[k] = 0;
            }
    }
    put_floats("s", 3, z->size, s);
}

/* Chapter 4: synapses. */

static void dense(const Value *x, const double *weight, whole O, whole I) {
    whole T = x->size[2], size[3] = {x->size[0], O, T};
    float *z = room(size[0] * O * T);
    for (whole n = 0; n < size[0]; n++)
        for (whole o = 0; o < O; o++)
            for (whole t = 0; t < T; t++) {
                double sum = 0;
                for (whole k = 0; k < I; k++) sum += weight[o * I + k] * x->f[(n * I + k) * T + t];  /* SYN-1 */
                z[(n * O + o) * T + t] = (float)sum;
            }
    put_floats("z", 3, size, z);
}

static float *normed(const Value *v, const Value *g) {                                           /* SYN-5 */
    whole I = v->count / v->size[0];
    float *w = room(v->count);
    for (whole o = 0; o < v->size[0]; o++) {
        double sum = 0;
        for (whole k = 0; k < I; k++) sum += v->f[o * I + k] * v->f[o * I + k];
        float factor = sum == 0 ? 0 : (float)g->f[o] / (float)sqrt(sum);  /* a row of zeros stays one */
        for (whole k = 0; k < I; k++) w[o * I + k] = (float)v->f[o * I + k] * factor;
    }
    return w;
}

static void dense_synapse(void) {                                                                /* SYN-4 */
    Value *x = get("x"), *v = get("v");
    if (x->axes != 3 || x->size[1] != v->size[1]) finish("reject shape\n");
    finite(x);
    float *w = absent("g") ? NULL : normed(v, get("g"));
    double *used = room(v->count);
    for (whole n = 0; n < v->count; n++) {
        float full = w ? w[n] : (float)v->f[n];
        used[n] = q(absent("mask") ? full : full * (float)get("mask")->f[n]);
    }
    dense(x, used, v->size[0], v->size[1]);
}

static void input(float weight, float bias, int quantise) {                                      /* SYN-6 */
    Value *x = get("x");
    float *z = room(x->count);
    finite(x);
    for (whole n = 0; n < x->count; n++) {
        float product = (quantise ? q(x->f[n]) : (float)x->f[n]) * weight;
        z[n] = product + bias;
    }
    put_floats("z", 3, x->size, z);
}

/* SYN-7 to SYN-9: x (N, C, H, W, T), weight (O, C/G, K, L) or, where `shared`, (K, L) for each channel alone. H and W: the padded picture. */
static void convolve(const Value *x, const double *weight, whole O, whole K, whole L, whole G, const whole *stride,
                     const whole *padding, const whole *dilation, whole H, whole W, int shared) {
    whole C = x->size[1], h = x->size[2], w = x->size[3], T = x->size[4], part = C / G;
    whole size[5] = {x->size[0], O, (H + 2 * padding[0] - dilation[0] * (K - 1) - 1) / stride[0] + 1,
                     (W + 2 * padding[1] - dilation[1] * (L - 1) - 1) / stride[1] + 1, T};
    if (H + 2 * padding[0] < dilation[0] * (K - 1) + 1 || W + 2 * padding[1] < dilation[1] * (L - 1) + 1) finish("reject shape\n");
    float *z = room(size[0] * O * size[2] * size[3] * T);
    whole at = 0;
    for (whole n = 0; n < size[0]; n++) for (whole o = 0; o < O; o++)
        for (whole y = 0; y < size[2]; y++) for (whole c = 0; c < size[3]; c++) for (whole t = 0; t < T; t++) {
            double sum = 0;
            for (whole p = 0; p < part; p++) for (whole i = 0; i < K; i++) for (whole j = 0; j < L; j++) {
                whole row = y * stride[0] + i * dilation[0] - padding[0], col = c * stride[1] + j * dilation[1] - padding[1];
                whole from = o / (O / G) * part + p;
                if (row >= 0 && row < h && col >= 0 && col < w)
                    sum += weight[((shared ? 0 : o * part + p) * K + i) * L + j] * x->f[(((n * C + from) * h + row) * w + col) * T + t];
            }
            z[at++] = (float)sum;
        }
    put_floats("z", 5, size, z);
}

static void conv(const char *name, int quantise) {
    Value *x = get("x"), *v = get(name);
    whole G = (whole)number("groups");
    if (x->size[1] % G || v->size[0] % G) finish("reject range\n");                              /* SYN-9 */
    if (x->size[1] != v->size[1] * G) finish("reject shape\n");
    for (whole n = 0; quantise && n < v->count; n++) v->f[n] = q(v->f[n]);
    convolve(x, v->f, v->size[0], v->size[2], v->size[3], G, get("stride")->i, get("padding")->i, get("dilation")->i, x->size[2],
             x->size[3], 0);
}

static void pool(const double *weight, whole K, whole L, const whole *stride, const whole *padding, const whole *dilation) {
    Value *x = get("x");                                                                         /* SYN-10 */
    convolve(x, weight, x->size[1], K, L, x->size[1], stride, padding, dilation, (x->size[2] + K - 1) / K * K, (x->size[3] + L - 1) / L * L, 1);
}

static void pool_synapse(void) {
    whole *kernel = get("kernel")->i, none[2] = {0, 0}, one[2] = {1, 1};
    double *weight = room(kernel[0] * kernel[1]);
    for (whole n = 0; n < kernel[0] * kernel[1]; n++) weight[n] = q((float)number("weight_scale"));
    pool(weight, kernel[0], kernel[1], kernel, none, one);
}

#include "c_norm.h"

int main(int count, char **words) {
    char line[64], op[40];
    FILE *in = count == 3 ? fopen(words[1], "rb") : NULL;
    out = in ? fopen(words[2], "wb") : NULL;
    if (!out || !fgets(line, sizeof line, in) || strcmp(line, "refboot-case 1\n") || fscanf(in, "op %39s", op) != 1 || fgetc(in) != '\n') return 2;
    read_case(in);
    fputs("refboot-answer 1\n", out);
    if (!strcmp(op, "leaky_forward")) leaky_forward();
    else if (!strcmp(op, "spike_forward")) fire(0);
    else if (!strcmp(op, "graded_forward")) fire(1);
    else if (!strcmp(op, "cuba_forward")) cuba_forward();
    else if (!strcmp(op, "neuron_forward")) neuron_forward();
    else if (!strcmp(op, "dense_forward")) dense(get("x"), get("weight")->f, get("weight")->size[0], get("weight")->size[1]);
    else if (!strcmp(op, "dense_synapse")) dense_synapse();
    else if (!strcmp(op, "weight_norm_forward")) put_floats("w", 2, get("v")->size, normed(get("v"), get("g")));
    else if (!strcmp(op, "input_forward")) input((float)get("weight")->f[0], (float)get("bias")->f[0], 0);
    else if (!strcmp(op, "input_synapse"))
        input(absent("weight") ? 1 : q((float)number("weight")), absent("bias") ? 0 : q((float)number("bias")), 1);
    else if (!strcmp(op, "conv_forward")) conv("weight", 0);
    else if (!strcmp(op, "conv_synapse")) conv("v", 1);
    else if (!strcmp(op, "pool_forward"))
        pool(get("weight")->f, get("weight")->size[0], get("weight")->size[1], get("stride")->i, get("padding")->i, get("dilation")->i);
    else if (!strcmp(op, "pool_synapse")) pool_synapse();
    else if (!numbers_or_norms(op)) finish("missing\n");
    finish("");
}
