-- The clients of Python's `websockets` and Node's `ws` against the servers of
-- examples/embed in C.

local certificates = require "support.certificates"
local installed = require "support.installed"
local process = require "support.process"

local CLIENTS = {
  {"Python websockets", process.python, "spec/interop/peer.py", "client"},
  {"Node ws", "node", "spec/interop/peer.mjs", "client"},
}

for _, secure in ipairs {false, true} do
  describe("examples/embed/host.c" .. (secure and " over TLS" or "") .. " #slow", function()
    local host, url

    setup(function()
      local made = certificates.server
      local program = installed.compile("examples/embed/host.c", {flags = secure and "-DWITH_TLS" or nil})
      local words = {program, "0"}
      if secure then table.move({made.chain, made.key}, 1, 2, 3, words) end
      host = process.start(words, {env = installed.env})
      url = (secure and "wss" or "ws") .. "://localhost:" .. host:expect "127%.0%.0%.1:(%d+)\n"
    end)

    teardown(function() host:stop() end)

    -- What a client prints after a case of spec/interop/README.md.
    local function client(words, case)
      local command = table.move(words, 2, #words, 1, {})
      command[#command + 1] = url .. "/"
      for word in case:gmatch "%S+" do command[#command + 1] = word end
      local status, output = process.run(command,
        {env = {TLS_CA = secure and certificates.ca.cert or nil}})
      assert.equal(0, status, output)
      return output:match "^(.-)%s*$"
    end

    for _, words in ipairs(CLIENTS) do
      for case, expected in pairs {
        ["text 0"] = "same", ["text 65536"] = "same", ["binary 1048576"] = "same",
        ["fragments"] = "Hello wörld", ["ping payload"] = "pong", ["pong"] = "same",
        ["close 1000 bye"] = "1000 bye", ["close 4321"] = "4321",
      } do
        it(("serves %s: %s"):format(words[1], case), function()
          assert.equal(expected, client(words, case))
        end)
      end

      it(("gives %s no message over 1 MiB back, and goes on"):format(words[1]), function()
        local command = table.move(words, 2, #words, 1, {})
        table.move({url .. "/", "binary", "1048577"}, 1, 3, #command + 1, command)
        local _, output = process.run(command,
          {env = {TLS_CA = secure and certificates.ca.cert or nil}})
        assert.not_matches("same", output)
        assert.equal("same", client(words, "text 1"))
      end)
    end
  end)
end
