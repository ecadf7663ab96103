-- Runs before the specs of a file. With WEBSOCK_GC=1 the collector works all the time: a
-- new cycle begins as soon as one has ended, and every few bytes allocated run a step,
-- so that anything not anchored is soon collected.

if os.getenv("WEBSOCK_GC") == "1" then
  collectgarbage("incremental", 1, 400, 8)
  collectgarbage("setpause", 0)
end
