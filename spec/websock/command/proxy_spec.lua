-- The command's --proxy, with real proxies and against our own server in another process.

local command = require "support.command"
local ends = require "support.ends"
local proxies = require "support.proxies"

describe("websock --proxy", function()
  local peer, url

  setup(function() peer, url = command.peer() end)

  teardown(function() peer:stop() end)

  after_each(function() ends.finish() end)

  local function client(...) return command.client(url, "hello\n", ...) end

  local function assert_hello(status, out)
    assert.same({0, "hello\n"}, {status, out})
  end

  it("goes through it, with user and password or without", function()
    for _, proxy in ipairs {"http://127.0.0.1:" .. proxies.http(),
        "http://ada:sesame@127.0.0.1:" .. proxies.http "ada sesame",
        "socks5h://127.0.0.1:" .. proxies.socks5(),
        "socks5://ada:sesame@127.0.0.1:" .. proxies.socks5("ada", "sesame")} do
      assert_hello(client("--proxy", proxy))
    end
  end)

  it("says what the proxy said, and --reconnect ends if that lasts", function()
    local proxy = "http://127.0.0.1:" .. proxies.http "ada sesame"
    local expected = ("websock: %s: proxy: %s says: 407 "):format(url, proxy)
    for _, option in ipairs {"--quiet", "--reconnect"} do
      local status, out, err = client("--proxy", proxy, option)
      assert.same({1, "", expected}, {status, out, err:sub(1, #expected)})
    end
  end)

  it("is one that the environment names with env", function()
    local proxy = "socks5h://127.0.0.1:" .. proxies.socks5()
    local shell = 'http_proxy=%s exec scripts/lua bin/websock "$@" <"$IN" >"$OUT" 2>"$ERR"'
    assert_hello(command.run({"--proxy", "env", url}, "hello\n", shell:format(proxy)))
    local status, out, err = command.run({"--proxy", "env", url}, "hello\n", shell:format "http://127.0.0.1:1")
    assert.same({1, ""}, {status, out})
    assert.matches("proxy: http://127.0.0.1:1 %(from http_proxy%): connect: connection refused", err)
  end)

  it("is used again by --reconnect", function()
    local proxy = "http://127.0.0.1:" .. proxies.http()
    local running <close> = command.start {"--proxy", proxy, "--reconnect", url}
    running:write "do abort\n"
    running:expect("err", "(closed; next attempt in %d+%.%d s)\nconnected to ")
    running:write "hello\n"
    running:finish()
    assert_hello(running:wait())
  end)

  it("that is none is wrong usage", function()
    local status, _, err = client("--proxy", "nonsense")
    assert.matches("option 'proxy': a URL of http, https, socks4a, socks5 or socks5h expected\n$", err)
    assert.equal(2, status)
  end)
end)
