# make            builds build/websock/core.so, nothing outside build/
# make run        installs what is missing, builds, starts the chat example
# make test       installs what is missing, builds, runs every test
# The others are listed by `make help`.

PORT ?= 8080
TLS ?=
SECONDS ?= 60
BENCH ?=
MESSAGES ?= 1000000
SEED ?=
PREFIX ?= /usr/local
DESTDIR ?=
J ?= 2

CC ?= cc
CLANG ?= clang
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wpedantic -Wshadow
SYSTEM := $(shell uname -s)

# ---- where Lua 5.4 is: LUA_INCDIR, or whatever name pkg-config knows it by
LUA_PC := $(firstword $(foreach name,lua5.4 lua-5.4 lua54 lua,$(if \
  $(shell pkg-config --exists $(name) 2>/dev/null && echo yes),$(name))))
ifdef LUA_INCDIR
LUA_CFLAGS = -I$(LUA_INCDIR)
else
LUA_CFLAGS := $(if $(LUA_PC),$(shell pkg-config --cflags $(LUA_PC)))
endif
LUA_LIBS = $(if $(LUA_PC),$(shell pkg-config --libs $(LUA_PC)),-llua)
SSL_CFLAGS := $(shell pkg-config --cflags openssl zlib 2>/dev/null)
SSL_LIBS := $(or $(shell pkg-config --libs openssl zlib 2>/dev/null),-lssl -lcrypto -lz)

ALL_CFLAGS = -std=gnu11 -fPIC -fvisibility=hidden $(WARN) $(LUA_CFLAGS) \
  $(SSL_CFLAGS) $(INCLUDE) -MMD -MP $(CFLAGS)

# The module stays in memory when its state closes (a look-up may still run on
# its thread), and names only the libraries that it uses.
ifeq ($(SYSTEM),Darwin)
MODULE = -bundle -undefined dynamic_lookup
AS_NEEDED =
else
MODULE = -shared -Wl,-z,nodelete
AS_NEEDED = -Wl,--as-needed
endif
LIBS = $(AS_NEEDED) $(SSL_LIBS) -pthread

# ---- what there is
CORE_SRC := $(sort $(wildcard csrc/core/*.c))
NET_SRC := $(sort $(wildcard csrc/net/*.c))
BINDING_SRC := $(sort $(wildcard csrc/binding/*.c))
VERSION := $(shell sed -n 's/^\#define WS_VERSION "\(.*\)"/\1/p' csrc/core/ws.h)
C_TESTS := $(sort $(wildcard spec/csrc/*/test_*.c))
FUZZERS := $(sort $(wildcard fuzz/*.c))
MODULES := $(sort $(shell find lua -name '*.lua' 2>/dev/null))

OBJ = $(patsubst csrc/%.c,$(1)/%.o,$(2))
MODULE_OBJ := $(call OBJ,build/obj,$(CORE_SRC) $(NET_SRC) $(BINDING_SRC))
SAN_OBJ := $(call OBJ,build/san/obj,$(CORE_SRC) $(NET_SRC) $(BINDING_SRC))
TSAN_OBJ := $(call OBJ,build/tsan/obj,$(CORE_SRC) $(NET_SRC) $(BINDING_SRC))
SAN_LIB_OBJ := $(call OBJ,build/san/obj,$(CORE_SRC) $(NET_SRC))
C_TEST_BIN := $(patsubst spec/%.c,build/test/%,$(C_TESTS))

.PHONY: all run test deps check portable big-endian windows format sanitize tsan apicheck fuzz bench soak browser \
  install install-c uninstall clean help deps-run c-tests test-built sanitize-built tsan-built \
  apicheck-built fuzz-built bench-built soak-built
.DELETE_ON_ERROR:
.SUFFIXES:

all: build/websock/core.so

build/websock/core.so: $(MODULE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(MODULE) $(LDFLAGS) -o $@ $^ $(LIBS)

# The binding sees the headers of both layers below it, these see their own only.
INCLUDE =
build/obj/binding/%.o build/san/obj/binding/%.o build/tsan/obj/binding/%.o: INCLUDE = -Icsrc/core -Icsrc/net

build/obj/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Lua's LUAMOD_API says nothing of visibility: luaopen_websock_core, alone in its
# file, is what the module exports.
build/obj/binding/lua_core.o build/san/obj/binding/lua_core.o: CFLAGS += -fvisibility=default

# ---- for programs in C, see docs/embedding.md. The archive has the binding as well,
# for those that link luaopen_websock_core statically. The shared library exports
# what is in the two headers that are installed.
HEADERS = csrc/core/ws.h csrc/net/net.h
EXPORT_OBJ := $(call OBJ,build/export,$(CORE_SRC) $(NET_SRC))
ABI = $(basename $(VERSION))
ifeq ($(SYSTEM),Darwin)
SHARED = libwebsock.$(VERSION).dylib
SONAME = libwebsock.$(ABI).dylib
SHARED_LINK = libwebsock.dylib
LIBRARY = -dynamiclib -install_name $(abspath $(PREFIX))/lib/$(SONAME)
else
SHARED = libwebsock.so.$(VERSION)
SONAME = libwebsock.so.$(ABI)
SHARED_LINK = libwebsock.so
LIBRARY = -shared -Wl,-z,nodelete,-z,defs,-soname,$(SONAME)
endif

LIBRARIES = build/libwebsock.a build/$(SHARED)

build/libwebsock.a: $(MODULE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

build/$(SHARED): $(EXPORT_OBJ)
	$(CC) $(LIBRARY) $(LDFLAGS) -o $@ $^ $(LIBS)

build/export/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DWS_EXPORT -c -o $@ $<

# ---- running, with TLS=1 on a certificate made for it. What has just been
# installed is looked for by a second make.
WITH_TLS = $(filter-out 0 no,$(TLS))
deps-run:
	@scripts/deps run

run: deps-run
	@$(MAKE) -s -j$(J) --no-print-directory all
	@$(if $(WITH_TLS),scripts/certificate build/tls)
	@exec scripts/lua examples/chat.lua $(PORT) \
	  $(if $(WITH_TLS),127.0.0.1 build/tls/cert.pem build/tls/key.pem)

# ---- tests
deps:
	@scripts/deps run test

test:
	@scripts/deps test
	@$(MAKE) -s --no-print-directory test-built

# Specs that install at the same time must find everything built.
test-built:
	@$(MAKE) -s -j$(J) --no-print-directory all build/soak/heap.so \
	  build/support/unistd.so build/support/allocator.so build/support/states.so \
	  build/support/clock.so $(LIBRARIES)
	@$(MAKE) -s -k -j$(J) --no-print-directory c-tests || rm -rf build/test
	@scripts/test c spec poll gc interop $(C_TEST_BIN)

# What the C heap holds, for spec/soak/; only glibc tells.
build/soak/heap.so: spec/soak/heap.c Makefile
	@mkdir -p $(@D)
	-$(CC) $(MODULE) $(ALL_CFLAGS) -fvisibility=default -o $@ $<

# What Lua lacks, for specs: system calls; an allocator that fails; a clock.
build/support/%.so: spec/support/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(MODULE) $(ALL_CFLAGS) -fvisibility=default -o $@ $<

c-tests: $(C_TEST_BIN)

# C tests run with the core and the transport under ASan and UBSan.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
  -fno-omit-frame-pointer -O1 -g
build/san/obj/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -c -o $@ $<

build/san/libwebsock.a: $(SAN_LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

build/test/csrc/core/%: INCLUDE = -Ispec/csrc -Icsrc/core
build/test/csrc/net/%: INCLUDE = -Ispec/csrc -Icsrc/net
build/test/%: spec/%.c build/san/libwebsock.a Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -MT $@ -MF $@.d -o $@ $< \
	  build/san/libwebsock.a $(LIBS)

check:
	@scripts/deps check
	@scripts/check

# Strict C99 and C11 by gcc and clang, 32 bits, musl, Windows, big-endian.
portable:
	@scripts/deps portable
	@scripts/portable

# The C tests on such a system. Neither make test nor CI runs it.
big-endian:
	@scripts/deps big_endian
	@scripts/portable big-endian

# The C tests of the core, and the transport's of Windows, by wine. The same.
windows:
	@scripts/deps windows
	@scripts/windows build/windows

format:
	@scripts/deps check
	@scripts/check --format

# Every spec once more with a sanitized module.
sanitize:
	@scripts/deps test
	@$(MAKE) -s --no-print-directory sanitize-built

sanitize-built:
	@$(MAKE) -s -j$(J) --no-print-directory build/san/websock/core.so all $(LIBRARIES)
	@$(MAKE) -s -k -j$(J) --no-print-directory c-tests || rm -rf build/test
	@WEBSOCK_BUILD=$(CURDIR)/build/san SANITIZED="$$($(CC) -print-file-name=libasan.so)" \
	  scripts/test c spec poll $(C_TEST_BIN)

build/san/websock/core.so: $(SAN_OBJ)
	@mkdir -p $(@D)
	$(CC) $(MODULE) $(SANITIZE) -o $@ $^ $(LIBS)

# Several Lua states in several threads, under ThreadSanitizer.
tsan:
	@scripts/deps run
	@$(MAKE) -s --no-print-directory tsan-built

tsan-built:
	@$(MAKE) -s -j$(J) --no-print-directory build/tsan/states
	@scripts/tsan build/tsan/states

THREADS = -fsanitize=thread -O1 -g
build/tsan/obj/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(THREADS) -c -o $@ $<

build/tsan/states: spec/threads/states.c $(TSAN_OBJ) Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(THREADS) -MT $@ -MF $@.d -o $@ $< $(TSAN_OBJ) $(LUA_LIBS) $(LIBS)

# The specs that are quick, by a Lua that aborts where its C API is used wrongly.
apicheck:
	@scripts/deps apicheck
	@$(MAKE) -s --no-print-directory apicheck-built

apicheck-built: all build/soak/heap.so build/apicheck/lua $(LIBRARIES)
	@LUA=$(CURDIR)/build/apicheck/lua scripts/test apicheck

build/apicheck/lua: scripts/apicheck
	@scripts/apicheck build/apicheck

# ---- fuzzing: each target of fuzz/ for SECONDS seconds
FUZZ_FLAGS = -O1 -g -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=undefined
fuzz:
	@scripts/deps fuzz
	@$(MAKE) -s --no-print-directory fuzz-built

FUZZ_BIN := $(patsubst %.c,build/%,$(FUZZERS))
fuzz-built:
	@$(MAKE) -s -k -j$(J) --no-print-directory $(FUZZ_BIN) || rm -rf build/fuzz
	@scripts/fuzz $(SECONDS) $(FUZZ_BIN)

# The binding's has Lua and all of the module in it.
build/fuzz/binding: fuzz/binding.c $(CORE_SRC) $(NET_SRC) $(BINDING_SRC) \
  $(wildcard csrc/*/*.h fuzz/*.h) Makefile
	@mkdir -p $(@D)
	$(CLANG) -std=gnu11 $(SSL_CFLAGS) $(LUA_CFLAGS) -Icsrc/core -Icsrc/net $(FUZZ_FLAGS) -o $@ \
	  $< $(CORE_SRC) $(NET_SRC) $(BINDING_SRC) $(LUA_LIBS) $(LIBS) -lm -ldl

build/fuzz/%: fuzz/%.c $(CORE_SRC) $(wildcard csrc/core/*.h fuzz/*.h) Makefile
	@mkdir -p $(@D)
	$(CLANG) -std=gnu11 $(SSL_CFLAGS) -Icsrc/core $(FUZZ_FLAGS) -o $@ $< \
	  $(CORE_SRC) $(LIBS)

# ---- measuring, and long runs
bench:
	@scripts/deps bench
	@$(MAKE) -s --no-print-directory bench-built

bench-built: all build/soak/heap.so \
  $(addprefix build/bench/,micro load ideal ideal_lua ideal_client server_lws host host_tls)
	@scripts/bench $(BENCH)

# MESSAGES through connections that come, go, stall and reset
soak:
	@scripts/deps run
	@$(MAKE) -s --no-print-directory soak-built

soak-built: all build/soak/heap.so \
	  build/support/clock.so
	@scripts/soak $(MESSAGES) $(SEED)

# The yardsticks are of no use elsewhere: they may use all that this machine has.
# -flto: the application and the server become one.
IDEAL_CC = $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(SSL_CFLAGS) -O3 -march=native -g
build/bench/ideal build/bench/ideal_lua: build/bench/%: bench/%.c \
  bench/ideal_server.c bench/ideal.h bench/ideal_tls.h Makefile
	@mkdir -p $(@D)
	$(IDEAL_CC) -flto $(if $(filter %_lua,$@),$(LUA_CFLAGS)) -o $@ $< bench/ideal_server.c \
	  $(LIBS) $(if $(filter %_lua,$@),$(LUA_LIBS))

build/bench/ideal_client: bench/ideal_client.c Makefile
	@mkdir -p $(@D)
	$(IDEAL_CC) -o $@ $< $(LIBS)

build/bench/server_lws: bench/server_lws.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O2 -g -o $@ $< -lwebsockets

# The example as a program of a user's: the headers of an installed tree, the archive.
build/bench/host build/bench/host_tls: examples/embed/host.c build/libwebsock.a Makefile
	@mkdir -p build/bench/include/websock
	@cp $(HEADERS) build/bench/include/websock
	$(CC) -std=gnu11 $(WARN) -O2 -g $(if $(filter %_tls,$@),-DWITH_TLS) \
	  -Ibuild/bench/include -o $@ $< build/libwebsock.a $(LIBS)

LOAD_SRC := $(sort $(wildcard bench/load*.c))
build/bench/load: $(LOAD_SRC) $(CORE_SRC) $(wildcard csrc/core/*.h) bench/load.h \
  bench/mixed.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) $(SSL_CFLAGS) -Icsrc/core -O2 -g -o $@ $(LOAD_SRC) \
	  $(CORE_SRC) $(LIBS)

build/bench/%: bench/%.c $(CORE_SRC) $(wildcard csrc/core/*.h) bench/mixed.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) $(SSL_CFLAGS) -Icsrc/core -O2 -g -o $@ $< \
	  $(CORE_SRC) $(LIBS)

browser:
	@scripts/deps browser
	@$(MAKE) -s -j$(J) --no-print-directory all
	@scripts/browser

# ---- installing, without LuaRocks
LUADIR = $(DESTDIR)$(PREFIX)/share/lua/5.4
LIBDIR = $(DESTDIR)$(PREFIX)/lib/lua/5.4
BINDIR = $(DESTDIR)$(PREFIX)/bin
CLIBDIR = $(DESTDIR)$(PREFIX)/lib
INCDIR = $(DESTDIR)$(PREFIX)/include/websock
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1

install: all install-c
	@for file in $(MODULES:lua/%=%); do \
	  mkdir -p "$(LUADIR)/$$(dirname $$file)" && \
	  install -m 644 lua/$$file "$(LUADIR)/$$file" || exit 1; done
	@mkdir -p "$(LIBDIR)/websock" "$(BINDIR)" "$(MANDIR)"
	install -m 755 build/websock/core.so "$(LIBDIR)/websock/core.so"
	install -m 755 bin/websock "$(BINDIR)/websock"
	install -m 644 man/man1/websock.1 "$(MANDIR)/websock.1"
	@$(if $(DESTDIR),,$(SEARCHED) || { \
	  echo 'Lua does not search there by itself; for your own scripts:'; \
	  echo '  export LUA_PATH="$(HOME_OF_LUA)/?.lua;$(HOME_OF_LUA)/?/init.lua;;"'; \
	  echo '  export LUA_CPATH="$(HOME_OF_LIB)/?.so;;"'; })

# Where the dynamic linker has a cache, it learns of a library in a system's folder.
install-c: $(LIBRARIES)
	@mkdir -p "$(INCDIR)" "$(CLIBDIR)/pkgconfig"
	install -m 644 $(HEADERS) "$(INCDIR)"
	install -m 644 build/libwebsock.a "$(CLIBDIR)/libwebsock.a"
	install -m 755 build/$(SHARED) "$(CLIBDIR)/$(SHARED)"
	@ln -sf $(SHARED) "$(CLIBDIR)/$(SONAME)"
	@ln -sf $(SONAME) "$(CLIBDIR)/$(SHARED_LINK)"
	@printf '%s\n' $(PC) >"$(CLIBDIR)/pkgconfig/websock.pc"
	-@$(if $(DESTDIR),,$(if $(filter /usr /usr/local,$(abspath $(PREFIX))),ldconfig \
	  2>/dev/null || true))

PC = 'prefix=$(abspath $(PREFIX))' 'includedir=$${prefix}/include' \
  'libdir=$${prefix}/lib' '' 'Name: websock' \
  'Description: WebSocket (RFC 6455) for C hosts and for Lua' \
  'Version: $(VERSION)' 'Requires.private: openssl zlib' \
  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lwebsock' \
  'Libs.private: -pthread -ldl'

# What LUA_PATH and LUA_CPATH would be set to; the command finds its own modules.
HOME_OF_LUA = $(abspath $(PREFIX))/share/lua/5.4
HOME_OF_LIB = $(abspath $(PREFIX))/lib/lua/5.4
SEARCHED = env -u LUA_PATH -u LUA_PATH_5_4 -u LUA_CPATH -u LUA_CPATH_5_4 \
  $$(scripts/lua --which) -e 'os.exit( \
    package.path:find("$(HOME_OF_LUA)/?/init.lua", 1, true) ~= nil and \
    package.cpath:find("$(HOME_OF_LIB)/?.so", 1, true) ~= nil)'

# Empty folders go too, up to PREFIX; but the upper ones of /usr and /usr/local
# are the system's.
uninstall:
	rm -f $(patsubst lua/%,"$(LUADIR)/%",$(MODULES))
	rm -f "$(LIBDIR)/websock/core.so" "$(BINDIR)/websock" "$(MANDIR)/websock.1"
	rm -f $(patsubst %,"$(INCDIR)/%",$(notdir $(HEADERS))) \
	  $(patsubst %,"$(CLIBDIR)/%",libwebsock.a $(SHARED) $(SONAME) $(SHARED_LINK) \
	    pkgconfig/websock.pc)
	-@rmdir "$(INCDIR)" 2>/dev/null || true
	-@find "$(LUADIR)/websock" "$(LIBDIR)/websock" -depth -type d -empty \
	  -delete 2>/dev/null || true
	-@for folder in "$(LUADIR)" "$(LIBDIR)" "$(MANDIR)"; do \
	  rmdir "$$folder" "$$(dirname "$$folder")" 2>/dev/null; done || true
	-@$(if $(filter /usr /usr/local,$(abspath $(PREFIX))),,rmdir "$(BINDIR)" \
	  "$(DESTDIR)$(PREFIX)/include" "$(CLIBDIR)/pkgconfig" \
	  "$(DESTDIR)$(PREFIX)/share" "$(DESTDIR)$(PREFIX)/lib" \
	  "$(DESTDIR)$(PREFIX)" 2>/dev/null || true)

# csrc/*/*.o and websock/ are what `luarocks make` leaves in a clone.
clean:
	rm -rf build csrc/*/*.o websock/core.so
	-@rmdir websock 2>/dev/null || true

help:
	@echo 'make                    build build/websock/core.so'
	@echo 'make run [PORT=8080]    the chat example, on a fresh machine too'
	@echo 'make run TLS=1          the same over https and wss'
	@echo 'make test               every test; installs what it needs'
	@echo 'make deps-run           only install what programs of yours need'
	@echo 'make deps               only install what run and test need'
	@echo 'make check              lint, formatting, layers, musl'
	@echo 'make portable           what other compilers and systems say'
	@echo 'make big-endian         the C tests for s390x, by qemu'
	@echo 'make windows            C tests for Windows, by mingw-w64 and wine'
	@echo 'make format             lay the C files out by .clang-format'
	@echo 'make sanitize           the specs under ASan and UBSan'
	@echo 'make tsan               Lua states in threads, under ThreadSanitizer'
	@echo 'make apicheck           the specs by a Lua that checks its C API'
	@echo 'make fuzz [SECONDS=60]  each fuzz target'
	@echo 'make bench [BENCH=name] what it costs, beside others'
	@echo 'make soak [MESSAGES=n]  a million messages; memory stays flat'
	@echo 'make browser            chat, game and compression in Chromium'
	@echo 'make install [PREFIX=/usr/local], uninstall, clean'

-include $(wildcard build/obj/*/*.d build/export/*/*.d build/san/obj/*/*.d build/tsan/obj/*/*.d build/tsan/*.d build/test/csrc/*/*.d)
