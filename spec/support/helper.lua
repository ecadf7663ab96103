-- Runs before the specs of a file. With WEBSOCK_GC=1 the collector never rests:
-- a new cycle begins as soon as one has ended, and every few bytes allocated do
-- a piece of it, so that whatever is not anchored is gone at the next chance.

if os.getenv("WEBSOCK_GC") == "1" then
  collectgarbage("incremental", 1, 400, 8)
  collectgarbage("setpause", 0)
end
