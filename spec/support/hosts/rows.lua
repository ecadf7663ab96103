-- The rows of the conformance spec, in the order of the matrix. A row is
--
--   name
--   run(t)        in a coroutine of the host; t: see tools.lua
--   before(t)     in the main chunk, before the host runs; after(t): after it
--   hooks         true if it has handlers or hooks: it also runs with these in the host's
--                 coroutines
--   without       host -> why it cannot be there
--   descriptors   how many it needs, if more than usual
--   slow          true if it is run in one host after the other
--   heavy         true if it is too much for a collector that works all the time
--   ends(host)    how its process ends, unless it prints "ok": status, and what it
--                 prints then

local rows = {by_name = {}}

local HEAVY = {"two directions at once, in order", "backpressure: send waits", "timeouts lose nothing",
  "100 connections", "2,000 connections", "fairness: others of the host go on under flood",
  "nothing lost: many senders, random pauses"}

for _, part in ipairs {"calls", "ends", "crowd", "guests", "schedulers", "sockets", "reconnect"} do
  for _, row in ipairs(require("support.hosts.rows_" .. part)) do
    assert(not rows.by_name[row.name], row.name)
    rows.by_name[row.name] = row
    table.insert(rows, row)
  end
end

for _, name in ipairs(HEAVY) do rows.by_name[name].heavy = true end

return rows
