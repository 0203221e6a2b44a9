/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The schema steps as they stand in migrations/, taken into the program by the assembler, so that
 * the SQL stays readable where it is. The paths are relative to the top of the checkout, where make
 * runs.
 *
 * A step that was released is never edited: a new one is added behind it.
 */
#include "store/store_sqlite.h"

#define EMBED(name, path) \
    __asm__(".pushsection .rodata\n" \
            ".hidden " #name "\n" \
            ".global " #name "\n" #name ":\n" \
            ".incbin \"" path "\"\n" \
            ".byte 0\n" \
            ".popsection\n"); \
    extern const char name[] __attribute__((visibility("hidden")))

EMBED(store_migration_001, "server/store/migrations/001_first.sql");

const struct migration store_migrations[] = {
    {"be migrated by 001_first.sql", store_migration_001},
};
const int store_migration_count = (int)(sizeof store_migrations / sizeof store_migrations[0]);
