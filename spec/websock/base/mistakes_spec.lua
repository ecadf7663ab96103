-- Frequent mistakes: each raises a message that names it, at the line where it was
-- made.

local websock = require "websock"

describe("a mistake", function()
  local server, ws

  before_each(function()
    server = assert(websock.listen {port = 0, handler = function(peer)
      for message in peer:messages() do
        if message == "more" then peer:send(("x"):rep(100000)) end
      end
    end})
    local _, port = server:getsockname()
    ws = assert(websock.connect("ws://127.0.0.1:" .. port .. "/"))
  end)

  after_each(function()
    ws:close()
    server:stop()
  end)

  local function raises(expected, f)
    local line = debug.getinfo(f, "S").linedefined
    local ok, err = pcall(f)
    assert.is_false(ok)
    assert.equal(("spec/websock/base/mistakes_spec.lua:%d: %s"):format(line, expected), err)
  end

  it("is a dot for a colon, before any method of a connection", function()
    for _, name in ipairs {"receive", "receive_part", "messages", "send", "writer",
      "ping", "close", "abort", "buffered", "state", "getpeername", "getsockname",
      "getfd", "socket", "subscribe", "unsubscribe"} do
      local expected = name .. ": connection expected (ws:" .. name .. ", not ws."
        .. name .. ")"
      for _, first in ipairs {5, "text", {}, false} do
        raises(expected, function() ws[name](first or nil) end)
      end
    end
  end)

  it("is a dot for a colon, before any method of a server", function()
    for _, name in ipairs {"publish", "broadcast", "connections", "count",
      "getsockname", "stop"} do
      raises(name .. ": server expected (server:" .. name .. ", not server." .. name
        .. ")", function() server[name]({}, "text") end)
    end
  end)

  it("is a code that no Close frame may have", function()
    for _, code in ipairs {-1, 0, 99, 999, 1004, 1005, 1006, 1015, 2999, 5000} do
      raises(("close: code %d may not be sent (RFC 6455 7.4): 1000 to 1003, "
        .. "1007 to 1014 and 3000 to 4999 may"):format(code),
        function() ws:close(code) end)
    end
  end)

  it("is a value of a wrong type, which is shown", function()
    raises('receive: timeout: a number of seconds from 0 up expected, got "5"',
      function() ws:receive("5") end)
    raises('send: kind: "text" or "binary" expected, got "txt"',
      function() ws:send("x", "txt") end)
    raises("sleep: seconds expected, got nil", function() websock.sleep() end)
    raises("wait: an open socket expected, got nil",
      function() websock.wait(nil, "r") end)
  end)

  it("is a signal by its full name", function()
    raises('signal: "SIGTERM": no signal that can be caught '
      .. '(names are "TERM", "INT", "HUP" ...)',
      function() websock.signal("SIGTERM", print) end)
  end)

  local NO_TEXT = ': a text message must be UTF-8 (or send it as "binary")'

  it("is text that is not UTF-8, with any number of receivers", function()
    raises("send" .. NO_TEXT, function() ws:send("\xff") end)
    raises("send" .. NO_TEXT, function() ws:send("\xff", "text", {timeout = 0}) end)
    raises("broadcast" .. NO_TEXT, function() server:broadcast("\xff") end)
    raises("publish" .. NO_TEXT, function() server:publish("nobody", "\xff") end)
  end)

  it("is text that is not UTF-8 in a writer, or that ends inside a character", function()
    local writer = assert(ws:writer())
    raises("write" .. NO_TEXT, function() writer:write "\xff" end)
    assert(writer:write "\xc3")
    raises("finish" .. NO_TEXT, function() writer:finish() end)
    raises("finish" .. NO_TEXT, function() writer:finish "\xff" end)
    assert(writer:finish "\xa4")
    assert(ws:send "after")
  end)

  it("names the function that was called", function()
    local TIME = ": timeout: a number of seconds from 0 up expected, got "
    raises("receive_part" .. TIME .. "-1", function() ws:receive_part(-1) end)
    raises("ping" .. TIME .. '"x"', function() ws:ping("", "x") end)
    raises("close" .. TIME .. "true", function() ws:close(1000, "", true) end)
    raises("stop" .. TIME .. "-1", function() server:stop(-1) end)
    raises("park" .. TIME .. "-1", function() websock.park(-1) end)
    raises("wait" .. TIME .. '"1"', function() websock.wait(0, "r", "1") end)
    raises("step" .. TIME .. "-1", function() websock.step(-1) end)
    raises("sleep" .. TIME .. "-1", function() websock.sleep(-1) end)
    ws:send "more"
    assert(ws:receive_part(20))
    local PARTS = ": a message is being received in parts (receive_part)"
    raises("receive" .. PARTS, function() ws:receive() end)
    raises("messages" .. PARTS, function() ws:messages()(ws) end)
  end)

  it("is one of a writer's", function()
    local KIND = 'writer: kind: "text" or "binary" expected, got '
    raises(KIND .. '"txt"', function() ws:writer "txt" end)
    raises("writer: unknown option 'timeout' (connect has it)",
      function() ws:writer("text", {timeout = 1}) end)
    local writer = assert(ws:writer())
    raises("write: string expected, got nil", function() writer:write() end)
    raises("finish: string expected, got boolean", function() writer:finish(false) end)
    raises("write: timeout: a number of seconds from 0 up expected, got -1",
      function() writer:write("x", -1) end)
    raises("finish: timeout: a number of seconds from 0 up expected, got -1",
      function() writer:finish("x", -1) end)
    for _, name in ipairs {"write", "finish"} do
      raises(("%s: writer expected (writer:%s, not writer.%s)"):format(name, name, name),
        function() writer[name] "x" end)
    end
    assert(writer:finish())
    raises("write: the message is finished", function() writer:write "x" end)
    raises("finish: the message is finished", function() writer:finish() end)
  end)

  it("is one of listen's in serve", function()
    raises("serve: option 'handler' is required (or 'on_message')", function() websock.serve {port = 0} end)
    raises("serve: option 'port' is required (or 'unix', or 'socket')",
      function() websock.serve {handler = print} end)
    raises("serve: unknown option 'prot' (did you mean 'port'?)",
      function() websock.serve {prot = 0, handler = print} end)
    raises("serve: protocol 'a b': a subprotocol is no token",
      function() websock.serve {port = 0, handler = print, protocols = {"a b"}} end)
    raises("serve: header 'a b': a field's name is no token",
      function() websock.serve {port = 0, handler = print, headers = {["a b"] = 1}} end)
    raises("serve: option 'tls': a server needs 'cert' and 'key'",
      function() websock.serve {port = 0, handler = print, tls = {}} end)
  end)

  it("is an option that is misspelt", function()
    for wrong, meant in pairs {ping_intervall = "ping_interval", pingInterval = "ping_interval",
      time_out = "timeout", timout = "timeout", header = "headers", Origin = "origin", tsl = "tls",
      ["max-message"] = "max_message"} do
      raises(("connect: unknown option '%s' (did you mean '%s'?)"):format(wrong, meant),
        function() websock.connect("ws://a", {[wrong] = 1}) end)
    end
    raises("connect: tls: unknown option 'cafile' (did you mean 'ca_file'?)",
      function() websock.connect("wss://a", {tls = {cafile = "x"}}) end)
    raises("send: unknown option 'compres' (did you mean 'compress'?)",
      function() ws:send("x", "text", {compres = true}) end)
    raises("broadcast: unknown option 'exept' (did you mean 'except'?)",
      function() server:broadcast("x", "text", {exept = ws}) end)
  end)

  it("is an option of another function", function()
    raises("connect: unknown option 'verify' (it belongs in 'tls')",
      function() websock.connect("wss://a", {verify = false}) end)
    raises("listen: unknown option 'threshold' (it belongs in 'compress')",
      function() websock.listen {threshold = 1} end)
    raises("connect: unknown option 'handler' (listen has it)",
      function() websock.connect("ws://a", {handler = print}) end)
    raises("accept: unknown option 'port' (listen has it)",
      function() websock.accept(nil, {port = 1}) end)
    raises("listen: unknown option 'timeout' (connect has it)",
      function() websock.listen {timeout = 1} end)
  end)

  it("is an option unlike any other", function()
    raises("connect: unknown option 'colour'", function() websock.connect("ws://a", {colour = 1}) end)
    raises("listen: unknown option '1'", function() websock.listen {"x"} end)
  end)

  describe("is to wait where that is impossible:", function()
    local function inside(f, ...) return require("support.ends").inside(f, ...) end
    local CALLS = {
      receive = function() ws:receive() end,
      receive_part = function() ws:receive_part() end,
      messages = function() ws:messages()(ws) end,
      ping = function() ws:ping() end,
      close = function() ws:close() end,
      stop = function() server:stop() end,
      sleep = function() websock.sleep(0.01) end,
      park = function() websock.park() end,
      wait = function() websock.wait(ws:getfd(), "r") end,
      connect = function() websock.connect "ws://a" end,
      accept = function() websock.accept(require("socket").tcp()) end,
      serve = function() websock.serve {port = 0, handler = print} end,
    }

    local function each(why, run)
      for name, call in pairs(CALLS) do
        local ok, err = inside(run, call)
        assert.is_false(ok, name)
        assert.matches("^spec/websock/base/mistakes_spec.lua:%d+: ", err)
        assert.equal(name .. ": cannot wait here: " .. why, (err:gsub("^.-:%d+: ", "")))
      end
      assert.equal("open", ws:state())
    end

    it("in an iterator of coroutine.wrap", function()
      each("this coroutine, an iterator of coroutine.wrap perhaps, is none of the loop's, "
        .. "but runs inside one", function(call)
          return coroutine.wrap(function() return pcall(call) end)()
        end)
    end)

    it("below a C function", function()
      each("a C function on the way, such as table.sort, string.gsub or coroutine.close, cannot yield",
        function(call)
          local results
          string.gsub("x", ".", function() results = table.pack(pcall(call)) end)
          return table.unpack(results)
        end)
    end)

    it("in a function that the loop calls", function()
      local results
      for name, call in pairs(CALLS) do
        websock.on_error = function() results = table.pack(pcall(call)) end
        websock.spawn(error, "to be reported")
        websock.step()
        websock.on_error = nil
        assert.is_false(results[1], name)
        assert.equal(name .. ": cannot wait here: a finalizer, or a function that the loop calls, "
          .. "must not hold it up", (results[2]:gsub("^.-:%d+: ", "")))
      end
    end)
  end)
end)
