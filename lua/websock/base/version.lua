-- The library's version (https://semver.org), which _VERSION and the default User-Agent
-- have.

return "0.1.0"
