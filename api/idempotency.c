/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Idempotency-Key around a handler: before it runs, the core says whether this key was answered
 * already (then that answer goes out) or is being worked on; after it, a 2xx answer is kept before
 * it is sent, so that a client which never saw it gets the same one again.
 *
 * The scope is method and path; the query counts as part of the body, since it says what is asked
 * for (a dry run is no submission). Reading runs on the http thread, the rest on the core thread.
 */
#include "exchange_driver.h"

#include "base/alloc.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool idempotency_wanted(const struct exchange *x)
{
    return x->idempotency.key[0] != '\0';
}

static void hash_body(const struct exchange *x, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; good && i < x->target.query_count; i++) {
        const char *name = x->target.query[i].name, *value = x->target.query[i].value;
        good = EVP_DigestUpdate(context, name, strlen(name) + 1) == 1 &&
               EVP_DigestUpdate(context, value, strlen(value) + 1) == 1;
    }
    good = good && EVP_DigestUpdate(context, "\n", 1) == 1 &&
           EVP_DigestUpdate(context, x->body != NULL ? x->body : "", x->body_length) == 1 &&
           EVP_DigestFinal_ex(context, digest, &length) == 1;
    EVP_MD_CTX_free(context);
    if (!good) {
        abort(); /* SHA-256 of memory cannot fail */
    }
    for (unsigned i = 0; i < 32; i++) {
        snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
    }
}

int idempotency_read(struct exchange *x)
{
    const char *key = exchange_header(x, "Idempotency-Key");
    if (key == NULL || strcmp(x->method_text, "POST") != 0) {
        return 0;
    }
    size_t length = strlen(key);
    for (size_t i = 0; i < length; i++) {
        if (key[i] < 0x21 || key[i] > 0x7E) {
            length = 0;
        }
    }
    if (length < 1 || length > 255) {
        reply_problem_now(x, ERROR_INVALID_HEADER, ":Idempotency-Key",
                          "Idempotency-Key must be 1 to 255 visible ASCII characters");
        return -1;
    }
    text_copy(x->idempotency.key, sizeof(x->idempotency.key), key);
    return 0;
}

void idempotency_begin(struct exchange *x)
{
    struct idempotency *own = &x->idempotency;
    struct kept_answer kept = {0};
    struct error err = ERROR_EMPTY;
    bool found = false;
    own->scope = xasprintf("%s %s", x->method_text, x->target.path);
    hash_body(x, own->body_sha256);
    if (core_idempotency_begin(x->core, own->scope, own->key, own->body_sha256, &kept, &found,
                               &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (found) {
        exchange_mark_seq(x);
        exchange_set_header(x, "Idempotency-Replayed", "true");
        if (kept.location[0] != '\0') {
            exchange_set_header(x, "Location", kept.location);
        }
        bool empty = kept.body == NULL || kept.body[0] == '\0';
        size_t length = empty ? 0 : strlen(kept.body);
        if (empty) {
            free(kept.body);
            kept.body = NULL;
        }
        exchange_reply_text(x, kept.status, empty ? "" : "application/json", kept.body, length);
    } else {
        own->begun = true;
        exchange_then(x, exchange_start_handler);
    }
}

static const char *location_of(const struct reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcmp(reply->headers[i].name, "Location") == 0) {
            return reply->headers[i].value;
        }
    }
    return "";
}

void idempotency_end(struct exchange *x)
{
    struct idempotency *own = &x->idempotency;
    const struct reply *reply = &x->reply;
    struct kept_answer answer = {.status = reply->status};
    bool keep = reply->status >= 200 && reply->status < 300;
    own->begun = false;
    if (keep) {
        answer.body = xstrdup(reply->text != NULL ? reply->text : "");
        text_copy(answer.location, sizeof(answer.location), location_of(reply));
    }
    core_idempotency_end(x->core, own->scope, own->key, own->body_sha256, keep ? &answer : NULL);
    free(answer.body);
}

bool exchange_request_key(struct exchange *x, struct request_key *out)
{
    const struct idempotency *own = &x->idempotency;
    *out = (struct request_key){own->scope, own->key, own->body_sha256};
    return own->begun;
}
