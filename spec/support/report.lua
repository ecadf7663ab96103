-- How busted reports to scripts/test: each failure in full as it happens, then
-- "N passed, N failed" as the last line. An error outside a test (a file that
-- does not load, a teardown that raises) counts as a failed one.

local busted = require "busted"

local function explain (handler, element, parent, message, trace)
  local failure = handler.format(element, parent, message, trace)
  local text = message
  if type(message) == "table" then text = message.message or tostring(message) end
  local at = failure.trace and failure.trace.short_src
    and ("%s:%s"):format(failure.trace.short_src, failure.trace.currentline) or "?"
  io.write(("FAIL %s (%s)\n%s\n"):format(failure.name or "?", at, tostring(text)))
  if failure.trace and failure.trace.traceback then
    io.write(failure.trace.traceback, "\n")
  end
  io.flush()
end

return function ()
  local handler = require "busted.outputHandlers.base"()
  local passed, failed, pending = 0, 0, 0

  local function bad (element, parent, message, trace)
    explain(handler, element, parent, message, trace)
    failed = failed + 1
    return nil, true
  end

  local function test_end (_, _, status)
    if status == "success" then passed = passed + 1 end
    if status == "pending" then pending = pending + 1 end
    return nil, true
  end

  local function finish ()
    if pending > 0 then io.write(pending, " pending\n") end
    io.write(("%d passed, %d failed\n"):format(passed, failed))
    io.flush()
    return nil, true
  end

  busted.subscribe({ "failure" }, bad)
  busted.subscribe({ "error" }, bad)
  busted.subscribe({ "test", "end" }, test_end)
  busted.subscribe({ "exit" }, finish)
  return handler
end
