-- Mistakes that are made often: each is answered by a message that names it, at
-- the line where it was made.

local websock = require "websock"

describe("a mistake", function()
  local server, ws

  before_each(function()
    server = assert(websock.listen {port = 0, handler = function(peer)
      for _ in peer:messages() do end
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
    assert.equal(("spec/websock/mistakes_spec.lua:%d: %s"):format(line, expected), err)
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

  it("is a value of another type, shown as it is", function()
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

  it("is text that is not UTF-8, whoever listens", function()
    raises("send: a text message must be UTF-8", function() ws:send("\xff") end)
    raises("broadcast: a text message must be UTF-8",
      function() server:broadcast("\xff") end)
    raises("publish: a text message must be UTF-8",
      function() server:publish("nobody", "\xff") end)
  end)
end)
