-- tostring that never raises: returns the type of a value whose __tostring raises.

---@param value any
---@return string
return function(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(" .. type(value) .. ")"
end
