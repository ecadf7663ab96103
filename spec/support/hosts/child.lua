-- Runs one row of the conformance spec in one host, in a process of its own, which has to
-- end by itself after it, within 0.3 s. Prints "ok" then.
--
--     scripts/lua spec/support/hosts/child.lua HOST ours|theirs ROW

local name, whose, row_name = table.unpack(arg)
local host = require "support.hosts.hosts"(name, whose)
local clock = require "support.clock"
local tools = require "support.hosts.tools"
local rows = require "support.hosts.rows"
require "support.helper"

local function give_up(err)
  io.stderr:write(debug.traceback(tostring(err), 2), "\n")
  os.exit(1)
end

local function guard(f)
  return function(...) return select(2, xpcall(f, give_up, ...)) end
end

local PROMPT = 0.3  -- seconds

local t = tools(host, guard)
local row = rows.by_name[row_name]
local finished = false

if row.before then guard(row.before)(t) end
host.run(guard(function()
  row.run(t)
  t:finish()
  finished = true
  t.last_work()
end))
local idled = clock.idled()
if idled > PROMPT then give_up(("the host has ended %.3f s after its last work"):format(idled)) end
if row.after then guard(row.after)(t) end
print(finished and "ok" or "the host has ended before the row")
