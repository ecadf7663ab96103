-- Finalizers that use the connection whose method has made Lua collect: see
-- spec/support/finalizers.lua. In a process of its own, which may crash; with the
-- sanitized module if there is an up-to-date one, and again with a Lua that collects at
-- every chance if `make apicheck` has built it.

local process = require "support.process"

local EAGER = "build/apicheck/eager"
local SANITIZED_MODULE = "build/san/websock/core.so"

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function answer(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local function is_fresh(path)
  return exists(path)
    and answer(("find csrc -name '*.[ch]' -newer %s"):format(path)) == ""
end

-- The environment that makes a process use the sanitized module.
local function environment()
  local env = {ASAN_OPTIONS = "detect_leaks=0", LD_PRELOAD = os.getenv "SANITIZED"}
  if not env.LD_PRELOAD and is_fresh(SANITIZED_MODULE) then
    env.LD_PRELOAD = answer "${CC:-cc} -print-file-name=libasan.so":match "^(/%S+)"
    if env.LD_PRELOAD then env.WEBSOCK_BUILD = "build/san" end
  end
  return env
end

-- Runs so many rounds; returns the number of messages received in them.
local function run(env, seed, rounds, steps, eager)
  local code = ([[package.path = "spec/?.lua;" .. package.path
    print("received", require("support.finalizers").run(%d, %d, %d, %s))]])
    :format(seed, rounds, steps, eager)
  local status, output = process.run(process.lua("-e", code), {env = env, timeout = 250})
  assert.equal(0, status, output)
  return tonumber(output:match "received\t(%d+)")
end

describe("finalizers that use the connection whose method runs", function()
  it("use nothing freed, and get no message twice", function()
    assert.is_true(run(environment(), 1, 200, 300, false) > 1000)
  end)

  local by_eager = exists(EAGER) and it or pending
  by_eager("also with a Lua that collects at every chance", function()
    local env = environment()
    env.LUA = EAGER
    assert.is_true(run(env, 1, 200, 100, true) > 100)
  end)
end)
