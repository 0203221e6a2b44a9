/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See site.h. The list is sorted by path and does not change after the start; answers point into
 * it.
 */
#include "site.h"

#include "base/alloc.h"
#include "base/log.h"
#include "exchange_driver.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (8 * 1024 * 1024)
#define FILES_MAX 1000
#define DEPTH_MAX 8

struct file {
    char *path; /* "/js/live.js" */
    const char *type;
    char *bytes;
    size_t length;
    char etag[33];
};

struct site {
    struct file *files;
    size_t count;
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".yaml", "application/yaml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".webmanifest", "application/manifest+json"},
};

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(ending, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

static void name_content(struct file *file)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(file->bytes, file->length, digest, &length, EVP_sha256(), NULL) != 1) {
        abort(); /* SHA-256 of memory cannot fail */
    }
    for (size_t i = 0; i < 16; i++) {
        snprintf(file->etag + 2 * i, 3, "%02x", digest[i]);
    }
}

static int read_bytes(const char *name, struct file *file)
{
    FILE *stream = fopen(name, "rbe");
    if (stream == NULL) {
        return -1;
    }
    struct stat status;
    int result = -1;
    if (fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= FILE_BYTES_MAX) {
        file->bytes = xcalloc(1, (size_t)status.st_size + 1);
        file->length = fread(file->bytes, 1, (size_t)status.st_size, stream);
        result = ferror(stream) ? -1 : 0;
    }
    fclose(stream);
    return result;
}

static void add_file(struct site *site, const char *name, const char *path)
{
    struct file file = {0};
    if (site->count == FILES_MAX || read_bytes(name, &file) != 0) {
        log_warning("site", "%s is not served: unreadable, too large or one too many", name);
        free(file.bytes);
        return;
    }
    file.path = xstrdup(path);
    file.type = type_of(path);
    name_content(&file);
    site->files = xrealloc(site->files, (site->count + 1) * sizeof(file));
    site->files[site->count++] = file;
}

static void add_folder(struct site *site, const char *folder, const char *path, int depth)
{
    DIR *stream = opendir(folder);
    if (stream == NULL) {
        log_warning("site", "%s: %s", folder, strerror(errno));
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char *name = xasprintf("%s/%s", folder, entry->d_name);
        char *below = xasprintf("%s/%s", path, entry->d_name);
        struct stat status;
        if (lstat(name, &status) == 0 && S_ISDIR(status.st_mode)) {
            if (depth < DEPTH_MAX) {
                add_folder(site, name, below, depth + 1);
            }
        } else {
            add_file(site, name, below);
        }
        free(name);
        free(below);
    }
    closedir(stream);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

struct site *site_new(const char *web_dir, const char *openapi_path)
{
    struct site *site = xcalloc(1, sizeof(*site));
    if (web_dir != NULL && web_dir[0] != '\0') {
        add_folder(site, web_dir, "", 0);
    }
    if (openapi_path != NULL && openapi_path[0] != '\0') {
        add_file(site, openapi_path, "/openapi.yaml");
    }
    if (site->count > 0) {
        qsort(site->files, site->count, sizeof(*site->files), by_path);
    }
    return site;
}

void site_free(struct site *site)
{
    if (site == NULL) {
        return;
    }
    for (size_t i = 0; i < site->count; i++) {
        free(site->files[i].path);
        free(site->files[i].bytes);
    }
    free(site->files);
    free(site);
}

static const struct file *find(const struct site *site, const char *path)
{
    union {
        const char *asked;
        char *key;
    } name = {.asked = strcmp(path, "/") == 0 ? "/index.html" : path};
    const struct file wanted = {.path = name.key};
    return site->count == 0
               ? NULL
               : bsearch(&wanted, site->files, site->count, sizeof(*site->files), by_path);
}

bool site_has(const struct site *site, const char *path)
{
    return find(site, path) != NULL;
}

static void answer(struct exchange *x, const char *path)
{
    const struct file *file = find(x->http->site, path);
    if (file == NULL) {
        reply_problem_now(x, ERROR_NOT_FOUND, NULL, "there is nothing at this path");
        return;
    }
    union {
        const char *bytes;
        void *buffer;
    } content = {.bytes = file->bytes};
    exchange_set_etag(x, file->etag);
    exchange_set_header(x, "Cache-Control", "no-cache");
    exchange_reply_response(
        x, 200,
        MHD_create_response_from_buffer(file->length, content.buffer, MHD_RESPMEM_PERSISTENT),
        file->type);
}

void site_page(struct exchange *x)
{
    answer(x, x->target.path);
}

void site_openapi(struct exchange *x)
{
    answer(x, "/openapi.yaml");
}
