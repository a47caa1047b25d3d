/* One thread, the shapes real programs build: numbers as short-lived blocks,
 * and trees. */
#include "bench.h"

#include <string.h>

/* --- Numbers of any length, a fresh block for every result: the convergents
 * of the square root of 2, p/q -> (p + 2q)/(p + q), checked by
 * p² - 2q² = ±1. Blocks of 16 to some hundred bytes, none alive for long. */

struct number {
    uint32_t length; /* 32-bit digits, least first */
    uint32_t digits[];
};

static size_t number_size(uint32_t length)
{
    return sizeof(struct number) + length * sizeof(uint32_t);
}

static struct number *number_new(uint32_t length)
{
    struct number *n = malloc(number_size(length));
    if (!n)
        fail("out of memory: a number of %u digits", length);
    n->length = length;
    return opaque(n);
}

static struct number *number_from(uint32_t value)
{
    struct number *n = number_new(1);
    n->digits[0] = value;
    return n;
}

/* a + b, without leading zeros. */
static struct number *sum(const struct number *a, const struct number *b)
{
    if (a->length < b->length) {
        const struct number *other = a;
        a = b;
        b = other;
    }
    struct number *s = number_new(a->length + 1);
    uint64_t carry = 0;
    for (uint32_t i = 0; i < a->length; i++) {
        carry += (uint64_t)a->digits[i] + (i < b->length ? b->digits[i] : 0);
        s->digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    s->digits[a->length] = (uint32_t)carry;
    s->length = a->length + (carry != 0);
    return s;
}

/* a * b modulo 2^64 less 59, a prime: the test needs no long product. */
#define PRIME 0xffffffffffffffc5u

static uint64_t residue(const struct number *n)
{
    unsigned __int128 r = 0;
    for (uint32_t i = n->length; i-- > 0;)
        r = ((r << 32) + n->digits[i]) % PRIME;
    return (uint64_t)r;
}

static void numbers(struct run *run)
{
    enum { STEPS = 900 };
    uint64_t n = scaled(run, 7000);
    run->operations = n * STEPS * 3;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        struct number *p = number_from(1), *q = number_from(1);
        for (int step = 0; step < STEPS; step++) {
            struct number *both = sum(p, q);
            struct number *above = sum(both, q);
            free(p);
            free(q);
            p = above;
            q = both;
            /* A copy that lives for a step, as a caller's argument would. */
            if (step % 4 == 0) {
                struct number *copy = number_new(p->length);
                memcpy(copy->digits, p->digits, p->length * sizeof *p->digits);
                free(opaque(copy));
            }
        }
        if (i % 64 == 0) {
            unsigned __int128 pp = (unsigned __int128)residue(p) * residue(p) % PRIME;
            unsigned __int128 qq = (unsigned __int128)residue(q) * residue(q) % PRIME;
            uint64_t off = (uint64_t)((pp + 2 * (PRIME - qq)) % PRIME);
            if (off != 1 && off != PRIME - 1)
                fail("p/q is no convergent of the square root of 2");
        }
        free(p);
        free(q);
    }
    end(run);
}

/* --- Trees: one that lives on, and short-lived ones beside it, built and
 * dropped; each node has a label of its own. */

struct node {
    struct node *left, *right;
    char *label;
    uint32_t sum;
};

static struct node *tree(struct random *r, int depth, uint64_t *nodes)
{
    struct node *n = malloc(sizeof *n);
    size_t length = 8 + below(r, 40);
    char *label = malloc(length + 1);
    if (!n || !label)
        fail("out of memory: a node");
    memset(label, 'a' + depth % 26, length);
    label[length] = 0;
    n->label = label;
    n->sum = (uint32_t)length;
    n->left = n->right = NULL;
    ++*nodes;
    if (depth > 0) {
        n->left = tree(r, depth - 1, nodes);
        n->right = tree(r, depth - 1, nodes);
        n->sum += n->left->sum + n->right->sum;
    }
    return opaque(n);
}

static uint32_t fell(struct node *n)
{
    uint32_t sum = (uint32_t)strlen(n->label);
    if (n->left) {
        sum += fell(n->left);
        sum += fell(n->right);
    }
    if (sum != n->sum)
        fail("a tree of %u characters has %u now", n->sum, sum);
    free(n->label);
    free(n);
    return sum;
}

static void trees(struct run *run)
{
    struct random r = random_from(9);
    uint64_t nodes = 0;
    uint64_t n = scaled(run, 2500);
    begin(run);
    struct node *kept = tree(&r, run->scale < 0.5 ? 10 : 16, &nodes);
    for (uint64_t i = 0; i < n; i++)
        fell(tree(&r, 6 + (int)below(&r, 7), &nodes));
    fell(kept);
    end(run);
    run->operations = nodes * 2;
}

const struct load shape_loads[] = {
    {"numbers", "one-thread", 1, numbers},
    {"trees", "one-thread", 1, trees},
    {NULL, NULL, 0, NULL},
};
