-- A line that is being typed, with its history: what each key does to it. Knows no
-- terminal.
--
-- Why not GNU readline: Debian's binding, lua-readline 3.2, cannot redraw the line that is
-- being typed, so nothing could be printed above it.

local MOST = 1000  -- lines of history

local Editor = {}
Editor.__index = Editor

--- Returns an editor whose line is empty. `chars` are the line's characters, `at` is the
--- one before which the cursor stands.
function Editor.new()
  return setmetatable({chars = {}, at = 1, history = {}, place = 1, cut = {}}, Editor)
end

--- Returns the line.
function Editor:text()
  return table.concat(self.chars)
end

-- Replaces the line by a copy of these characters.
function Editor:set(chars)
  self.chars = table.move(chars, 1, #chars, 1, {})
  self.at = #chars + 1
end

--- Inserts a character at the cursor.
function Editor:insert(char)
  table.insert(self.chars, self.at, char)
  self.at = self.at + 1
end

-- Removes the characters from `first` up to before `last`, and keeps them for "paste".
function Editor:remove(first, last, keep)
  local n = last - first
  if n <= 0 then return end
  local removed = table.move(self.chars, first, last - 1, 1, {})
  table.move(self.chars, last, #self.chars + n, first)
  self.at = first
  if keep then self.cut = removed end
end

-- The beginning of the word before the cursor, and the end of the one behind.
local function word_before(self)
  local at = self.at
  while at > 1 and self.chars[at - 1]:find "^%s" do at = at - 1 end
  while at > 1 and not self.chars[at - 1]:find "^%s" do at = at - 1 end
  return at
end

local function word_behind(self)
  local at, n = self.at, #self.chars
  while at <= n and self.chars[at]:find "^%s" do at = at + 1 end
  while at <= n and not self.chars[at]:find "^%s" do at = at + 1 end
  return at
end

-- Moves in the history; the line that is being typed is behind its last.
local function recall(self, step)
  local place = self.place + step
  if place < 1 or place > #self.history + 1 then return end
  if self.place > #self.history then self.unfinished = self.chars end
  self.place = place
  self:set(self.history[place] or self.unfinished)
end

local function remember(self, line)
  local history = self.history
  if line ~= "" and line ~= self.last then history[#history + 1] = self.chars end
  if #history > MOST then table.remove(history, 1) end
  self.last, self.place = line, #history + 1
end

local keys = {}

keys["left"] = function(self) self.at = math.max(self.at - 1, 1) end
keys["right"] = function(self) self.at = math.min(self.at + 1, #self.chars + 1) end
keys["home"] = function(self) self.at = 1 end
keys["end"] = function(self) self.at = #self.chars + 1 end
keys["word left"] = function(self) self.at = word_before(self) end
keys["word right"] = function(self) self.at = word_behind(self) end
keys["up"] = function(self) recall(self, -1) end
keys["down"] = function(self) recall(self, 1) end
keys["cut before"] = function(self) self:remove(1, self.at, true) end
keys["cut after"] = function(self) self:remove(self.at, #self.chars + 1, true) end
keys["cut word"] = function(self) self:remove(word_before(self), self.at, true) end

keys["backspace"] = function(self)
  if self.at > 1 then self:remove(self.at - 1, self.at) end
end

keys["delete"] = function(self)
  if self.at <= #self.chars then self:remove(self.at, self.at + 1) end
end

keys["paste"] = function(self)
  for _, char in ipairs(self.cut) do self:insert(char) end
end

keys["delete or end"] = function(self)
  if #self.chars == 0 then return "ended" end
  keys["delete"](self)
end

keys["clear"] = function() return "clear" end

keys["enter"] = function(self)
  local line = self:text()
  remember(self, line)
  self:set {}
  return "line", line
end

--- Does what a key does.
---@param key {name: string?, char: string?}
---@return "line"|"ended"|"clear"|nil what # a line is complete, there are no more, or the
---   screen is to be cleared
---@return string? line
function Editor:key(key)
  if key.char then return self:insert(key.char) end
  return keys[key.name](self)
end

return Editor
