-- What the command says about a connection that could not be made.

local failure = require "websock.command.failure"

-- A response as websock.connect returns it.
local function response(status, fields, body)
  local one = {status = status, headers = fields or {}, body = body or "", url = "ws://there/b"}
  return setmetatable(one, {__tostring = function() return status .. " Reason" end})
end

local function said(err, answer, options)
  local all = {url = "ws://here/a"}
  for name, value in pairs(options or {}) do all[name] = value end
  return failure.describe(all, err, answer)
end

describe("a failure to connect", function()
  it("is shown with its URL, but without user and password", function()
    assert.equal("ws://here/a: timeout", said "timeout")
    for url, shown in pairs {["ws://me:p@w@here:1/a@b"] = "ws://here:1/a@b", ["wss://me@here"] = "wss://here",
      ["ws://here/a@b"] = "ws://here/a@b", ["ws://here?a@b"] = "ws://here?a@b"} do
      assert.equal(shown .. ": timeout", said("timeout", nil, {url = url}))
    end
  end)

  it("after redirects is shown with the URL where they ended", function()
    assert.equal("ws://there/b: refused: 404 Reason", said("refused", response(404), {redirects = 1}))
    assert.equal("ws://here/a: timeout", said("timeout", nil, {redirects = 1}))
  end)

  it("names the option that would help", function()
    local to = {location = "/b\27"}
    for _, status in ipairs {301, 302, 303, 307, 308} do
      assert.equal(("ws://here/a: refused: %d Reason to /b^[ (try --redirects 5)"):format(status),
        said("refused", response(status, to)))
    end
    assert.equal("ws://here/a: refused: 300 Reason", said("refused", response(300, to)))
    assert.equal("ws://here/a: refused: 302 Reason", said("refused", response(302)))
    assert.equal("ws://there/b: refused: 302 Reason", said("refused", response(302, to), {redirects = 0}))
    local ask = {["www-authenticate"] = 'basic realm="x"'}
    assert.equal("ws://here/a: refused: 401 Reason (try --auth USER:PASSWORD)", said("refused", response(401, ask)))
    assert.equal("ws://here/a: refused: 401 Reason", said("refused", response(401, ask), {auth = "a:b"}))
    assert.equal("ws://here/a: refused: 401 Reason",
      said("refused", response(401, {["www-authenticate"] = "Bearer"})))
    local untrusted = "tls: certificate is self-signed"
    assert.equal("ws://here/a: " .. untrusted .. " (try --ca FILE, or --insecure)", said(untrusted))
    assert.equal("ws://here/a: " .. untrusted, said(untrusted, nil, {ca = "x"}))
  end)

  it("has the beginning of a body that is text", function()
    local text = {["content-type"] = "text/plain; charset=utf-8"}
    assert.equal("ws://here/a: refused: 403 Reason\n| no\t^[\n| way",
      said("refused", response(403, text, "no\t\27\n\nway\n")))
    assert.equal("ws://here/a: refused: 403 Reason", said("refused", response(403, {}, "no")))
    assert.equal(#"ws://here/a: refused: 403 Reason\n| " + 1024,
      #said("refused", response(403, text, ("x"):rep(5000))))
  end)
end)
