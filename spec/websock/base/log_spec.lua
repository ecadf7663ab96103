-- websock.log: its events, what the default writes, and that no log function harms a
-- connection. The answer 403 to a page of another origin.

local websock = require "websock"
local child = require "support.child"
local clock = require "support.clock"
local ends = require "support.ends"
local frames = require "support.frames"
local wss = require "support.wss"

local FOREIGN = "http://page.example:3000"

-- Returns the answer to a request with this Origin; host: its Host field.
local function knock(server, origin, host)
  local peer = ends.dial(server)
  peer:send(frames.request {Origin = origin, Host = host or "site.example:8080"})
  local line, fields = peer:head()
  return tonumber(line:match "^HTTP/1.1 (%d+)"), fields, (peer:rest())
end

local function listen(options)
  options = options or {}
  options.port, options.handler = 0, options.handler or function() end
  return ends.listen(options)
end

-- Returns pcall(f, ...), while io.stderr is another file.
local function with_stderr(file, f, ...)
  local streams = io
  local original = streams.stderr
  streams.stderr = file      -- luacheck: ignore 122
  local results = table.pack(pcall(f, ...))
  streams.stderr = original  -- luacheck: ignore 122
  return table.unpack(results, 1, results.n)
end

-- Returns what is written to stderr meanwhile.
local function stderr_of(f, ...)
  local written = {}
  local file = {write = function(_, ...) table.insert(written, table.concat {...}) end}
  assert(with_stderr(file, f, ...))
  return table.concat(written)
end

-- Returns a list of the events from now on, {level, event, fields} each.
local function listen_in()
  local told = {}
  websock.log = function(...) table.insert(told, {...}) end
  return told
end

local function finish()
  websock.log = nil
  ends.finish()
  clock.skip(60)  -- the default logs every event again
end

describe("a page of another origin", function()
  after_each(finish)

  it("gets its Origin, Host and the option", function()
    websock.log = false
    local status, fields, body = knock(listen(), FOREIGN)
    assert.equal(403, status)
    assert.equal("text/plain; charset=utf-8", fields["content-type"])
    assert.equal("nosniff", fields["x-content-type-options"])
    assert.equal(tostring(#body), fields["content-length"])
    assert.matches("\n  Origin: http://page.example:3000\n  Host:   site.example:8080\n", body, 1, true)
    assert.matches("The option 'origins' of this server says which pages may connect: \"same\"", body, 1, true)
    assert.matches('\nTo let this one in: origins = {"http://page.example:3000"}\n$', body)
  end)

  it("is let in by the option that it gets", function()
    websock.log = false
    for _, origin in ipairs {FOREIGN, "https://[::1]:8443", "null", "chrome-extension://abc"} do
      local _, _, body = knock(listen(), origin)
      local line = assert(body:match "\nTo let this one in: ([^\n]*)\n$", body)
      local options = assert(load("local _ENV = {} " .. line .. " return _ENV"))()
      assert.equal(101, (knock(listen(options), origin)))
    end
  end)

  it("gets them with a list, too", function()
    websock.log = false
    local _, _, body = knock(listen {origins = {"https://other.example"}}, FOREIGN)
    assert.matches("which pages may connect: those of its list.", body, 1, true)
    assert.is_nil(body:find("other.example", 1, true))
  end)

  it("gets only bounded parts of what it has sent", function()
    websock.log = false
    for _, n in ipairs {255, 256, 257, 8000} do
      local origin = ("http://" .. ("x"):rep(n)):sub(1, n)
      local _, _, body = knock(listen(), origin, ("h"):rep(n))
      assert.is_true(#body < 1500)
      assert.equal(n > 256, body:find("...\n  Host", 1, true) ~= nil)
      assert.is_truthy(body:find(origin:sub(1, 256), 1, true))
    end
    local _, _, body = knock(listen(), "http://page.example/path")
    assert.is_nil(body:find "To let")  -- no list can contain it
  end)

  it("is logged", function()
    local told = listen_in()
    knock(listen(), FOREIGN)
    assert.equal(1, #told)
    local level, event, fields = table.unpack(told[1])
    assert.same({"warn", "origin refused"}, {level, event})
    assert.same({FOREIGN, "site.example:8080"}, {fields.origin, fields.host})
    assert.matches("^127%.0%.0%.1:%d+$", fields.remote)
    assert.equal('to let its pages in: origins = {"' .. FOREIGN .. '"}', fields.hint)
  end)

  it("is logged by websock.accept, and over TLS", function()
    local told = listen_in()
    local listener <close> = require("support.raw").server()
    local peer = require("support.raw").client(listener.port)
    peer:send(frames.request {Origin = FOREIGN})
    local ws, err = websock.accept(assert(listener:accept()).sock)
    assert.same({nil, "refused"}, {ws, err})
    peer:close()
    local server = wss.serve()
    local _, refused, response = wss.dial(server, nil, nil, {origin = FOREIGN})
    assert.same({"refused", 403}, {refused, response.status})
    assert.matches(FOREIGN, response.body, 1, true)
    assert.same({"origin refused", "origin refused"}, {told[1][2], told[2][2]})
  end)
end)

describe("websock.log", function()
  after_each(finish)

  it("can be read and set; only a function, false or nil is allowed", function()
    assert.is_nil(websock.log)
    local function f() end
    for _, value in ipairs {f, false, setmetatable({}, {__call = f})} do
      websock.log = value
      assert.equal(value, websock.log)
    end
    for _, value in ipairs {"x", 1, true, {}} do
      local ok, err = pcall(function() websock.log = value end)
      assert.is_false(ok)
      assert.matches("^spec/websock/base/log_spec%.lua:%d+: log: function expected, got ", err)
    end
    assert.equal("table", type(websock.log))
  end)

  it("by default writes an event once a minute, with the number of times", function()
    local server = listen()
    local written = stderr_of(function() for _ = 1, 3 do knock(server, FOREIGN) end end)
    assert.matches('^websock: warn: origin refused: host=site%.example:8080 origin=' .. FOREIGN
      .. ' remote=127%.0%.0%.1:%d+ %(to let its pages in: origins = {"' .. FOREIGN .. '"}%)\n$', written)
    clock.skip(50)
    assert.equal("", stderr_of(knock, server, FOREIGN))
    clock.skip(10)
    assert.matches(" %(3 more before%)\n$", stderr_of(knock, server, FOREIGN))
    clock.skip(60)
    assert.matches('"}%)\n$', stderr_of(knock, server, FOREIGN))
  end)

  it("by default writes no lower levels, and nothing at all if it is false", function()
    local server = listen()
    assert.equal("", stderr_of(function() ends.dial(server):send "NO\r\n\r\n" websock.step(0.1) end))
    websock.log = false
    assert.equal("", stderr_of(knock, server, FOREIGN))
  end)

  it("omits user, password, query and fragment of an origin or host", function()
    local told = listen_in()
    local server = listen()
    knock(server, "http://ada:secret@page.example:1?token=secret#secret")
    knock(server, "http://page.example?token=secret", "site.example")
    for _, one in ipairs(told) do
      for name, value in pairs(one[3]) do
        assert.is_nil(tostring(value):find "secret", name)
      end
    end
    assert.same({"http://page.example:1", "http://page.example"}, {told[1][3].origin, told[2][3].origin})
  end)

  it("has fields of at most 256 bytes, without controls", function()
    local log = require "websock.base.log"
    local told = listen_in()
    for _, text in ipairs {("x"):rep(256), ("x"):rep(257), ("x"):rep(255) .. "é", "\27[2J\r\n\u{9b}",
        ("\x80"):rep(300)} do
      log.write("info", "test", {text = text, n = 5})
    end
    local x = ("x"):rep(256)
    assert.same({x, x .. "...", ("x"):rep(255) .. "...", "^[[2J^M^J<U+009B>"},
      {told[1][3].text, told[2][3].text, told[3][3].text, told[4][3].text})
    assert.is_true(#told[5][3].text <= 256 * 4 + 3)
    assert.equal(5, told[1][3].n)
  end)

  it("that raises, waits or yields harms no connection", function()
    for name, f in pairs {
      raises = function() error "no" end,
      ["raises what has no text"] = function()
        error(setmetatable({}, {__tostring = function() error "none" end}))
      end,
      waits = function() websock.sleep(0.01) end,
      yields = function() coroutine.yield() end,
      reenters = function() websock.log = nil end,
    } do
      for _, options in ipairs {{}, {authorize = function() return true end}} do
        options.handler = wss.echo
        local server = listen(options)
        websock.log = f
        stderr_of(function() assert.equal(403, (knock(server, FOREIGN)), name) end)
        local peer = ends.open(server)
        peer:masked("text", "hi")
        assert.equal("hi", assert(peer:frame()).payload)
      end
    end
  end)

  it("may stop the server", function()
    local server = listen {max_connections = 1}
    local _ = ends.open(server)
    websock.log = function() server:stop(0) end
    local peer = ends.dial(server)
    assert.equal("closed", (select(2, peer:rest())))
  end)

  it("that raises is reported on stderr", function()
    websock.log = function() error("so what\27", 0) end
    local written = stderr_of(knock, listen(), FOREIGN):gsub(" %(%d+ more before%)", "")
    assert.equal("websock: error: websock.log raised: err=so what^[\n", written)
  end)

  it("survives a stderr that cannot be written", function()
    local closed = setmetatable({}, {__index = function() error "closed file" end})
    local ok, status = with_stderr(closed, knock, listen(), FOREIGN)
    assert.same({true, 403}, {ok, status})
  end)

  it("gets connections above max_connections", function()
    local told = listen_in()
    local server = listen {max_connections = 1, handler = wss.echo}
    local _ = ends.open(server)
    assert.equal(503, (knock(server)))
    assert.same({"warn", "too many connections", 1}, {told[1][1], told[1][2], told[1][3].max_connections})
    assert.matches("^127%.0%.0%.1:%d+$", told[1][3].remote)
  end)

  it("gets requests that break a rule, and TLS handshakes that fail", function()
    local told = listen_in()
    local peer = ends.dial(listen())
    peer:send "GET / HTTP/1.1\r\nno field\r\n\r\n"
    peer:rest()
    assert.same({"info", "request refused", 400}, {told[1][1], told[1][2], told[1][3].status})
    assert.is_string(told[1][3].rule)
    peer = ends.dial(wss.serve())
    peer:send "GET / HTTP/1.1\r\n\r\n"
    peer:rest()
    ends.turn_until(function() return told[2] end)
    assert.same({"info", "tls failed"}, {told[2][1], told[2][2]})
    assert.matches("^tls: ", told[2][3].err)
  end)

  it("gets that a server cannot accept, unless on_error gets it", function()
    local code = [[
      local socket = require "socket"
      local told, set = {}, ...
      %s
      local server = assert(websock.listen {port = 0, handler = print, on_error = on_error})
      local client = assert(socket.connect("127.0.0.1", (select(2, server:getsockname()))))
      local files = {}
      repeat files[#files + 1] = io.open "/dev/null" until #files > 0 and not io.open "/dev/null"
      for _ = 1, 20 do websock.step(0.01) end
      for _, file in ipairs(files) do file:close() end
      print(table.concat(told, " "))
      os.exit(0, false)]]
    local ON_ERROR = [[on_error = function(err) table.insert(told, "on_error " .. err) end ]]
    local LOG = [[websock.log = function(level, event, fields)
      table.insert(told, level .. " " .. event .. " " .. fields.err) end ]]
    local function run(setting)
      local status, output = child.run(code:format(setting), 40)
      assert.equal(0, status, output)
      return output
    end
    assert.equal("websock: error: accept failed: err=too many open files\n\n", run "")
    assert.equal("on_error too many open files\n", run(ON_ERROR))
    assert.equal("error accept failed too many open files\n", run(LOG))
    assert.equal("on_error too many open files error accept failed too many open files\n", run(ON_ERROR .. LOG))
    assert.equal("\n", run "websock.log = false")
  end)

  it("does not get errors of handlers and spawned functions", function()
    local told = listen_in()
    local server = listen {handler = function() error "oh\27[2J" end}
    local written = stderr_of(function()
      ends.open(server):closed()
      websock.spawn(error, "ah\27")
      ends.turn_until(function() return not websock.step(0) or websock.timeout() end)
      websock.step(0)
    end)
    assert.matches("websock: [^\n]*oh%^%[%[2J\nstack traceback:\n\t", written)
    assert.matches("websock: [^\n]*ah%^%[\nstack traceback:\n\t", written)
    assert.same({}, told)
  end)
end)
