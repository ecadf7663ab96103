-- The tables of options against the contract, and each check at its limits.

local options = require "websock.base.options"
local websock = require "websock"

local function accepts(where, name, ...)
  for _, value in ipairs {...} do
    local given = {handler = print, [name] = value}
    if where ~= "listen" then given.handler = nil end
    assert.equal(value, options.check(where, given)[name])
  end
end

local function refuses(where, name, ...)
  for _, value in ipairs {...} do
    local ok, err = pcall(options.check, where, {[name] = value})
    assert.is_false(ok, name .. " = " .. tostring(value))
    assert.matches(where .. ": option '" .. name .. "'", err, 1, true)
  end
end

local NAN = 0 / 0

describe("options", function()
  it("have the contract's defaults for connect", function()
    local o = options.check "connect"
    assert.same({10, 1048576, 16384, 1048576, 5, true, "any", 0, false, 20},
      {o.timeout, o.max_message, o.max_fragments, o.max_queue, o.close_timeout, o.nodelay,
        o.family, o.redirects, o.compress, o.ping_timeout})
    for _, name in ipairs {"protocols", "headers", "origin", "tls", "proxy", "unix", "socket",
      "scheduler"} do
      assert.is_nil(o[name], name)
    end
  end)

  it("have the contract's defaults for listen", function()
    local o = options.check "listen"
    assert.same({"127.0.0.1", 511, false, "same", 65536, 1048576, 16384, 1048576, false, 16384,
      10, false, 20, 5, true, false},
      {o.host, o.backlog, o.reuseport, o.origins, o.max_body, o.max_message, o.max_fragments,
        o.max_queue, o.max_connections, o.max_header, o.handshake_timeout, o.idle_timeout,
        o.ping_timeout, o.close_timeout, o.nodelay, o.compress})
  end)

  it("of accept are those of listen for each connection, and three of its own", function()
    local o = options.check("accept", {request = {}, received = "", server = {}})
    assert.equal("same", o.origins)
    assert.equal(10, o.handshake_timeout)
    for _, name in ipairs {"handler", "port", "host", "backlog", "max_connections"} do
      assert.error_matches(function() options.check("accept", {[name] = 1}) end,
        "accept: unknown option '" .. name .. "'")
    end
  end)

  it("each have a line of documentation", function()
    for _, where in ipairs {"connect", "listen", "accept", "send"} do
      for name, option in pairs(options[where]) do
        assert.equal("string", type(option[3]), where .. "." .. name)
      end
    end
  end)

  it("raise if they are unknown, misspelt or no table", function()
    assert.error_matches(function() options.check("connect", {time_out = 1}) end,
      "connect: unknown option 'time_out'")
    assert.error_matches(function() options.check("listen", {"x"}) end, "listen: unknown option '1'")
    assert.error_matches(function() options.check("send", 5) end, "send: options: table expected, got number")
  end)

  it("leave the given table unchanged, and return a new one each time", function()
    local given = {timeout = 1}
    local o = options.check("connect", given)
    assert.not_equal(given, o)
    assert.same({timeout = 1}, given)
    o.max_message = 5
    assert.equal(1048576, options.check("connect").max_message)
  end)

  it("check sizes", function()
    for _, name in ipairs {"max_message", "max_body", "max_queue"} do
      accepts("listen", name, 0, 1, 1048576)
      refuses("listen", name, -1, 1.5, "1", true, NAN, math.huge)
    end
    accepts("listen", "max_message", false)
    accepts("listen", "max_fragments", 1, false)
    refuses("listen", "max_fragments", 0, -1, "x")
    refuses("listen", "max_queue", false)
    refuses("listen", "max_header", 0, false)
  end)

  it("check seconds", function()
    accepts("connect", "timeout", 0, 0.5, 1, false, math.huge)
    refuses("connect", "timeout", -1, -0.001, NAN, "1", true)
    accepts("listen", "handshake_timeout", 0, 3, false)
    refuses("listen", "handshake_timeout", -1, "x")
    accepts("listen", "close_timeout", 0, 3)
    refuses("listen", "close_timeout", false, -1, NAN)
    accepts("connect", "ping_timeout", 0.1)
    accepts("connect", "attempt_delay", 0.001, 5, false)
    refuses("connect", "attempt_delay", 0, -1, true, "1")
    refuses("connect", "ping_timeout", -1)
    accepts("send", "timeout", 0)
    refuses("send", "timeout", -1, "x", NAN)
  end)

  it("check ports", function()
    accepts("listen", "port", 0, 1, 65535, false)
    refuses("listen", "port", -1, 65536, 1.5, "80", true)
  end)

  it("check lists of strings", function()
    accepts("connect", "protocols", {}, {"a"}, {"a", "b"})
    refuses("connect", "protocols", "a", {1}, {a = "b"}, {"a", false}, {[2] = "a"})
    accepts("listen", "protocols", {"a"}, print)
    refuses("listen", "protocols", "a", {1})
  end)

  it("check functions, and objects that can be called", function()
    local callable = setmetatable({}, {__call = print})
    accepts("listen", "handler", print, callable)
    accepts("listen", "authorize", callable)
    for _, name in ipairs {"handler", "authorize", "http", "on_error"} do
      refuses("listen", name, 1, "f", {}, true)
    end
    accepts("listen", "headers", {}, print, callable)
    refuses("listen", "headers", "A: 1", 1)
    refuses("connect", "headers", print, "A: 1")
  end)

  it("check redirects and jars", function()
    accepts("connect", "redirects", 0, 1, 5, print)
    refuses("connect", "redirects", -1, 1.5, true, "5", {})
    accepts("connect", "cookies", websock.cookies())
    refuses("connect", "cookies", {}, true, "a=b")
    for _, domains in ipairs {{}, {"a.example"}, {".a.example"}, {"localhost"}} do
      options.check("cookies", {domains = domains})
    end
    refuses("cookies", "domains", "a", {""}, {"."}, {"127.0.0.1"}, {"a b"}, {"a/b"}, {1})
  end)

  it("check choices", function()
    accepts("connect", "family", "any", "inet", "inet6")
    refuses("connect", "family", "ipv4", 4, true)
    accepts("listen", "origins", "same", "*", {"https://a.example"})
    refuses("listen", "origins", "none", true, {1})
  end)

  it("check texts, switches and sockets", function()
    refuses("connect", "origin", 1, true)
    refuses("connect", "unix", 1)
    refuses("listen", "host", 1, {})
    refuses("listen", "backlog", 0, "x")
    refuses("connect", "nodelay", 1, "yes")
    refuses("listen", "reuseport", 1)
    refuses("connect", "socket", 1, "tcp", print)
    refuses("accept", "received", 1)
    refuses("accept", "request", "GET")
    refuses("accept", "server", 1)
  end)

  it("of compression have the contract's defaults, and are checked", function()
    local o = options.check("listen", {handler = print, compress = {}}).compress
    assert.same({server_no_context_takeover = true, client_no_context_takeover = true,
      server_max_window_bits = 12, client_max_window_bits = 12, level = 1, mem_level = 5,
      threshold = 256}, o)
    accepts("connect", "compress", true, false)
    refuses("connect", "compress", 1, "deflate", print)
    local function refuses_one(name, ...)
      for _, value in ipairs {...} do
        assert.error_matches(function() options.check("connect", {compress = {[name] = value}}) end,
          "connect: compress: option '" .. name .. "': ")
      end
    end
    for _, name in ipairs {"server_max_window_bits", "client_max_window_bits"} do
      refuses_one(name, 7, 16, 8.5, "12", true, NAN)
      assert.equal(8, options.check("connect", {compress = {[name] = 8}}).compress[name])
      assert.is_false(options.check("connect", {compress = {[name] = false}}).compress[name])
      assert.equal(15, options.check("connect", {compress = {[name] = 15}}).compress[name])
    end
    refuses_one("level", -1, 10, "1")
    refuses_one("mem_level", 0, 10)
    refuses_one("threshold", -1, 0.5, false)
    refuses_one("server_no_context_takeover", 1, "true")
    refuses_one("client_no_context_takeover", 0)
    assert.error_matches(function() options.check("accept", {compress = {windows = 12}}) end,
      "accept: compress: unknown option 'windows'")
  end)

  it("accept values that turn a later feature off", function()
    accepts("connect", "compress", false)
    accepts("connect", "ping_interval", false)
    accepts("connect", "scheduler", "loop")
    accepts("listen", "idle_timeout", false)
  end)

  it("say that a feature comes with a later version", function()
    local later = {
      connect = {proxy = "http://a:1", scheduler = "copas"},
      listen = {scheduler = {}},
    }
    for where, set in pairs(later) do
      for name, value in pairs(set) do
        assert.error_matches(function() options.check(where, {[name] = value}) end,
          where .. ": option '" .. name .. "': .* later version")
      end
    end
  end)

  it("check the timeout of a call", function()
    for _, value in ipairs {0, 0.5, 1, math.huge} do options.check_timeout(value) end
    options.check_timeout(nil)
    for _, value in ipairs {-1, "1", true, {}, NAN} do
      assert.error_matches(function() options.check_timeout(value) end, "timeout: a number of seconds")
    end
  end)

  describe("that would have no effect raise:", function()
    local function raises(expected, where, given)
      local ok, err = pcall(options.check, where, given)
      assert.is_false(ok, expected)
      assert.equal(where .. ": " .. expected, (err:gsub("^.-:%d+: ", "")))
    end

    it("one of a pair of which only one can count", function()
      local VALUES = {unix = "/a", socket = {}, family = "inet", host = "*", port = 80, reuseport = true,
        backlog = 5, attempt_delay = 1}
      for where, pairs_of in pairs {
        connect = {"unix socket", "family unix", "family socket", "attempt_delay unix", "attempt_delay socket"},
        reconnect = {"family unix", "attempt_delay unix"},
        listen = {"unix socket", "host unix", "port unix", "reuseport unix", "host socket", "port socket",
          "reuseport socket", "backlog socket"},
      } do
        for _, pair in ipairs(pairs_of) do
          local one, other = pair:match "(%S+) (%S+)"
          local given = {[one] = VALUES[one], [other] = VALUES[other]}
          raises(("option '%s' does not go with '%s'"):format(one, other), where, given)
          given[one] = nil
          options.check(where, given)
        end
      end
    end)

    it("where to listen, with port = false", function()
      for name, value in pairs {host = "*", reuseport = true, backlog = 5} do
        for _, where in ipairs {"listen", "serve"} do
          raises(("option '%s' does not go with 'port = false'"):format(name), where,
            {port = false, [name] = value})
          options.check(where, {port = 0, [name] = value})
        end
      end
    end)

    it("but not if one of them is false", function()
      options.check("listen", {unix = "/a", port = false, reuseport = false})
      options.check("listen", {port = false})
    end)

    it("settings of TLS for the other role", function()
      local CLIENT = {verify = true, ca_file = "a", ca_path = "a", server_name = "a"}
      for _, where in ipairs {"listen", "serve", "accept", "set_tls"} do
        for name, value in pairs(CLIENT) do
          raises(("tls: option '%s' means nothing to a server (whose clients `client_ca` is about)")
            :format(name), where, {tls = {cert = "a", key = "a", [name] = value}})
        end
        options.check(where, {tls = {cert = "a", key = "a", client_ca = "a", alpn = {"a"}}})
      end
      raises("tls: option 'client_ca' means nothing to a client (who trusts the authorities of `ca_file`)",
        "connect", {tls = {client_ca = "a"}})
      options.check("connect", {tls = CLIENT})
    end)

    it("but not in websock.tls, whose context serves both roles", function()
      options.check("tls", {cert = "a", key = "a", ca_file = "a", client_ca = "a", verify = false})
    end)

    it("settings of TLS that need another one", function()
      local function needs(one, other, given)
        assert.error_matches(function() websock.tls(given) end,
          ("tls: option '%s' needs '%s'$"):format(one, other))
        if one == "client_ca" then return end
        assert.error_matches(function() websock.connect("wss://a", {tls = given}) end,
          ("connect: tls: option '%s' needs '%s'$"):format(one, other))
      end
      needs("cert", "key", {cert = "a"})
      needs("key", "cert", {key = "a"})
      needs("password", "key", {password = "a"})
      needs("client_ca", "cert", {client_ca = "a"})
    end)
  end)

  it("check paths and hosts: neither empty nor with a zero byte", function()
    for _, name in ipairs {"unix", "host"} do
      accepts("listen", name, "a")
      refuses("listen", name, "", "\0", "a\0b", 1)
    end
    accepts("connect", "unix", "/a")
    refuses("connect", "unix", "", "/a\0")
  end)
end)
