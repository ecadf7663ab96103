rockspec_format = "3.0"
package = "websock"
version = "scm-1"
source = {
  -- `luarocks make` in a checkout does not fetch anything.
  url = "git+file://.",
}
description = {
  summary = "WebSocket client and server (RFC 6455)",
  detailed = [[
    WebSocket for Lua 5.4: a protocol core in C, a loop of its own, and
    LuaSocket's sockets.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.4, < 5.5",
  "luasocket >= 3.0",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h" },
  ZLIB = { header = "zlib.h" },
}
build = {
  type = "builtin",
  modules = {
    ["websock.core"] = {
      sources = {
        -- begin sources
        "csrc/lua_broadcast.c",
        "csrc/lua_config.c",
        "csrc/lua_conn.c",
        "csrc/lua_core.c",
        "csrc/lua_fast.c",
        "csrc/lua_head.c",
        "csrc/lua_lookup.c",
        "csrc/lua_net.c",
        "csrc/lua_poll.c",
        "csrc/lua_recv.c",
        "csrc/lua_send.c",
        "csrc/lua_timer.c",
        "csrc/lua_tls.c",
        "csrc/lua_transport.c",
        "csrc/lua_turn.c",
        "csrc/net_lookup.c",
        "csrc/net_poll.c",
        "csrc/net_poll_epoll.c",
        "csrc/net_poll_kqueue.c",
        "csrc/net_poll_poll.c",
        "csrc/net_signal.c",
        "csrc/net_socket.c",
        "csrc/net_stay.c",
        "csrc/net_timer.c",
        "csrc/net_tls.c",
        "csrc/net_tls_bio.c",
        "csrc/net_tls_ctx.c",
        "csrc/net_tls_error.c",
        "csrc/net_tls_pem.c",
        "csrc/net_tls_session.c",
        "csrc/ws_answer.c",
        "csrc/ws_body.c",
        "csrc/ws_chars.c",
        "csrc/ws_client.c",
        "csrc/ws_close.c",
        "csrc/ws_conn.c",
        "csrc/ws_crypto.c",
        "csrc/ws_deflate.c",
        "csrc/ws_extension.c",
        "csrc/ws_fields.c",
        "csrc/ws_frame.c",
        "csrc/ws_handshake.c",
        "csrc/ws_http.c",
        "csrc/ws_in.c",
        "csrc/ws_mask.c",
        "csrc/ws_out.c",
        "csrc/ws_pack.c",
        "csrc/ws_ping.c",
        "csrc/ws_pool.c",
        "csrc/ws_random.c",
        "csrc/ws_recv.c",
        "csrc/ws_send.c",
        "csrc/ws_server.c",
        "csrc/ws_share.c",
        "csrc/ws_unpack.c",
        "csrc/ws_utf8.c",
        "csrc/ws_walk.c",
        -- end sources
      },
      libraries = { "ssl", "crypto", "z", "pthread" },
      incdirs = { "csrc", "$(OPENSSL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(ZLIB_LIBDIR)" },
    },
    -- begin modules
    ["websock"] = "lua/websock/init.lua",
    ["websock.arguments"] = "lua/websock/arguments.lua",
    ["websock.audience"] = "lua/websock/audience.lua",
    ["websock.call"] = "lua/websock/call.lua",
    ["websock.cli"] = "lua/websock/cli.lua",
    ["websock.client"] = "lua/websock/client.lua",
    ["websock.connection"] = "lua/websock/connection.lua",
    ["websock.dial"] = "lua/websock/dial.lua",
    ["websock.driver"] = "lua/websock/driver.lua",
    ["websock.handshake"] = "lua/websock/handshake.lua",
    ["websock.headers"] = "lua/websock/headers.lua",
    ["websock.heartbeat"] = "lua/websock/heartbeat.lua",
    ["websock.io.loop"] = "lua/websock/io/loop.lua",
    ["websock.io.queue"] = "lua/websock/io/queue.lua",
    ["websock.io.signal"] = "lua/websock/io/signal.lua",
    ["websock.io.watch"] = "lua/websock/io/watch.lua",
    ["websock.link"] = "lua/websock/link.lua",
    ["websock.listener"] = "lua/websock/listener.lua",
    ["websock.misuse"] = "lua/websock/misuse.lua",
    ["websock.options"] = "lua/websock/options.lua",
    ["websock.origin"] = "lua/websock/origin.lua",
    ["websock.request"] = "lua/websock/request.lua",
    ["websock.sender"] = "lua/websock/sender.lua",
    ["websock.server"] = "lua/websock/server.lua",
    ["websock.socket"] = "lua/websock/socket.lua",
    ["websock.text"] = "lua/websock/text.lua",
    ["websock.tls"] = "lua/websock/tls.lua",
    ["websock.topics"] = "lua/websock/topics.lua",
    ["websock.url"] = "lua/websock/url.lua",
    ["websock.writer"] = "lua/websock/writer.lua",
    -- end modules
  },
  install = {
    bin = { websock = "bin/websock" },
  },
}
