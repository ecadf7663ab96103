-- The command's --reconnect, against a server that comes and goes.

local command = require "support.command"
local raw = require "support.raw"

describe("websock --reconnect", function()
  local listener, url

  before_each(function()
    listener = raw.server()
    url = "ws://127.0.0.1:" .. listener.port .. "/"
  end)

  after_each(function() listener:close() end)

  local function welcome()
    local theirs = assert(listener:accept())
    theirs:welcome()
    return theirs
  end

  -- Answers a request by this status line and these fields.
  local function refuse(head)
    local theirs = assert(listener:accept())
    theirs:head()
    theirs:send(("HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"):format(head))
    return theirs
  end

  it("connects again, and sends what was typed meanwhile", function()
    local running <close> = command.start {"--reconnect", url}
    local first = welcome()
    running:write "one\n"
    assert.equal("one", first:frame().payload)
    first:close()
    running:expect("err", "(closed; next attempt in %d+%.%d s)\n")
    running:write "two\n"
    local second = welcome()
    assert.equal("two", second:frame().payload)
    running:signal "INT"
    assert.equal(1000, (second:closed()))
    second:send "\x88\x02\x03\xe8"
    second:close()
    assert.equal(0, (running:wait()))
  end)

  it("ends on a failure that lasts", function()
    local running <close> = command.start {"--reconnect", url}
    local theirs = refuse "401 Unauthorized"
    local status, _, err = running:wait()
    assert.matches(": refused: 401 Unauthorized\n$", err)
    assert.equal(1, status)
    theirs:close()
  end)

  it("ends at once on Ctrl-C in a delay", function()
    local running <close> = command.start {"--reconnect", url}
    local theirs = refuse "503 Busy\r\nRetry-After: 500"
    running:expect("err", "refused: 503 Busy; next attempt in (500)")
    running:signal "INT"
    assert.equal(1, (running:wait()))
    theirs:close()
  end)

  it("says with each failure what would help", function()
    local running <close> = command.start {"--reconnect", url}
    local theirs = refuse "302 Found\r\nLocation: /there"
    running:expect("err", "refused: 302 Found to /there %(try %-%-redirects (5)%); next attempt in ")
    running:signal "INT"
    running:wait()
    theirs:close()
  end)

  it("reports wrong usage as without it", function()
    local status, _, err = command.run {"--reconnect", "-H", "a(b: c", url}
    assert.matches("^websock: ", err)
    assert.not_matches("traceback", err)
    assert.equal(2, status)
  end)
end)
