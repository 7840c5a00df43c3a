/* Convolution on matrix units; see split.h. Empty for other instruction sets. */
#ifdef MATRIX_UNITS
#include <stdlib.h>

#define REAL float
#define NAME(x) x##_f32
#define IS_DOUBLE 0
#include "simd.h"
#include "vector.h"
#include "activation.h"
#include "transpose.h"
#include "split_aside.h"
#include "split_weight_aside.h"
#include "split_api.h"

/* What threads need at most, over all phases. */
typedef struct {
    int64_t packed, pack_scratch, strip, runs, compact, row, steps, bias, aside, sums;
} split_sizes;

static split_sizes sizes_of(const geometry *s, int backward, int products, int threads) {
    split_sizes z = {0};
    char *tables = malloc(split_tables_bytes(s));
    for (int64_t i = 0; tables && i < operands_of(s, backward).phases; i++) {
        const split_plan q = plan_split(s, backward, products, i, threads, tables);
        z.packed += q.groups * phase_weight_bytes(&q);
        z.pack_scratch = MAX(z.pack_scratch, pack_scratch_bytes(s, &q, backward));
        z.steps = MAX(z.steps, round_steps(&q) * (int64_t)sizeof(tile_step));
        z.strip = MAX(z.strip, split_strip_bytes(&q));
        z.runs = MAX(z.runs, split_plane_rows(&q) * (int64_t)sizeof(held_run));
        z.compact = MAX(z.compact, split_compact_values(&q) * q.parts * (int64_t)sizeof(uint16_t));
        z.bias = MAX(z.bias, bias_bytes(&q));
        z.row = MAX(z.row, split_row_floats(&q) * (int64_t)sizeof(float));
        z.aside = MAX(z.aside, aside_tables_bytes(&q));
        z.sums = MAX(z.sums, aside_sums(&q) * (int64_t)sizeof(float));
    }
    free(tables);
    return z;
}

static int64_t strips_packed_bytes(const geometry *s, int backward, int products) {
    return sizeof(split_header) + sizes_of(s, backward, products, 1).packed;
}

static int64_t strips_pack_workspace(const geometry *s, int backward, int products, int threads) {
    return threads * (CACHE_LINE + split_tables_bytes(s) + tiles_bytes(s) +
                      ROUND_UP(sizes_of(s, backward, products, 1).pack_scratch, CACHE_LINE));
}

static void strips_pack(const geometry *s, int backward, int products, const float *w, char *packed, void *workspace, int threads) {
    const int64_t own = strips_pack_workspace(s, backward, products, 1);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *p = (char *)workspace + thread_index() * own, *to = packed + sizeof(split_header);
        magnitude_range *range = (magnitude_range *)aligned_take(&p, sizeof(*range));
        char *tables = aligned_take(&p, split_tables_bytes(s));
        magnitudes m = no_magnitudes();
        tap_tiles *tiles = memset(aligned_take(&p, tiles_bytes(s)), 0, tiles_bytes(s));
        split_plan some = {.steps = 0}; /* of the phases that are packed together */
        for (int64_t i = 0; i < operands_of(s, backward).phases; i++) {
            const split_plan q = plan_split(s, backward, products, i, 1, tables);
            if (!q.steps) continue;
            if (packs_channels(s, &q, backward)) place_taps(&q, to, tiles), some = q;
            else pack_by_terms(s, &q, backward, w, to, (int32_t *)p, thread_index(), team_size(), &m);
            to += q.groups * phase_weight_bytes(&q);
        }
        if (some.steps) pack_by_channels(s, &some, backward, w, tiles, (float *)p, thread_index(), team_size(), &m);
        *range = range_of(&m);
#pragma omp barrier
#pragma omp master
        {
            split_header *header = (split_header *)packed;
            header->range = *range;
            for (int i = 1; i < team_size(); i++) join_ranges(&header->range, *(magnitude_range *)((char *)workspace + i * own));
        }
    }
}

typedef struct {
    int64_t pairs, gradients, sums, zeros;        /* of all threads; the first three of each where it has its own */
    int64_t at, runs, compact, row, rows, steps, own; /* of each; together */
} weight_sizes;

static weight_sizes weight_sizes_of(const split_plan *q) {
    weight_sizes z = {
        .pairs = ROUND_UP(q->parts * pairs_part(q), CACHE_LINE),
        .gradients = ROUND_UP(q->parts * gradient_part(q), CACHE_LINE),
        .sums = weight_sums(q) * (int64_t)sizeof(float),
        .zeros = ROUND_UP((MAX(q->o.depth, q->o.columns) + TILE) * (int64_t)sizeof(float), CACHE_LINE),
        .at = ROUND_UP(q->plane * (int64_t)sizeof(void *), CACHE_LINE),
        .runs = ROUND_UP(split_plane_rows(q) * (int64_t)sizeof(held_run), CACHE_LINE),
        .compact = ROUND_UP(split_compact_values(q) * q->parts * (int64_t)sizeof(uint16_t), CACHE_LINE),
        .row = ROUND_UP(MAX(split_row_floats(q), weight_columns(q) + TILE) * (int64_t)sizeof(float), CACHE_LINE),
        .steps = q->aside ? ROUND_UP(q->p.w * (int64_t)sizeof(tile_step), CACHE_LINE) : 0,
        .rows = q->aside || (q->channels_last && !q->patches) ? 0 : planes_together(q, 0) * q->parts * TILE * q->plane * 2 + CACHE_LINE,
    };
    z.own = CACHE_LINE + z.at + z.runs + z.compact + z.row + z.steps + z.rows;
    return z;
}

/* Sets of sums: of each thread, or of all together. */
static int64_t sums_sets(const split_plan *q, int threads) { return q->apart || holds_one_block(q) ? threads : 1; }

static int64_t weight_workspace(const geometry *s, int products, int threads) {
    char *tables = malloc(split_tables_bytes(s));
    if (!tables) return 0;
    const split_plan q = plan_split(s, SPLIT_WEIGHT_GRAD, products, 0, threads, tables);
    const weight_sizes z = weight_sizes_of(&q);
    free(tables);
    return split_tables_bytes(s) + z.zeros + (q.apart ? threads : 1) * (z.pairs + z.gradients) + sums_sets(&q, threads) * z.sums +
           threads * z.own;
}

/* Where a phase of the input gradient has no taps, everything is zero; its pixels lie between those of the others, which may be stored with
 * them. */
static void clear_untouched(const geometry *s, int backward, char *tables, float *out) {
    int untouched = 0, zeros = 0;
    for (int64_t i = 0; i < operands_of(s, backward).phases; i++) {
        const split_plan q = plan_split(s, backward, 1, i, 1, tables);
        untouched |= q.p.taps == 0, zeros |= q.zeros;
    }
    if (!untouched || zeros) return;
    const operands o = operands_of(s, backward);
    int64_t begin, end;
    share(s->n * o.dst_h * o.dst_w * o.dst_c, thread_index(), team_size(), &begin, &end);
    memset(out + begin, 0, (end - begin) * sizeof(float));
#pragma omp barrier
}

static int64_t own_bytes(const geometry *s, int backward, const split_sizes *z) {
    const int64_t each = split_tables_bytes(s) + ROUND_UP(z->steps, CACHE_LINE);
    return CACHE_LINE + sharing_phases(s, backward) * each + ROUND_UP(z->strip, CACHE_LINE) +
           ROUND_UP(z->runs, CACHE_LINE) + ROUND_UP(z->compact, CACHE_LINE) + ROUND_UP(z->row, CACHE_LINE) + z->bias +
           ROUND_UP(z->aside, CACHE_LINE) + z->sums + SCRATCH_FLOATS * (int64_t)sizeof(float);
}

static int64_t strips_workspace(const geometry *s, int direction, int products, int threads) {
    if (direction == SPLIT_WEIGHT_GRAD) return weight_workspace(s, products, threads);
    const split_sizes z = sizes_of(s, direction, products, threads);
    return threads * own_bytes(s, direction, &z);
}

/* Phases that share strips and have something to compute. */
typedef struct {
    split_plan plan[MOST_SHARING];
    const char *packed[MOST_SHARING];
    tile_step *step[MOST_SHARING];
    int64_t count;
} phase_set;

/* Of phases [first, first + sharing); `packed` goes on to the next. */
static phase_set place_phases(const geometry *s, int backward, int products, int threads, int64_t first, int64_t sharing, char **tables,
                              tile_step **step, const char **packed) {
    phase_set set = {.count = 0};
    for (int64_t i = first; i < first + sharing; i++) {
        const int64_t n = set.count;
        set.plan[n] = plan_split(s, backward, products, i, threads, tables[n]);
        set.packed[n] = *packed, set.step[n] = step[n];
        *packed += set.plan[n].groups * phase_weight_bytes(set.plan + n);
        if (!set.plan[n].p.taps || !set.plan[n].p.h || !set.plan[n].p.w) continue;
        place_steps(set.plan + n, step[n]);
        set.count++;
    }
    return set;
}

/* What is done with sums, and where: `bias` as tiles, NULL: none; of images side by side `aside` and `sums`. */
typedef struct {
    const float *bias;
    int activation;
    float slope, *out, *scratch, *sums;
    char *aside;
} strip_store;

/* Panels [first, last) of all phases of a strip that is split; `alone`: these are all. */
static void multiply_phases(const phase_set *set, const split_strip *t, int alone, int64_t first, int64_t last, const strip_store *to) {
    split_strip of_phase[MOST_SHARING];
    strip_work work[MOST_SHARING];
    for (int64_t k = 0; k < set->count; k++) {
        const split_plan *q = set->plan + k;
        of_phase[k] = *t, of_phase[k].q = q, of_phase[k].rows = MIN(t->rows, q->p.h - t->y0);
        work[k] = work_on(of_phase + k, alone, set->packed[k] + t->group * phase_weight_bytes(q), set->step[k], to->bias, to->activation,
                          to->slope, to->out, to->scratch);
    }
    for (int64_t k = 0; k < set->count; k++) {
        if (of_phase[k].rows <= 0) continue;
        if (t->q->aside)
            multiply_aside(work + k, first, last, to->aside, to->sums);
        else if (k + 1 < set->count && take_turns(set->plan + k, set->plan + k + 1))
            multiply_two_phases(work + k, work[k + 1], first, last), k++;
        else
            multiply_strip(work + k, first, last);
    }
}

static int strips_run(const geometry *s, int backward, int products, const float *x, const char *packed, const float *bias, int activation,
                      float slope, float *out, void *workspace, int threads) {
    const split_sizes z = sizes_of(s, backward, products, threads);
    const int64_t own = own_bytes(s, backward, &z), phases = operands_of(s, backward).phases, sharing = sharing_phases(s, backward);
    magnitude_range range = ((const split_header *)packed)->range, seen = {0, UINT32_MAX};
    if (!ranges_allow_split(range, MAGNITUDE_ONE)) return 0;
    for (int i = 0; i < threads; i++) *(magnitude_range *)((char *)workspace + i * own) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *p = (char *)workspace + thread_index() * own;
        magnitude_range *mine = (magnitude_range *)aligned_take(&p, sizeof(*mine));
        char *tables[MOST_SHARING];
        tile_step *step[MOST_SHARING];
        for (int64_t i = 0; i < sharing; i++) tables[i] = aligned_take(&p, split_tables_bytes(s));
        for (int64_t i = 0; i < sharing; i++) step[i] = (tile_step *)aligned_take(&p, z.steps);
        held_run *run = (held_run *)aligned_take(&p, z.runs);
        char *strip = aligned_take(&p, z.strip), *compact = aligned_take(&p, z.compact), *row = aligned_take(&p, z.row);
        float *bias_tiles = (float *)aligned_take(&p, z.bias), *sums = (float *)aligned_take(&p, z.sums);
        char *aside = aligned_take(&p, z.aside);
        const strip_store to = {bias ? bias_tiles : NULL, activation, slope, out, (float *)p, sums, aside};
        magnitudes m = no_magnitudes();
        const char *weights = packed + sizeof(split_header);
        clear_untouched(s, backward, tables[0], out);
        tiles_begin();
        for (int64_t i = 0; i < phases; i += sharing) {
            const phase_set set = place_phases(s, backward, products, threads, i, sharing, tables, step, &weights);
            if (!set.count) continue;
            /* Strips are shared among the threads; where there are few of them, filters are too. */
            const split_plan *q = set.plan;
            const int64_t panels = CEIL_DIV(q->o.columns, SPLIT_PANEL);
            const strip_sharing shared = sharing_of(q->groups * q->strips, panels, team_size());
            split_strip t = {.q = q, .group = -1, .n0 = -1, .parts = strip, .run = run, .compact = (uint16_t *)compact, .row = (float *)row};
            int64_t begin, end;
            share(shared.shares, thread_index(), team_size(), &begin, &end);
            for (int64_t j = begin; j < end; j++) {
                const strip_share now = share_at(&shared, panels, j, begin);
                if (now.begins) {
                    const int64_t index = now.strip % q->strips, group = now.strip / q->strips;
                    if (bias && group != t.group) fill_bias(q, bias + group * q->o.columns, bias_tiles);
                    if (group != t.group) t.n0 = -1;
                    t.group = group;
                    place_strip(&t, index, s->n);
                    if (q->aside) fill_aside(&t, x, &m);
                    else fill_strip(&t, x, &m);
                }
                multiply_phases(&set, &t, shared.filters == 1, now.first, now.last, &to);
            }
        }
        stream_fence();
        tiles_end();
        *mine = range_of(&m);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)((char *)workspace + i * own));
    return ranges_allow_split(range, seen);
}

int split_weight_run(const geometry *s, int products, const float *x, const float *gy, float *dw, void *workspace, int threads) {
    char *p = (char *)workspace, *tables = aligned_take(&p, split_tables_bytes(s));
    const split_plan q = plan_split(s, SPLIT_WEIGHT_GRAD, products, 0, threads, tables);
    const weight_sizes z = weight_sizes_of(&q);
    float *zeros = memset(aligned_take(&p, z.zeros), 0, z.zeros);
    const int64_t sets = q.apart ? threads : 1;
    char *pairs = aligned_take(&p, sets * z.pairs), *gradients = aligned_take(&p, sets * z.gradients);
    float *sums = (float *)aligned_take(&p, sums_sets(&q, threads) * z.sums);
    magnitude_range seen[2] = {{0, UINT32_MAX}, {0, UINT32_MAX}};
    for (int i = 0; i < threads; i++) memcpy(p + i * z.own, seen, sizeof(seen)); /* OpenMP may start fewer */
    const int64_t each = q.at_once ? weight_taps(&q) : 1, items = weight_blocks(&q) * weight_taps(&q) / each; /* shared by so many */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int me = thread_index(), team = team_size();
        char *mine = p + me * z.own;
        magnitude_range *ranges = (magnitude_range *)aligned_take(&mine, 2 * sizeof(*ranges));
        const float **at = (const float **)aligned_take(&mine, z.at);
        held_run *run = (held_run *)aligned_take(&mine, z.runs);
        uint16_t *compact = (uint16_t *)aligned_take(&mine, z.compact);
        float *row = (float *)aligned_take(&mine, z.row);
        tile_step *step = (tile_step *)aligned_take(&mine, z.steps);
        magnitudes of_x = no_magnitudes(), of_gy = no_magnitudes();
        /* Of those who share a strip. */
        const int number = q.apart ? 0 : me, sharing = q.apart ? 1 : team;
        char *own_gradients = gradients + (q.apart ? me * z.gradients : 0);
        float *own_sums = sums + (sums_sets(&q, team) > 1 ? me * z.sums / (int64_t)sizeof(float) : 0);
        split_strip t = {.q = &q, .parts = pairs + (q.apart ? me * z.pairs : 0), .run = run, .compact = compact, .row = row};
        int64_t begin, end, first_strip = 0, last_strip = q.strips;
        if (q.apart) share(q.strips, me, team, &first_strip, &last_strip);
        tiles_begin();
        for (t.group = 0; t.group < s->g; t.group++) {
            float *of_group = dw + t.group * q.o.columns * q.o.depth * q.p.taps;
            for (int64_t i = first_strip; i < last_strip; i++) {
                place_strip(&t, i, s->n);
                const int64_t image_rows = q.patches ? t.rows : q.image_rows;
                const int64_t pixels = ((t.images - 1) * image_rows + t.rows - 1) * q.pitch + q.p.w;
                output_range channels, filters;
                share(weight_tiles(&q), number, sharing, &channels.first, &channels.last);
                share(ROUND_UP(q.o.columns, SPLIT_PANEL) / TILE, number, sharing, &filters.first, &filters.last);
                if (q.aside) {
                    fill_weight_aside(&t, x, gy, channels, filters, own_gradients, &of_x, &of_gy);
                } else {
                    fill_pairs(&t, x, channels.first, channels.last, zeros, at, mine, &of_x);
                    if (q.channels_last) locate_gradient(&t, image_rows, gy, zeros, at);
                    fill_gradient(&t, image_rows, gy, filters.first, filters.last, at, own_gradients, &of_gy);
                }
                if (!q.apart) {
#pragma omp barrier
                }
                const weight_sink to = {own_sums, q.at_once && i + 1 == last_strip ? of_group : NULL, i == first_strip};
                share(items, number, sharing, &begin, &end);
                if (q.aside) add_aside_products(&t, own_gradients, step, begin * each, end * each, &to);
                else add_products(&t, own_gradients, CEIL_DIV(pixels, TERMS), begin * each, end * each, &to);
                if (!q.apart) {
#pragma omp barrier
                }
            }
            if (q.apart) {
#pragma omp barrier
                share(weight_sums(&q) / TILE, me, team, &begin, &end);
                for (int64_t i = begin; i < end; i++)
                    for (int other = 1; other < team; other++)
                        store_f32(sums + i * TILE,
                                  load_f32(sums + i * TILE) + load_f32(sums + other * z.sums / (int64_t)sizeof(float) + i * TILE));
#pragma omp barrier
            }
            if (q.at_once) continue;
            share(q.o.columns, me, team, &begin, &end);
            for (int64_t k = begin; k < end; k++) store_weight_sums(&q, k, sums, row, of_group);
#pragma omp barrier
        }
        tiles_end();
        ranges[0] = range_of(&of_x), ranges[1] = range_of(&of_gy);
    }
    for (int i = 0; i < threads; i++)
        for (int j = 0; j < 2; j++) join_ranges(&seen[j], ((magnitude_range *)(p + i * z.own))[j]);
    return ranges_allow_split(seen[0], seen[1]);
}

static split_amounts strips_work(const geometry *s, int direction, int products, int threads) {
    split_amounts all = {0};
    const int weight = direction == SPLIT_WEIGHT_GRAD;
    char *tables = malloc(split_tables_bytes(s));
    for (int64_t i = 0; tables && i < operands_of(s, direction == SPLIT_INPUT_GRAD).phases; i++) {
        const split_plan q = plan_split(s, direction, products, i, threads, tables);
        if (!q.p.taps || !q.p.h || !q.p.w) continue;
        const int64_t strips = q.groups * q.strips, panels = CEIL_DIV(q.o.columns, SPLIT_PANEL), pixels = CEIL_DIV(q.plane, SPLIT_BLOCK);
        const int64_t asides = q.groups * CEIL_DIV(s->n, SPLIT_BLOCK); /* of images that lie side by side */
        if (weight) {
            const int64_t tiles = channel_blocks(&q) * panels * weight_taps(&q);
            all.chain = q.aside ? CEIL_DIV(s->n, SPLIT_BLOCK) * q.p.h * q.p.w : q.strips * (q.plane / TERMS);
            all.blocks += q.aside ? asides * tiles / q.p.taps * pixels_under_taps(&q.o, &q.p) : strips * tiles * pixels;
            all.sums += strips * tiles;
            all.parts += strips * q.parts * (pairs_part(&q) + gradient_part(&q));
            all.weights += (2 * strips - q.at_once) * tiles * SUMS_FLOATS * (int64_t)sizeof(float);
        } else {
            all.chain = MAX(all.chain, q.steps);
            all.blocks += panels * (q.aside ? asides * q.chunks * pixels_under_taps(&q.o, &q.p) : strips * pixels * q.steps);
            all.sums += panels * (q.aside ? asides * q.p.h * q.p.w : strips * pixels);
            const int64_t split = sharing_of(strips, panels, threads).split;
            const int64_t aside_bytes = asides * q.image_rows * q.pitch * q.aside * q.planes * q.chunks * q.parts * TILE_ROW;
            if (sharing_phases(s, direction) == 1 || !all.parts)
                all.parts += q.aside ? aside_bytes * split / MAX(1, strips) : split * split_strip_bytes(&q);
            all.weights += strips * phase_weight_bytes(&q);
        }
    }
    free(tables);
    return all;
}
#include "split_few.h"

int64_t split_packed_bytes(const geometry *s, int backward, int products) {
    const geometry few = few_products(s, backward);
    return few.k ? strips_packed_bytes(&few, 0, products) : strips_packed_bytes(s, backward, products);
}

int64_t split_pack_workspace(const geometry *s, int backward, int products, int threads) {
    const geometry few = few_products(s, backward);
    return few.k ? few_weights_bytes(&few) + strips_pack_workspace(&few, 0, products, threads)
                 : strips_pack_workspace(s, backward, products, threads);
}

void split_pack(const geometry *s, int backward, int products, const float *w, char *packed, void *workspace, int threads) {
    const geometry few = few_products(s, backward);
    if (few.k) few_pack(s, &few, backward, products, w, packed, workspace, threads);
    else strips_pack(s, backward, products, w, packed, workspace, threads);
}

int64_t split_workspace(const geometry *s, int direction, int products, int threads) {
    const geometry few = few_products(s, direction);
    return few.k ? few_sums_bytes(&few) + strips_workspace(&few, 0, products, threads) : strips_workspace(s, direction, products, threads);
}

int split_run(const geometry *s, int backward, int products, const float *x, const char *packed, const float *bias, int activation,
              float slope, float *out, void *workspace, int threads) {
    const geometry few = few_products(s, backward);
    if (few.k) return few_run(s, &few, backward, products, x, packed, bias, activation, slope, out, workspace, threads);
    return strips_run(s, backward, products, x, packed, bias, activation, slope, out, workspace, threads);
}

split_amounts split_work(const geometry *s, int direction, int products, int threads) {
    const geometry few = few_products(s, direction);
    if (!few.k) return strips_work(s, direction, products, threads);
    split_amounts all = strips_work(&few, 0, products, threads);
    const int64_t calls = CEIL_DIV(MAX(1, s->n), few.n);
    all.chain += s->kh * s->kw;
    all.blocks *= calls, all.sums *= calls, all.parts *= calls, all.weights *= calls;
    return all;
}
#include "split_fused.h"
#endif
