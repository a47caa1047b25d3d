/* Blocks that one thread allocates and another frees, through a queue. */
#include "bench.h"

#include <string.h>

/* --- A bounded queue of pointers that blocks, never spins. */

enum { CAPACITY = 4096 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *slots[CAPACITY];
    uint64_t put, taken;
    int closed;
};

static void open_queue(struct queue *q)
{
    memset(q, 0, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
}

static void close_queue(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = 1;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static void put(struct queue *q, void **items, int n)
{
    pthread_mutex_lock(&q->lock);
    while (q->put + (uint64_t)n - q->taken > CAPACITY)
        pthread_cond_wait(&q->changed, &q->lock);
    for (int i = 0; i < n; i++)
        q->slots[q->put++ % CAPACITY] = items[i];
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

/* Up to n; none once the queue is closed and empty. */
static int take(struct queue *q, void **items, int n)
{
    int got = 0;
    pthread_mutex_lock(&q->lock);
    while (q->put == q->taken && !q->closed)
        pthread_cond_wait(&q->changed, &q->lock);
    while (got < n && q->put != q->taken)
        items[got++] = q->slots[q->taken++ % CAPACITY];
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return got;
}

/* A block that says itself how long it is. */
struct parcel {
    size_t size;
    uint64_t number;
};

static void *wrap(size_t size, uint64_t number)
{
    struct parcel *p = malloc(size);
    if (!p)
        fail("out of memory: %zu bytes", size);
    p->size = size;
    p->number = number;
    /* The last byte too, where there is room behind the header. */
    if (size > sizeof *p)
        ((unsigned char *)p)[size - 1] = (unsigned char)number;
    return opaque(p);
}

static uint64_t unwrap(void *at)
{
    struct parcel *p = opaque(at);
    if (p->size > sizeof *p && ((unsigned char *)p)[p->size - 1] != (unsigned char)p->number)
        fail("a parcel of %zu bytes has changed", p->size);
    uint64_t number = p->number;
    free(p);
    return number;
}

/* --- One thread allocates, the other frees. */

enum { LOT = 256 };

struct handover {
    struct queue queue;
    uint64_t blocks;
    uint64_t sum;
};

static void *handover_free(void *argument)
{
    struct handover *h = argument;
    void *items[LOT];
    int n;
    while ((n = take(&h->queue, items, LOT)) > 0)
        for (int i = 0; i < n; i++)
            h->sum += unwrap(items[i]);
    return NULL;
}

static void *handover_allocate(void *argument)
{
    struct handover *h = argument;
    struct random r = random_from(21);
    void *items[LOT];
    for (uint64_t sent = 0; sent < h->blocks;) {
        int n = 0;
        while (n < LOT && sent < h->blocks)
            items[n++] = wrap(log_uniform(&r, 16, 6), ++sent);
        put(&h->queue, items, n);
    }
    close_queue(&h->queue);
    return NULL;
}

static void handover(struct run *run)
{
    static struct handover h;
    open_queue(&h.queue);
    h.blocks = scaled(run, 8e6);
    run->operations = h.blocks;
    begin(run);
    pthread_t consumer = start(handover_free, &h);
    pthread_t producer = start(handover_allocate, &h);
    finish(producer);
    finish(consumer);
    end(run);
    if (h.sum != h.blocks * (h.blocks + 1) / 2)
        fail("blocks were lost on the way");
}

/* --- Requests and answers: each side allocates what the other frees. */

enum { WINDOW = 64 };

struct exchange {
    struct queue there, back;
    uint64_t requests;
};

static void *serve(void *argument)
{
    struct exchange *x = argument;
    struct random r = random_from(22);
    void *items[WINDOW];
    int n;
    while ((n = take(&x->there, items, WINDOW)) > 0) {
        for (int i = 0; i < n; i++)
            items[i] = wrap(log_uniform(&r, 16, 9), unwrap(items[i]) + 1);
        put(&x->back, items, n);
    }
    close_queue(&x->back);
    return NULL;
}

static void *ask(void *argument)
{
    struct exchange *x = argument;
    struct random r = random_from(23);
    void *items[WINDOW];
    uint64_t sent = 0, answered = 0, sum = 0, expected = 0;
    while (answered < x->requests) {
        int n = 0;
        /* Some windows on the way at a time keep both sides busy. */
        while (n < WINDOW && sent < x->requests && sent - answered < 16 * WINDOW) {
            items[n++] = wrap(log_uniform(&r, 16, 6), sent);
            expected += ++sent;
        }
        if (n)
            put(&x->there, items, n);
        if (!n || sent == x->requests) {
            n = take(&x->back, items, WINDOW);
            for (int i = 0; i < n; i++)
                sum += unwrap(items[i]);
            answered += (uint64_t)n;
        }
    }
    close_queue(&x->there);
    if (sum != expected)
        fail("answers were lost on the way");
    return NULL;
}

static void requests(struct run *run)
{
    static struct exchange x;
    open_queue(&x.there);
    open_queue(&x.back);
    x.requests = scaled(run, 3e6);
    run->operations = 2 * x.requests;
    begin(run);
    pthread_t server = start(serve, &x);
    pthread_t client = start(ask, &x);
    finish(client);
    finish(server);
    end(run);
}

const struct load transfer_loads[] = {
    {"handover", "two-threads", 2, handover},
    {"requests", "two-threads", 2, requests},
    {NULL, NULL, 0, NULL},
};
