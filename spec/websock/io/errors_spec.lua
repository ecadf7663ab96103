-- Errors of spawned functions: on_error, a traceback, and what `run` returns.

local websock = require "websock"
local child = require "support.child"
local ends = require "support.ends"
local errors = require "websock.io.errors"
local handler = require "websock.server.handler"
local library_log = require "websock.base.log"
local notes = require "support.notes"

local log, note = notes.log, notes.note

-- Errors of spawned functions go here for one test.
local function catch_errors()
  local caught = {}
  websock.on_error = function(...) caught[#caught + 1] = table.pack(...) end
  ends.at_end(function() websock.on_error = nil end)
  return caught
end

describe("errors", function()
  before_each(notes.clear)
  after_each(ends.finish)

  it("that cannot even be told harm nobody", function()
    local stderr, told = library_log.stderr, 0
    finally(function() library_log.stderr = stderr end)
    library_log.stderr = function()
      told = told + 1
      error "not enough memory"
    end
    errors.guarded({fails = function() error "oh no" end}, "fails")
    handler.reporter(nil)("oh no", nil, "traceback")
    handler.reporter(error)("oh no", nil, "traceback")
    assert.equal(3, told)
  end)

  describe("on_error", function()
    it("gets the error, the thread and a traceback", function()
      local caught = catch_errors()
      local function culprit() error("oh no") end
      local thread = websock.spawn(function()
        culprit()
        return true
      end)
      websock.run()
      local err, whose, traceback = table.unpack(caught[1], 1, 3)
      assert.equal(1, #caught)
      assert.matches("errors_spec.lua:%d+: oh no", err)
      assert.equal(thread, whose)
      assert.matches("oh no.*traceback:.*culprit", traceback)
    end)

    it("gets errors that are no strings as they are", function()
      local caught, object = catch_errors(), {}
      websock.spawn(error, object)
      websock.spawn(error, nil)
      websock.run()
      assert.equal(object, caught[1][1])
      assert.is_nil(caught[2][1])
      assert.equal("string", type(caught[2][3]))
    end)

    it("that raises is contained", function()
      local status, output = child.run [[
        websock.on_error = function() error "second" end
        websock.spawn(error, "first")
        websock.spawn(print, "still here")
        websock.run()]]
      assert.equal(0, status)
      assert.matches("first.*on_error raised: .*second", output)
      assert.matches("still here", output)
    end)

    it("is stderr by default", function()
      local status, output = child.run [[
        websock.spawn(error, "lost")
        websock.run()
        print "and on"]]
      assert.equal(0, status)
      assert.matches("websock: [^\n]*lost\nstack traceback:", output)
      assert.matches("and on", output)
    end)

    it("can be read, set and removed, and must be a function", function()
      assert.is_nil(websock.on_error)
      local function f() end
      websock.on_error = f
      assert.equal(f, websock.on_error)
      websock.on_error = nil
      assert.is_nil(websock.on_error)
      assert.error_matches(function() websock.on_error = 1 end, "on_error: function expected")
    end)

    it("closes the variables of the function that has raised, where nothing can wait", function()
      local caught = catch_errors()
      websock.spawn(function()
        local _ <close> = setmetatable({}, {__close = function()
          note "closing"
          websock.sleep(1)
        end})
        error "first"
      end)
      websock.run()
      assert.same({"closing"}, log)
      assert.matches("first.*while closing.*cannot wait here", caught[1][3])
    end)

    it("costs no other coroutine its turn", function()
      catch_errors()
      websock.spawn(note, "before")
      websock.spawn(error, "x")
      websock.spawn(note, "after")
      websock.run()
      assert.same({"before", "after"}, log)
    end)
  end)
end)
