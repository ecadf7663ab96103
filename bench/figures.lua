--- figures(command, core): runs a load on a core, and returns the figures that it prints
--- (bench/load.c), also as those of a unit: rate a second, `back` in milliseconds.
return function(command, core)
  local pipe = assert(io.popen(("taskset -c %d %s"):format(core, command)))
  local units, seconds, cpu, memory, p50, p99, bytes, faults =
    pipe:read("n", "n", "n", "n", "n", "n", "n", "n")
  if not pipe:close() or not cpu then error("the load failed: " .. command, 0) end
  return {rate = units / seconds, back = seconds * 1e3, cpu = cpu, memory = memory,
    p50 = p50, p99 = p99, bytes = bytes, faults = faults}
end
