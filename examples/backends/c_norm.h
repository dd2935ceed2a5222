/* The rest of c_backend.c: chapter 1 on arrays, and the norms of chapter 9. */

static void norm_statistics(const Value *x, float *mean, float *variance) {                      /* NRM-1, NRM-5 */
    whole C = x->size[1], T = x->size[2], n = x->count / C;
    double total = 0, squares = 0;
    for (whole c = 0; c < C; c++) {
        double sum = 0;
        for (whole k = 0; k < n; k++) sum += x->f[(k / T * C + c) * T + k % T];
        mean[c] = (float)(sum / (double)n);
        total += sum;
    }
    for (whole k = 0; k < x->count; k++) squares += pow(x->f[k] - total / (double)x->count, 2);
    *variance = (float)(squares / (double)x->count);
}

static int exponent(float variance) {                                                            /* NRM-6 */
    int e;
    float fraction = frexpf(sqrtf(variance + 1e-5f), &e);
    e -= fraction == 0.5f;
    return e < -3 ? -3 : e > 3 ? 3 : e;
}

static void batch_norm(void) {                                                                   /* NRM-1 to NRM-5 */
    Value *x = get("x"), *running = get("running_mean");
    whole C = x->size[1], T = x->size[2], n = x->count / C, one = 1;
    float *mean = room(C), *after = room(C), variance = (float)get("running_var")->f[0], *y = room(x->count);
    float m = (float)number("momentum"), var_after = variance;
    int training = number("training") != 0, scaled = number("scaled") != 0;
    for (whole c = 0; c < C; c++) mean[c] = after[c] = (float)running->f[c];
    if (training) {
        norm_statistics(x, mean, &variance);
        for (whole c = 0; c < C; c++) after[c] = (1 - m) * after[c] + m * mean[c];               /* NRM-2 */
        if (scaled) var_after = (1 - m) * var_after + m * (variance * (float)n / (float)(n + 1));
    }
    float std = scaled ? ldexpf(1, exponent(variance)) : 1;
    for (whole k = 0; k < x->count; k++) y[k] = ((float)x->f[k] - q(mean[k / T % C])) / std;
    put_floats("y", 3, x->size, y);
    put_floats("mean_after", 1, &C, after);
    put_floats("var_after", 1, &one, &var_after);
}

static int numbers_or_norms(const char *op) {
    Value *v = &values[0];
    whole *i = room(v->count), one = 1;
    float *f = room(v->count), variance;
    for (whole n = 0; n < v->count; n++) {
        i[n] = !strcmp(op, "decay_mantissa") ? decay_of(v->f[n]) : !strcmp(op, "to_state") ? to_state(v->f[n]) : shift0(v->i[n]);
        if (!strcmp(op, "norm_exponent")) i[n] = exponent((float)v->f[n]);
        f[n] = !strcmp(op, "quantize_8bit") ? q(v->f[n]) : to_real(v->i[n]);
    }
    if (!strcmp(op, "quantize_8bit")) put_floats("y", 1, v->size, f);
    else if (!strcmp(op, "to_real")) put_floats("x", 1, v->size, f);
    else if (!strcmp(op, "decay_mantissa")) put_wholes("mantissa", 1, v->size, i);
    else if (!strcmp(op, "to_state")) put_wholes("state", 1, v->size, i);
    else if (!strcmp(op, "shift_to_zero")) put_wholes("y", 1, v->size, i);
    else if (!strcmp(op, "norm_exponent")) put_wholes("exponent", 1, v->size, i);
    else if (!strcmp(op, "threshold_mantissa")) i[0] = threshold_of(v->real), put_wholes("mantissa", 0, NULL, i);
    else if (!strcmp(op, "batch_norm")) batch_norm();
    else if (!strcmp(op, "norm_statistics")) {
        norm_statistics(v, f, &variance);
        put_floats("mean", 1, &v->size[1], f);
        put_floats("variance", 1, &one, &variance);
    } else return 0;
    return 1;
}
