-- A list of what happens in a test, in order.

local notes = {log = {}}

---Notes its arguments, as one text.
function notes.note(...)
  notes.log[#notes.log + 1] = table.concat({...}, " ")
end

---Empties the list, before each test.
function notes.clear()
  for i = #notes.log, 1, -1 do notes.log[i] = nil end
end

return notes
