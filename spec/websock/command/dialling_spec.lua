-- What the command's arguments become for websock.connect.

local arguments = require "websock.command.arguments"
local dialling = require "websock.command.dialling"

local function of(...)
  return dialling(assert(arguments.parse {"wss://localhost/", ...}))
end

describe("the options of a connection", function()
  it("are few without arguments", function()
    assert.same({headers = {}}, of())
  end)

  it("have a proxy, or the environment's", function()
    assert.equal("socks5h://me:pw@proxy:1080", of("--proxy=socks5h://me:pw@proxy:1080").proxy)
    assert.is_true(of("--proxy=env").proxy)
  end)

  it("have a number of redirects", function()
    assert.equal(3, of "--redirects=3".redirects)
  end)

  it("have times and sizes, whose 0 is none", function()
    local o = of("--timeout=1.5", "--ping-interval=3", "--max-message=4")
    assert.same({1.5, 3, 4}, {o.timeout, o.ping_interval, o.max_message})
    o = of("--ping-interval=0", "--max-message=0")
    assert.same({false, false}, {o.ping_interval, o.max_message})
  end)

  it("have one field of cookies, and credentials", function()
    assert.same({{"X", "y"}, {"Cookie", "a=1; b=2"}, {"Authorization", "Basic bWU6"}},
      of("-H", "X: y", "--cookie=a=1", "--cookie=b=2", "--auth=me:").headers)
  end)

  it("have settings of TLS, and compression", function()
    assert.same({verify = false}, of("--insecure").tls)
    assert.same({verify = true, ca_file = "x", cert = "c", key = "k"},
      of("--ca=x", "--cert=c", "--key=k").tls)
    assert.is_true(of("--compress").compress)
  end)
end)
