/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The recorders of this machine and what is known of the media in them. Owned by the core thread;
 * other threads get copies (recorder_list_snapshot runs on the core thread, posted through the
 * mailbox).
 *
 *   idle ──lease──► busy ──end of lease──► idle
 *   idle/busy ── a worker that could not be ended ──► quarantined ── a person ──► idle
 *
 * Only kind `file` is built. The layers above ask for the kind only where api.md has a rule of its
 * own for file recorders: what is checked when, what a wrong medium leads to, giving back a file
 * that was blank, what the recorder is shown to be.
 */
#ifndef BURND_RECORDER_H
#define BURND_RECORDER_H

#include "base/error.h"
#include "base/id.h"
#include "worker/worker_protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define RECORDER_KINDS(X) X(OPTICAL, "optical") X(VIRTUAL, "virtual") X(FILE, "file")
#define RECORDER_STATES(X) X(IDLE, "idle") X(BUSY, "busy") X(OFFLINE, "offline") \
    X(QUARANTINED, "quarantined")
#define ACTIVITIES(X) X(NONE, "none") X(INSPECTING, "inspecting") X(AWAITING_MEDIUM, "awaiting_medium") \
    X(LOADING, "loading") X(PREPARING, "preparing") X(BURNING, "burning") X(SIMULATING, "simulating") \
    X(CLOSING, "closing") X(BLANKING, "blanking") X(FORMATTING, "formatting") X(READING, "reading") \
    X(VERIFYING, "verifying") X(EJECTING, "ejecting")
/* clang-format on */
#define RECORDER_KIND_X(n, w) RECORDER_KIND_##n,
#define RECORDER_X(n, w) RECORDER_##n,
#define ACTIVITY_X(n, w) ACTIVITY_##n,
DECLARE_WORDS(RECORDER_KINDS, recorder_kind, RECORDER_KIND);
DECLARE_WORDS(RECORDER_STATES, recorder_state, RECORDER);
DECLARE_WORDS(ACTIVITIES, activity, ACTIVITY);

#define RECORDER_ID_SIZE 64
#define POOL_SIZE 65

struct lease {
    bool held;
    char job[ID_SIZE]; /* "" for an operation without a job: a rescan, an eject by hand */
    int copy;
    int attempt;
    enum operation operation;
    int64_t since_ms;
};

/* A value: copied whole for readers. */
struct recorder {
    char id[RECORDER_ID_SIZE];
    char alias[RECORDER_ID_SIZE]; /* "" = none */
    char pool[POOL_SIZE];
    enum recorder_kind kind;
    /* of the image file, absolute */
    char path[1024];
    char vendor[32], product[64], revision[16], serial[64]; /* "" = null */
    bool enabled;
    enum recorder_state state;
    enum activity activity;
    bool write_in_progress;
    struct lease lease;
    int64_t speed_kb_s; /* 0 = none */
    bool looked_at;     /* an inspection was started since burnd did */
    bool medium_known;  /* the last inspection told what lies in it */
    struct medium medium;
    char medium_disc[ID_SIZE]; /* the register's disc with the medium's fingerprint, or "" */
    struct error problem;      /* why offline or quarantined; code NONE otherwise */
};

struct recorder_list;

struct recorder_list *recorder_list_new(void);
void recorder_list_free(struct recorder_list *list);

/* Adds a recorder made from a SPEC of the command line ("file:PATH[,id=…][,pool=…][,speed=…]").
 * A relative path is made absolute. An id that is not given derives from the path. Fails on an
 * unknown kind (optical, virtual: not built yet), a bad field, an id or path used twice. */
NODISCARD int recorder_list_add_spec(struct recorder_list *list, const char *spec,
                                     struct error *err);

/* Whether `name` is its id or its alias. */
bool recorder_is_named(const struct recorder *recorder, const char *name);

/* By id or alias; NULL = none. Borrowed until the list is freed; core thread. */
struct recorder *recorder_list_find(struct recorder_list *list, const char *name);
size_t recorder_list_count(const struct recorder_list *list);
struct recorder *recorder_list_get(struct recorder_list *list, size_t index); /* ascending by id */

/* What a recorder of this kind does and says during a phase (table of api.md "Phases"). */
enum activity activity_of_phase(enum phase phase, bool simulate);
bool writes_in_phase(enum phase phase, bool simulate);

#endif
