# SPDX-License-Identifier: GPL-2.0-or-later
#
# burnd: `make help` lists what can be asked for. Output goes to build/<variant>/; the variant is release,
# or address / thread with SAN=. Sources are listed by name.

VERSION = 0.1.0

SAN ?=
VARIANT ?= $(if $(SAN),$(SAN),release)
B = build/$(VARIANT)

# make's own default is cc; an environment or command line counts more
ifeq ($(origin CC),default)
CC = gcc
endif
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON = /usr/bin/python3
PYTEST = $(PYTHON) -m pytest -q -p no:cacheprovider

# --- sources ----------------------------------------------------------------------------------------

BASE_SOURCES = server/base/error.c server/base/alloc.c server/base/clock.c server/base/id.c \
	server/base/log.c server/base/path_guard.c server/base/utf8.c
PROTOCOL_SOURCES = server/worker/protocol_fields.c server/worker/worker_protocol.c \
	server/worker/item_file.c
DAEMON_SOURCES = server/base/mailbox.c server/recorder/recorder_list.c server/worker/worker.c \
	server/job/job.c server/job/job_document.c server/job/job_rows.c server/job/job_log.c \
	server/job/job_commands.c server/job/core.c server/job/core_tell.c server/job/submit.c \
	server/job/scheduler.c server/job/run.c server/job/run_end.c server/job/run_lines.c server/job/run_request.c \
	server/job/recorder_op.c server/job/recovery.c server/job/attention.c server/job/idempotency.c
API_SOURCES =
BURNER_SOURCES = server/burner/channel.c server/burner/digest.c \
	server/burner/drive.c server/burner/file_medium.c server/burner/glob.c \
	server/burner/image_builder.c server/burner/image_source.c server/burner/iso_messages.c \
	server/burner/iso_stream.c server/burner/item_map.c server/burner/op_burn.c \
	server/burner/op_eject.c server/burner/op_inspect.c server/burner/op_plan.c \
	server/burner/op_reclaim.c server/burner/op_verify.c server/burner/session.c \
	server/burner/source_place.c server/burner/source_root.c server/burner/source_tree.c \
	server/burner/source_walk.c server/burner/tap.c
API_SOURCES += api/admit.c api/api.c api/clients.c api/edge.c api/exchange.c api/http.c \
	api/idempotency.c api/live.c api/live_client.c api/problem.c api/reply.c api/request.c \
	api/request_filter.c api/site.c api/sse.c api/streams.c api/subscriber.c
DAEMON_SOURCES += server/event/event.c server/event/event_log.c
# tests/unit/NAME.c, linked with everything of the daemon but main.c, or of the worker but its main.c
UNIT_TESTS = test_base test_job test_recorder_list test_worker
UNIT_TESTS += test_event_log test_subscriber test_request_filter test_problem
UNIT_TESTS_BURNER = test_item_file test_worker_protocol test_path_guard test_glob

DAEMON_SOURCES += server/config.c server/config_values.c server/healthcheck.c \
	server/store/store_sqlite.c server/store/store_migrations.c server/store/store_jobs.c \
	server/store/store_discs.c server/store/store_events.c
UNIT_TESTS += test_store test_config
API_SOURCES += api/routes.c api/handler_parts.c api/info.c api/recorders.c api/jobs.c api/job_list.c \
	api/job_reads.c api/job_files.c api/queue.c api/attention.c api/discs.c api/roots.c api/views.c \
	api/job_views.c api/row_views.c api/event_views.c api/body_reader.c api/job_reader.c \
	api/data_reader.c api/field_reader.c
UNIT_TESTS += test_body_reader test_views

# --- flags ------------------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
	-Wcast-qual
HARDENING = -fstack-protector-strong -fPIE
ifeq ($(SAN),)
CFLAGS ?= -O2 -g
HARDENING += -D_FORTIFY_SOURCE=3
else ifeq ($(SAN),address)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifeq ($(SAN),thread)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SANITIZE = -fsanitize=thread
else
$(error SAN is address, thread or empty)
endif
ifdef WERROR
WARNINGS += -Werror
endif
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DBURND_VERSION='"$(VERSION)"' -Iserver -I. -fno-common $(WARNINGS) $(HARDENING) $(CFLAGS) $(SANITIZE)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)

# name and least version of each library
DAEMON_PACKAGES = libuv >= 1.40 sqlite3 >= 3.35 jansson >= 2.13 libmicrohttpd >= 0.9.75 \
	libwebsockets >= 4.1 libcrypto >= 3.0
BURNER_PACKAGES = libburn-1 >= 1.5.4 libisofs-1 >= 1.5.4 jansson >= 2.13 libcrypto >= 3.0
pkg_names = $(filter-out >= 0.% 1.% 2.% 3.% 4.%,$(1))
DAEMON_LIBS = $(shell $(PKG_CONFIG) --libs $(call pkg_names,$(DAEMON_PACKAGES))) -lpthread
BURNER_LIBS = $(shell $(PKG_CONFIG) --libs $(call pkg_names,$(BURNER_PACKAGES))) -lpthread

# --- programs ---------------------------------------------------------------------------------------

V ?= 0
Q = $(if $(filter 1,$(V)),,@)
SAY = $(if $(filter 1,$(V)),@:,@printf '  %-6s %s\n')

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
DAEMON_LIBRARY = $(call objects,$(BASE_SOURCES) $(PROTOCOL_SOURCES) $(DAEMON_SOURCES) $(API_SOURCES))
BURNER_LIBRARY = $(call objects,$(BASE_SOURCES) $(PROTOCOL_SOURCES) $(BURNER_SOURCES))
ALL_OBJECTS = $(sort $(DAEMON_LIBRARY) $(BURNER_LIBRARY)) $(call objects,server/main.c server/burner/main.c) \
	$(call objects,$(patsubst %,tests/unit/%.c,$(UNIT_TESTS) $(UNIT_TESTS_BURNER)))

.DEFAULT_GOAL := all
.PHONY: all
all: $(B)/burnd $(B)/burnd-worker ## build burnd and burnd-worker

$(B)/burnd: $(call objects,server/main.c) $(DAEMON_LIBRARY)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/burnd-worker: $(call objects,server/burner/main.c) $(BURNER_LIBRARY)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BURNER_LIBS)

$(B)/obj/%.o: %.c Makefile
	$(SAY) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# taken into the object by .incbin, which no compiler tells about
$(B)/obj/server/store/store_migrations.o: server/store/migrations/001_first.sql

-include $(ALL_OBJECTS:.o=.d)

$(UNIT_TESTS:%=$(B)/tests/%): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(DAEMON_LIBRARY)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -lcmocka

$(UNIT_TESTS_BURNER:%=$(B)/tests/%): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(BURNER_LIBRARY)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BURNER_LIBS) -lcmocka

# --- install ----------------------------------------------------------------------------------------

DATADIR = $(PREFIX)/share/burnd
LIBEXECDIR = $(PREFIX)/bin

.PHONY: install uninstall
install: all ## copy burnd, burnd-worker, page and openapi.yaml below $(DESTDIR)$(PREFIX)
	install -Dm755 $(B)/burnd $(DESTDIR)$(PREFIX)/bin/burnd
	install -Dm755 $(B)/burnd-worker $(DESTDIR)$(LIBEXECDIR)/burnd-worker
	install -Dm644 openapi.yaml $(DESTDIR)$(DATADIR)/openapi.yaml
	cd web && find . -type f -exec install -Dm644 {} $(DESTDIR)$(DATADIR)/web/{} \;

uninstall: ## remove what install copied
	rm -f $(DESTDIR)$(PREFIX)/bin/burnd $(DESTDIR)$(LIBEXECDIR)/burnd-worker
	rm -rf $(DESTDIR)$(DATADIR)

# --- container --------------------------------------------------------------------------------------

CONTAINER_TOOL ?= docker

.PHONY: image
image: ## build the container image burnd (CONTAINER_TOOL=docker|podman)
	BUILDAH_FORMAT=docker $(CONTAINER_TOOL) build -f docker/Dockerfile -t burnd:$(VERSION) -t burnd .

# --- what a machine needs ---------------------------------------------------------------------------

.PHONY: deps
deps: ## install the Debian packages that building and testing need
	@sh tests/deps.sh build test page

# The README's two commands call this first: packages are only looked for when something is missing.
.PHONY: deps-build
deps-build:
	@sh tests/deps.sh build

# --- try it -----------------------------------------------------------------------------------------

.PHONY: demo run
demo: ## install what is missing, build, burn a folder into an image file, check it (KEEP=1: burnd stays)
	@sh tests/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@BUILD=$(B) sh tests/demo.sh

RUN_DIR ?= build/run
run: ## start burnd in the foreground with a file recorder and a demo root
	@sh tests/deps.sh build
	@$(MAKE) --no-print-directory all
	@mkdir -p $(RUN_DIR)
	$(B)/burnd --state-dir $(abspath $(RUN_DIR))/state --root demo=$(CURDIR) \
		--recorder file:$(abspath $(RUN_DIR))/disc.iso,id=file-1

# --- tests ------------------------------------------------------------------------------------------

RESULTS = $(B)/results
UNIT_PROGRAMS = $(addprefix $(B)/tests/,$(UNIT_TESTS) $(UNIT_TESTS_BURNER))
T ?=
F ?=

.PHONY: test check check-unit check-worker check-api check-page
test: ## what the README says: packages, unit, worker, API and page tests, and one line that counts them
	@sh tests/deps.sh build test page
	@$(MAKE) --no-print-directory all $(UNIT_PROGRAMS)
	@rm -rf $(RESULTS)
	@$(MAKE) --no-print-directory -k check-unit check-worker check-api check-page; status=$$?; \
		$(PYTHON) tests/tools/count_results.py $(RESULTS) && exit $$status

check: ## unit, worker and API tests (SAN=address|thread, T=part of a test name, F=pattern within)
	@rm -rf $(RESULTS)
	@$(MAKE) --no-print-directory -k check-unit check-worker check-api; status=$$?; \
		$(PYTHON) tests/tools/count_results.py $(RESULTS) && exit $$status

check-unit: $(UNIT_PROGRAMS)
	@mkdir -p $(RESULTS)
	@$(PYTHON) tests/tools/run_unit.py $(RESULTS) '$(T)' '$(F)' $(UNIT_PROGRAMS)

pytest_one = BURND_BUILD=$(abspath $(B)) $(PYTEST) --junitxml=$(RESULTS)/$(1).xml \
	$(if $(T),-k '$(T)') $(PYTEST_FLAGS) tests/$(1)

check-worker: all
	@mkdir -p $(RESULTS)
	@$(call pytest_one,worker)

check-api: all
	@mkdir -p $(RESULTS)
	@$(call pytest_one,api)

check-page: all ## the page in Debian's Chromium
	@mkdir -p $(RESULTS)
	@$(call pytest_one,page)

.PHONY: bench
bench: all ## measure beside cat, dd, cp -r and genisoimage; asserts nothing
	@sh tests/deps.sh build test
	@BURND_BUILD=$(abspath $(B)) $(PYTHON) tests/bench/bench.py

# --- fuzz -------------------------------------------------------------------------------------------

# tests/fuzz/NAME.c; seeds in tests/fuzz/corpus, what crashed in build/fuzz/crashes
FUZZERS = fuzz_json_body fuzz_request_head fuzz_worker_line
FUZZ_SECONDS ?= 60
FUZZ_PROGRAMS = $(addprefix $(B)/,$(FUZZERS))

.PHONY: fuzz fuzz-run
fuzz: ## libFuzzer at each door, FUZZ_SECONDS (60) each
	@sh tests/deps.sh build test
	@$(MAKE) --no-print-directory VARIANT=fuzz SAN=address CC=clang \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link' fuzz-run

fuzz-run: $(FUZZ_PROGRAMS)
	@rm -rf $(RESULTS)
	@$(PYTHON) tests/fuzz/run_fuzz.py $(RESULTS) $(FUZZ_SECONDS) $(FUZZ_PROGRAMS); status=$$?; \
		$(PYTHON) tests/tools/count_results.py $(RESULTS) && exit $$status

$(FUZZ_PROGRAMS): $(B)/%: $(B)/obj/tests/fuzz/%.o $(DAEMON_LIBRARY)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(DAEMON_LIBS)

-include $(FUZZERS:%=$(B)/obj/tests/fuzz/%.d)

# --- lint -------------------------------------------------------------------------------------------

C_FILES = $(shell git ls-files '*.c' '*.h')
SHELL_FILES = .ci/run $(shell git ls-files '*.sh')

.PHONY: lint check-layers format
lint: check-layers ## format, thread-safety marks, cppcheck, banned functions, openapi, shellcheck
	@sh tests/deps.sh build test
	clang-format --dry-run --Werror $(C_FILES)
	@$(MAKE) --no-print-directory VARIANT=clang CC=clang WERROR=1 CFLAGS='-O1 -Wthread-safety' all
	cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability \
		--suppress=missingIncludeSystem -Iserver -I. --std=c11 -j2 server api
	$(PYTHON) tests/tools/check_style.py
	$(PYTHON) tests/tools/openapi_lint.py
	shellcheck $(SHELL_FILES)

check-layers: ## who includes whom
	$(PYTHON) tests/tools/check_layers.py

format: ## clang-format in place
	clang-format -i $(C_FILES)

compile_commands.json: Makefile ## for editors
	@$(PYTHON) tests/tools/compile_commands.py '$(ALL_CFLAGS)' $(sort $(BASE_SOURCES) $(PROTOCOL_SOURCES) \
		$(DAEMON_SOURCES) $(API_SOURCES) $(BURNER_SOURCES)) > $@

# --- the rest ---------------------------------------------------------------------------------------

.PHONY: clean help
clean: ## remove build/
	rm -rf build compile_commands.json

help: ## this list
	@sed -n 's/^\([a-z_.-]*\):.*## \(.*\)/  \1 \2/p' Makefile | awk '{n=$$1; $$1=""; printf "  %-22s%s\n", n, $$0}'
