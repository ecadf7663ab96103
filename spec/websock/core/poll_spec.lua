-- The binding of the poller: every case with each back end. The back ends are tested
-- in C.

local core = require "websock.core"
local socket = require "socket"
local descriptors = require "support.descriptors"

local READ, WRITE, HANGUP = 1, 2, 4

-- A connected pair of sockets and their descriptors.
local function pair()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local one = assert(socket.connect("127.0.0.1", port))
  local other = assert(listener:accept())
  listener:close()
  return one, other, math.tointeger(one:getfd())
end

-- slot -> what of the next batch.
local function batch(poller, timeout)
  local found = {}
  assert(poller:wait(timeout or 0))
  for slot, what in poller.next, poller do found[slot] = what end
  return found
end

describe("core.poller", function()
  it("knows its back ends", function()
    local best <close> = core.poller()
    assert.is_true(best:name() == "epoll" or best:name() == "poll" or best:name() == "kqueue")
    assert.same({nil, "no such poller"}, {core.poller "select"})
    assert.has_error(function() core.poller {} end)
  end)

  for _, name in ipairs {"epoll", "poll"} do
    local probe = core.poller(name)
    if probe then
      probe:close()
      describe(name, function()
        local poller, one, other, fd

        before_each(function()
          poller = core.poller(name)
          one, other, fd = pair()
        end)

        after_each(function()
          poller:close()
          one:close()
          other:close()
        end)

        it("reports a registered descriptor when it becomes ready", function()
          assert.is_true(poller:add(fd, 4294967295))
          assert.same({[4294967295] = WRITE}, batch(poller))
          assert.same({}, batch(poller))
          assert(other:send "x")
          assert.equal(READ, batch(poller, 20)[4294967295] & READ)
          one:receive(1)
          poller:rearm(fd, READ)
          assert.same({}, batch(poller))
          other:close()
          assert.equal(HANGUP, batch(poller, 20)[4294967295] & HANGUP)
          poller:del(fd)
          assert.same({}, batch(poller))
          poller:del(fd)  -- again: nothing
        end)

        it("reports a watched one once", function()
          assert.is_true(poller:watch(fd, 3, WRITE))
          assert.same({[3] = WRITE}, batch(poller))
          assert.same({}, batch(poller))
          assert.is_true(poller:watch(fd, 4, READ | WRITE))
          assert.is_true(poller:watch(fd, 4, 0))
          assert.same({}, batch(poller))
        end)

        it("refuses to watch a registered descriptor", function()
          assert.is_true(poller:add(fd, 3))
          assert.same({nil, "busy"}, {poller:watch(fd, 4, READ)})
          poller:watch(fd, 4, 0)
          assert.same({[3] = WRITE}, batch(poller))
          assert(other:send "x")
          assert.equal(READ, batch(poller, 20)[3] & READ)
        end)

        it("does not count a descriptor whose watch was removed after it was found", function()
          assert.is_true(poller:watch(fd, 1, WRITE))
          assert.equal(1, poller:wait(0))
          assert.is_true(poller:watch(fd, 1, 0))
          assert.is_true(poller:watch(fd, 1, READ))
          assert.equal(0, poller:wait(0))
        end)

        it("watches a number that is in use again though it was registered", function()
          assert.is_true(poller:add(fd, 1))
          batch(poller)
          one:close()  -- without poller:del
          local again, beside, same = pair()
          while same ~= fd do  -- its listener may have had the number
            again, beside, same = pair()
          end
          assert.is_true(poller:watch(fd, 2, WRITE))
          assert.same({[2] = WRITE}, batch(poller))
          again:close()
          beside:close()
        end)

        it("returns an error for files, which cannot be polled", function()
          local opened <close>, number = descriptors.of(io.open, "Makefile")
          assert.is_userdata(opened)
          assert.same({nil, "not pollable"}, {poller:add(number, 1)})
          assert.same({nil, "not pollable"}, {poller:watch(number, 1, READ)})
        end)

        it("refuses values that are no descriptors", function()
          assert.same({nil, "bad descriptor"}, {poller:add(0x7fffffff, 1)})
          assert.same({nil, "bad descriptor"}, {poller:watch(0x7fffffff, 1, READ)})
          poller:del(0x7fffffff)
          poller:rearm(0x7fffffff, READ)
          assert.has_error(function() poller:add(-1, 1) end)
          assert.has_error(function() poller:add("x", 1) end)
          assert.has_error(function() poller:add(fd) end)
        end)

        it("may be closed several times", function()
          poller:add(fd, 1)
          assert.matches("^websock%.poller %(" .. name .. "%): ", tostring(poller))
          poller:close()
          poller:close()
          poller:del(fd)
          for _, method in ipairs {"wait", "next", "fd", "name"} do
            assert.error_matches(function() poller[method](poller) end, "closed poller")
          end
          assert.error_matches(function() poller:add(fd, 1) end, "closed poller")
          assert.matches("^websock%.poller %(closed%): ", tostring(poller))
        end)

        it("has a descriptor of its own, or none", function()
          assert.equal(name ~= "poll", poller:fd() ~= nil)
        end)
      end)
    end
  end
end)
