/* The constants of vector_math.h: in a unit of their own, so that the compiler does not know them. */
#include "vector_math.h"

const float exp_constants[] = {
    0.4999999403953552f, 0.16666509211063385f, 0.04166852682828903f, /* q, from the constant term */
    0.008370134979486465f, 0.0013811662793159485f,
    88.37f,      /* EXP_MOST */
    -87.33f,     /* EXP_LEAST */
    12582912.0f, /* EXP_ROUND: 1.5 · 2^23 */
    1.44269504f, /* EXP_LOG2E */
    -0.693359375f, 2.12194440e-4f, /* EXP_LN2, in two parts */
    1.0f, __builtin_inff(),        /* EXP_ONE, EXP_INFINITY */
};

const float tanh_constants[] = {-0.3333328068256378f, 0.13331441581249237f, -0.05373971536755562f,
                                0.0206390880048275f, -0.005704986862838268f};

const float erf_constants[2][6] = {
    {1.1283791065216064f, 0.1915481686592102f, 0.052875179797410965f, 0.003808076260611415f,
     0.00028468683012761176f, 2.025936055360944e-06f},
    {1.0f, 0.5030878186225891f, 0.11455875635147095f, 0.01505491603165865f, 0.001170707051642239f,
     3.78320473838353e-05f},
};
